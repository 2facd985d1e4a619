//! Views waited for, filled anew with progress, and as they were: what each projection has.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use eventcask::storage::Storage;
use eventcask::view::ViewRow;
use eventcask::{
    AsOf, Error, ErrorKind, Event, Expected, NewEvent, Place, Store, Ticket, Timeout, View,
    ViewSpec,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, in_time};

const SOON: Timeout = Timeout::Error(Duration::from_secs(60));
const NOW: Timeout = Timeout::Error(Duration::ZERO);

/// A view that counts events and sums cents by receiver.
fn create(store: &Store) -> View {
    let spec = ViewSpec::new("to", &["count", "sum:cents"], Some("Deposited"), None);
    store.create_view("deposits", spec.unwrap()).unwrap()
}

fn deposit(store: &Store, key: &str, number: u64) -> Place {
    let payload = format!(r#"{{"to":"{}","cents":{number}}}"#, number % 5);
    let event = NewEvent::json("Deposited", payload.as_bytes());
    let ticket = store.producer().append(key, Expected::Any, &[event]);
    ticket.and_then(Ticket::wait).unwrap().place()
}

fn fill(store: &Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        deposit(store, &format!("account-{}", number % 7), number);
    }
}

type Fold = BTreeMap<String, String>;

/// Count and sum by receiver.
fn fold_of(rows: &[ViewRow]) -> Fold {
    let shown = |row: &ViewRow, name: &str| row.value(name).unwrap().number().unwrap().to_string();
    let both = |row: &ViewRow| format!("{} {}", shown(row, "count"), shown(row, "sum:cents"));
    rows.iter()
        .map(|row| (row.key.clone(), both(row)))
        .collect()
}

/// The same, of the events themselves.
fn fold_over(events: impl Iterator<Item = Event>) -> Fold {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for event in events {
        let payload: serde_json::Value = serde_json::from_slice(event.payload()).unwrap();
        let sum = sums
            .entry(payload["to"].as_str().unwrap().to_owned())
            .or_default();
        *sum = (sum.0 + 1, sum.1 + payload["cents"].as_u64().unwrap());
    }
    let shown = |(to, (count, sum))| (to, format!("{count} {sum}"));
    sums.into_iter().map(shown).collect()
}

#[test]
fn a_view_is_waited_for_by_the_place_of_an_append() {
    let store = Bank::new(2).open();
    let view = create(&store);
    let place = deposit(&store, "account-1", 1);
    assert_eq!(view.wait_for(place, NOW).unwrap(), place.position + 1);
    let next = Place::new(place.shard, place.position + 1);
    let behind = view.wait_for(next, NOW).unwrap_err();
    assert_eq!(behind.kind(), ErrorKind::Behind);
    let sentence = behind.to_string();
    assert!(
        sentence.contains("\"deposits\" has not come to"),
        "{sentence}"
    );
    let stale = view.wait_for(next, Timeout::Stale(Duration::ZERO)).unwrap();
    assert_eq!(stale, next.position);
    let absent = view.wait_for(Place::new(9, 0), NOW).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
}

#[test]
fn who_waits_for_a_view_that_nobody_has_opened_yet_is_woken() {
    let bank = Bank::new(1);
    let store = bank.open();
    create(&store);
    fill(&store, 0..20);
    store.close().unwrap();

    let store = bank.open();
    let view = store.view("deposits").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| view.wait_for(Place::new(0, 24), SOON));
        fill(&store, 20..25);
        assert_eq!(waiting.join().unwrap().unwrap(), 25);
    });
}

#[test]
fn a_reader_waits_for_a_view_until_a_refresh_has_found_the_place() {
    let bank = Bank::new(1);
    let store = bank.open();
    create(&store);
    let reader = bank.open_read_only();
    let view = reader.view("deposits").unwrap();
    let place = deposit(&store, "account-1", 1);
    assert_eq!(
        view.wait_for(place, NOW).unwrap_err().kind(),
        ErrorKind::Behind
    );
    let mut waiting = pin!(view.reaches(place).unwrap());
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    reader.refresh().unwrap();
    let Poll::Ready(reached) = waiting.poll(&mut context) else {
        panic!("the place is there");
    };
    assert_eq!(reached.unwrap(), 1);
}

#[test]
fn who_waits_for_a_view_that_is_dropped_or_whose_store_is_closed_hears_so() {
    type End = fn(&Store) -> Result<(), Error>;
    let ends: [(End, ErrorKind); 2] = [
        (|store| store.drop_view("deposits"), ErrorKind::NotFound),
        (|store| store.clone().close(), ErrorKind::Closed),
    ];
    for (end, kind) in ends {
        let store = Bank::new(1).open();
        let view = create(&store);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| view.wait_for(Place::new(0, 9), SOON));
            end(&store).unwrap();
            assert_eq!(waiting.join().unwrap().unwrap_err().kind(), kind);
        });
    }
}

