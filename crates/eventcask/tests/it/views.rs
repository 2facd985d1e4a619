//! Views: right, kept, rebuilt, dropped.

use std::collections::BTreeMap;

use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::{ErrorKind, NewEvent, Store, StoreReader, ViewSpec};

use crate::support::{Bank, in_time};

fn spec() -> ViewSpec {
    ViewSpec::new(
        "to",
        &["count", "sum:cents", "max:cents"],
        Some("Deposited"),
        None,
    )
    .unwrap()
}

/// Appends transfers and returns what a fold over them gives: count and sum by receiver.
fn transfer(store: &Store, from: u64, count: u64, fold: &mut BTreeMap<String, (u64, i64)>) {
    let mut producer = store.producer();
    for number in from..from + count {
        let to = format!("{}", number % 11);
        let cents = (number as i64 * 37) % 1000 - 300;
        let payload = format!(r#"{{"to":"{to}","cents":{cents}}}"#);
        let name = if number % 5 == 0 {
            "Refused"
        } else {
            "Deposited"
        };
        producer
            .push(
                &format!("account-{}", number % 97),
                &NewEvent::json(name, payload.as_bytes()),
            )
            .unwrap();
        if name == "Deposited" {
            let entry = fold.entry(to).or_default();
            *entry = (entry.0 + 1, entry.1 + cents);
        }
    }
    producer.flush().unwrap().wait().unwrap();
}

fn rebuild(store: &StoreReader) {
    let rebuild = store.view("deposits").unwrap().rebuild().unwrap();
    rebuild.wait().unwrap().expect("nobody cancels it");
}

fn rows(store: &StoreReader) -> BTreeMap<String, (u64, i64)> {
    let number = |row: &eventcask::view::ViewRow, name: &str| {
        row.value(name)
            .unwrap()
            .number()
            .unwrap()
            .to_string()
            .parse::<i64>()
            .unwrap()
    };
    let rows = store.view("deposits").unwrap().rows().unwrap();
    rows.iter()
        .map(|row| {
            (
                row.key.clone(),
                (number(row, "count") as u64, number(row, "sum:cents")),
            )
        })
        .collect()
}

#[test]
fn l5_a_view_equals_the_fold_through_restarts_rebuilds_and_kills() {
    let bank = Bank::new(4);
    let mut fold = BTreeMap::new();
    let store = bank.open();
    transfer(&store, 0, 500, &mut fold);
    store.create_view("deposits", spec()).unwrap();
    assert_eq!(rows(&store), fold, "made late");
    transfer(&store, 500, 500, &mut fold);
    assert_eq!(rows(&store), fold, "kept up to date");
    let killed = Bank {
        storage: bank.storage.copy(),
        options: bank.options.clone(),
    };
    assert_eq!(rows(&killed.open()), fold, "after a kill");
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(rows(&store), fold, "after a restart");
    transfer(&store, 1000, 500, &mut fold);
    rebuild(&store);
    assert_eq!(rows(&store), fold, "rebuilt");
    transfer(&store, 1500, 10, &mut fold);
    assert_eq!(rows(&store), fold, "after the rebuild");
    store.close().unwrap();
    assert_eq!(rows(&bank.open_read_only()), fold, "read only");
}

#[test]
fn a_view_is_right_while_events_come_in() {
    let bank = Bank::new(2);
    let store = bank.open();
    let mut fold = BTreeMap::new();
    std::thread::scope(|scope| {
        let writer = store.clone();
        let written = scope.spawn(move || {
            let mut fold = BTreeMap::new();
            for round in 0..40 {
                transfer(&writer, round * 100, 100, &mut fold);
            }
            fold
        });
        store.create_view("deposits", spec()).unwrap();
        for _ in 0..5 {
            rebuild(&store);
            rows(&store);
        }
        fold = written.join().unwrap();
    });
    assert_eq!(rows(&store), fold);
}

#[test]
fn l7_snapshots_may_be_damaged_or_deleted() {
    let bank = Bank::new(2);
    let store = bank.open();
    let mut fold = BTreeMap::new();
    store.create_view("deposits", spec()).unwrap();
    transfer(&store, 0, 300, &mut fold);
    store.close().unwrap();
    let snapshot = "views/0001/0000.snapshot";
    let len = bank
        .storage
        .open(snapshot, Open::Read)
        .unwrap()
        .len()
        .unwrap();
    for place in [0, 70, 130, len - 1] {
        let file = bank.storage.open(snapshot, Open::Write).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 0x20], place).unwrap();
        assert_eq!(rows(&bank.open_read_only()), fold, "byte {place} flipped");
        file.write_all_at(&byte, place).unwrap();
    }
    bank.storage.remove(snapshot).unwrap();
    assert_eq!(rows(&bank.open_read_only()), fold, "deleted");
    let store = bank.open();
    assert_eq!(rows(&store), fold);
    store.close().unwrap();
    assert!(
        bank.storage.files().iter().any(|name| name == snapshot),
        "made again"
    );
}