#[test]
fn a_view_as_of_a_moment_is_the_fold_over_what_came_before() {
    let bank = Bank::new(2);
    let store = bank.open();
    create(&store);
    fill(&store, 0..100);
    store.close().unwrap();
    // From here on there is a snapshot in the middle of the log.
    let store = bank.open();
    fill(&store, 100..200);
    let view = store.view("deposits").unwrap();
    let all: Vec<Event> = store.events().iter().map(Result::unwrap).collect();
    for position in [0, 1, 30, 49, 50, 51, 70, 99, 1_000] {
        let before = all.iter().filter(|event| event.position() <= position);
        let then = view.as_of(AsOf::Position(position)).unwrap();
        let wanted = fold_over(before.cloned());
        assert_eq!(fold_of(&then.rows()), wanted, "position {position}");
        assert_eq!(then.row_count(), wanted.len());
    }
    for event in all.iter().step_by(17) {
        let time = event.commit_time();
        let before = all.iter().filter(|event| event.commit_time() <= time);
        let then = view.as_of(AsOf::Time(time)).unwrap();
        let wanted = fold_over(before.cloned());
        assert_eq!(fold_of(&then.rows()), wanted, "time {time}");
        assert_eq!(fold_of(&then.get("3")).get("3"), wanted.get("3"));
        assert_eq!(then.top(1, "count").unwrap().len(), 1);
    }
    let absent = view.as_of(AsOf::Position(9)).unwrap().top(1, "mean:cents");
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::Invalid);
    let error = view.as_of(AsOf::Version(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[test]
fn a_rebuild_of_a_view_tells_how_far_it_is_and_can_be_cancelled() {
    let bank = Bank::new(2);
    let store = bank.open();
    let view = create(&store);
    fill(&store, 0..100);
    let before = view.rows().unwrap();
    let rebuild = view.rebuild().unwrap();
    assert_eq!(rebuild.progress().events, 100);
    assert_eq!(rebuild.wait().unwrap(), Some(store.positions()));
    assert_eq!(view.rows().unwrap(), before);

    let rebuild = view.rebuild().unwrap();
    rebuild.cancel();
    // It may have been done before.
    let positions = rebuild.wait().unwrap();
    assert!(positions.is_none_or(|at| at == store.positions()));
    drop(view.rebuild().unwrap());
    fill(&store, 100..110);
    let all = store.events().iter().map(Result::unwrap);
    assert_eq!(fold_of(&view.rows().unwrap()), fold_over(all));

    let reader = bank.open_read_only();
    let files = bank.storage.files();
    let rebuild = reader.view("deposits").unwrap().rebuild().unwrap();
    assert_eq!(rebuild.wait().unwrap(), Some(store.positions()));
    assert_eq!(bank.storage.files(), files, "a reader writes nothing");
    store.close().unwrap();
    assert_eq!(
        view.rebuild().map(drop).unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[test]
fn l6_a_view_that_stopped_says_so_by_its_name_and_goes_on_once_it_is_rebuilt() {
    const EIO: i32 = 5;
    let bank = Bank::new(1);
    let store = bank.open();
    create(&store);
    fill(&store, 0..50);
    store.seal().unwrap();
    store.close().unwrap();
    bank.storage.remove("views/0001/0000.snapshot").unwrap();

    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let options = bank.options.clone().block_cache_bytes(0);
    let store = options.open(Arc::new(disk.clone())).unwrap();
    let view = store.view("deposits").unwrap();
    disk.fails(Operation::Read, "shards/0000", Fault::Errno(EIO));
    let error = view.rows().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    let sentence = error.to_string();
    for part in ["\"deposits\"", "shard 0", "(os error 5)", "rebuild it"] {
        assert!(sentence.contains(part), "{part} is not in: {sentence}");
    }
    let waited = view.wait_for(Place::new(0, 0), NOW).unwrap_err();
    assert_eq!(waited.kind(), ErrorKind::Stopped);
    assert!(view.stats().failure.is_some());
    assert_eq!(store.view("deposits").unwrap().stats(), view.stats());

    disk.is_well();
    let still = in_time("a question", {
        let view = view.clone();
        move || view.rows()
    });
    assert_eq!(still.unwrap_err().kind(), ErrorKind::Stopped);
    view.rebuild().unwrap().wait().unwrap().unwrap();
    let all = store.events().iter().map(Result::unwrap);
    assert_eq!(fold_of(&view.rows().unwrap()), fold_over(all));
    assert_eq!(view.stats().failure, None);
}