/// The bytes of a view's snapshot once they are others than these.
fn saved_anew(storage: &MemoryStorage, before: &[u8]) -> Vec<u8> {
    loop {
        // It is replaced by a rename, so one that is there is whole.
        let file = storage.open("views/0001/0000.snapshot", Open::Read);
        let file = file.unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        if bytes != before {
            return bytes;
        }
        std::thread::yield_now();
    }
}

/// A few groups are copied to be saved, many are made of the log once more.
#[test]
fn l7_a_view_is_saved_while_its_store_is_open() {
    for groups in [5_u64, 6000] {
        let mut bank = Bank::new(1);
        bank.options = bank.options.view_snapshot_events(2000);
        let store = bank.open();
        store.create_view("deposits", spec()).unwrap();
        let mut saved = saved_anew(&bank.storage, &[]);
        let mut producer = store.producer();
        for round in 0..3 {
            for number in 0..6000 {
                let payload = format!(r#"{{"to":"{}","cents":{round}}}"#, number % groups);
                let event = NewEvent::json("Deposited", payload.as_bytes());
                producer.push("account", &event).unwrap();
            }
            producer.flush().unwrap().wait().unwrap();
            let storage = bank.storage.clone();
            saved = in_time("a snapshot", move || saved_anew(&storage, &saved));
        }
        let expected = rows(&store);
        let killed = Bank {
            storage: bank.storage.copy(),
            options: bank.options.clone(),
        };
        let store = killed.open();
        assert_eq!(rows(&store), expected, "after a kill");
        rebuild(&store);
        assert_eq!(rows(&store), expected, "rebuilt");
        assert_eq!(expected.len() as u64, groups);
    }
}

#[test]
fn a_view_that_is_dropped_while_it_is_saved_is_gone() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.view_snapshot_events(1);
    let store = bank.open();
    for _ in 0..20 {
        store.create_view("deposits", spec()).unwrap();
        transfer(&store, 0, 200, &mut BTreeMap::new());
        store.drop_view("deposits").unwrap();
    }
    store.close().unwrap();
    let left = bank.storage.files();
    let left: Vec<_> = left
        .iter()
        .filter(|name| name.starts_with("views/"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn views_have_names_of_their_own() {
    let bank = Bank::new(1);
    let store = bank.open();
    for name in ["", "../x", "a b", "ä", &"x".repeat(65)] {
        let error = store
            .create_view(name, spec())
            .map(|_| ())
            .expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
    }
    store.create_view("deposits", spec()).unwrap();
    assert_eq!(
        store
            .create_view("deposits", spec())
            .map(|_| ())
            .unwrap_err()
            .kind(),
        ErrorKind::InUse
    );
    store.create_view("Deposits", spec()).unwrap();
    let names: Vec<String> = store
        .views()
        .iter()
        .map(|view| view.name().to_owned())
        .collect();
    assert_eq!(names, ["Deposits", "deposits"]);
    store.drop_view("Deposits").unwrap();
    assert_eq!(
        store.view("Deposits").map(|_| ()).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        store.drop_view("Deposits").unwrap_err().kind(),
        ErrorKind::NotFound
    );
    store.close().unwrap();
    assert_eq!(bank.open().views().len(), 1);
}

#[test]
fn a_handle_on_a_dropped_view_says_so() {
    let store = Bank::new(1).open();
    let view = store.create_view("deposits", spec()).unwrap();
    store.drop_view("deposits").unwrap();
    assert_eq!(view.rows().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn stats_tell_how_far_a_view_is() {
    let bank = Bank::new(2);
    let store = bank.open();
    store.create_view("deposits", spec()).unwrap();
    transfer(&store, 0, 100, &mut BTreeMap::new());
    store.flush().unwrap();
    let stats = store.stats();
    assert_eq!(stats.views[0].positions, store.positions());
    assert_eq!(
        (stats.views[0].lag_events, stats.views[0].lag_seconds),
        (0, 0)
    );
    assert_eq!(stats.events, 100);
    assert_eq!(stats.aggregates, 97);
    assert_eq!(
        stats.shards.iter().map(|shard| shard.events).sum::<u64>(),
        100
    );
}

fn spoil(storage: &MemoryStorage, name: &str, place: u64) {
    let file = storage.open(name, Open::Write).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, place).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], place).unwrap();
}

/// Each opening read all states of all views: to read one event of a store with a view of eight
/// million rows took seconds and a gigabyte. The positions of what was saved are in the heads of
/// the snapshots.
#[test]
fn a_view_is_opened_when_it_is_asked() {
    let bank = Bank::new(1);
    let store = bank.open();
    let mut fold = BTreeMap::new();
    store.create_view("deposits", spec()).unwrap();
    transfer(&store, 0, 300, &mut fold);
    store.close().unwrap();
    let snapshot = "views/0001/0000.snapshot";
    let files = bank.storage.files();
    let as_saved = |store: &StoreReader| store.stats().views[0].positions == [300];
    assert!(as_saved(&bank.open_read_only()));
    let store = bank.open();
    assert!(as_saved(&store));
    store.close().unwrap();
    assert_eq!(bank.storage.files(), files);
    // A state that was read would be filled with all events; its head alone looks whole.
    spoil(&bank.storage, snapshot, 140);
    let store = bank.open_read_only();
    assert_eq!(store.stats().views[0].positions, [300], "its head is read");
    bank.storage.remove(snapshot).unwrap();
    assert_eq!(store.events().iter().count(), 300);
    assert_eq!(store.stats().views[0].positions, [0], "nothing is filled");
    assert_eq!(rows(&store), fold);
    assert_eq!(store.stats().views[0].positions, [300]);

    bank.open().close().unwrap();
    assert!(!bank.storage.files().iter().any(|name| name == snapshot));
    let store = bank.open();
    transfer(&store, 300, 10, &mut fold);
    store.close().unwrap();
    assert_eq!(bank.open_read_only().stats().views[0].positions, [310]);
    assert_eq!(rows(&bank.open_read_only()), fold, "kept up to date");
}

#[test]
fn the_highest_rows_are_those_of_all_shards() {
    let store = Bank::new(4).open();
    let view = store.create_view("deposits", spec()).unwrap();
    transfer(&store, 0, 500, &mut BTreeMap::new());
    let mut rows = view.rows().unwrap();
    rows.sort_by_key(|row| std::cmp::Reverse(row.value("sum:cents")));
    for limit in [0, 1, 4, 100] {
        let first = &rows[..limit.min(rows.len())];
        assert_eq!(view.top(limit, "sum:cents").unwrap(), first);
    }
    assert_eq!(view.row_count().unwrap(), rows.len());
    let absent = view.top(1, "sum:euros").unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Invalid, "{absent}");
    assert!(
        absent.to_string().contains("count, sum:cents, max:cents"),
        "{absent}"
    );
}

#[test]
fn a_closed_store_changes_no_view() {
    let bank = Bank::new(1);
    let store = bank.open();
    let other = store.clone();
    store.close().unwrap();
    let refused = other.create_view("deposits", spec()).map(|_| ());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
}
