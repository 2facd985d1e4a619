//! Events that are given up, and what is derived from the log: it does not matter whether a
//! snapshot was lost.

use std::collections::BTreeMap;

use eventcask::projection::{ProjectionAsOf, ProjectionOptions, SnapshotPolicy};
use eventcask::storage::Storage;
use eventcask::view::ViewRow;
use eventcask::{
    AsOf, Event, PerAggregate, Place, ProjectionHandle, Store, Timeout, Timestamp, ViewSpec,
};

use eventcask_log::Framed;

use crate::support::{Bank, Counts, put};

type Found = BTreeMap<String, u64>;

/// Gives something up of a store that was filled; more than once if need be.
type GiveUp = fn(&Store);

const WAYS: [GiveUp; 4] = [
    |store| store.truncate_aggregate("account-1", 5).unwrap(),
    |store| store.delete_aggregate("account-1").unwrap(),
    |store| store.truncate_before(commit_time(store, 20)).unwrap(),
    |store| {
        store.truncate_aggregate("account-1", 5).unwrap();
        store.truncate_before(commit_time(store, 20)).unwrap();
        store.truncate_aggregate("account-1", 7).unwrap();
    },
];

/// When the event was accepted that so many are before.
fn commit_time(store: &Store, events: usize) -> Timestamp {
    let event = store.events().iter().nth(events).unwrap().unwrap();
    event.commit_time()
}

fn filled() -> Bank {
    let mut bank = Bank::new(2);
    bank.options = bank.options.segment_bytes(4_000);
    let store = bank.open();
    for number in 0..60 {
        put(
            &store,
            &format!("account-{}", number % 5),
            r#"{"who":"Ada"}"#,
        );
    }
    bank
}

/// What a reader of the log counts.
fn in_the_log(store: &Store) -> Found {
    let mut found = Found::new();
    for event in &store.events() {
        let event: Event = event.unwrap();
        *found.entry(event.key().to_owned()).or_default() += 1;
    }
    found
}

fn options(store: &Store, is_sync: bool) -> ProjectionOptions<Counts> {
    let kept = store
        .projection(Counts)
        .snapshots(SnapshotPolicy::default());
    if is_sync { kept.sync() } else { kept }
}

fn start(store: &Store, is_sync: bool) -> ProjectionHandle<Counts> {
    let counts = options(store, is_sync).start().unwrap();
    let long = Timeout::Error(std::time::Duration::from_secs(60));
    for (shard, end) in (0..).zip(store.positions()) {
        counts.wait_for(Place::new(shard, end - 1), long).unwrap();
    }
    counts
}

fn add(found: &mut Found, state: &PerAggregate<u64>) {
    found.extend(state.iter().map(|(key, count)| (key.to_owned(), *count)));
    // An aggregate of which nothing is left may have no entry, or one that counts nothing.
    found.retain(|_, count| *count > 0);
}

fn counted(counts: &ProjectionHandle<Counts>) -> Found {
    let mut found = Found::new();
    counts
        .each_shard(|_, state| add(&mut found, state))
        .unwrap();
    found
}

fn counted_then(past: &ProjectionAsOf<Counts>) -> Found {
    let mut found = Found::new();
    (0..2).for_each(|shard| add(&mut found, past.state(shard)));
    found
}

/// Removes all files of a directory.
fn lose(bank: &Bank, dir: &str) {
    for name in bank.storage.list(dir).unwrap() {
        if name.ends_with(".snapshot") {
            bank.storage.remove(&format!("{dir}/{name}")).unwrap();
        }
    }
}

/// Starts it anew: with its snapshots, without them, and as of now. Each time it holds what is
/// there.
fn check(bank: &Bank, is_sync: bool, what: &str) {
    for is_lost in [false, false, true] {
        if is_lost {
            lose(bank, "projections/0001");
        }
        let store = bank.open();
        let left = in_the_log(&store);
        let counts = start(&store, is_sync);
        assert_eq!(counted(&counts), left, "{what}, lost: {is_lost}");
        let now = counts.as_of(AsOf::Position(u64::MAX)).unwrap();
        assert_eq!(counted_then(&now), left, "{what}, as of now");
        counts.rebuild().unwrap().wait().unwrap();
        assert_eq!(counted(&counts), left, "{what}, rebuilt");
        store.close().unwrap();
    }
}

/// A snapshot from before events were given up was taken up after that, and held them: whether they
/// counted depended on whether it was lost.
#[test]
fn l7_what_was_given_up_does_not_count_after_a_start_whether_snapshots_were_lost_or_not() {
    for (way, give_up) in WAYS.iter().enumerate() {
        for is_sync in [true, false] {
            let what = format!("way {way}, sync {is_sync}");
            let bank = filled();
            let store = bank.open();
            let counts = start(&store, is_sync);
            let held = counted(&counts);
            give_up(&store);
            put(&store, "account-2", "{}");
            assert_ne!(in_the_log(&store), held, "{what}");
            store.close().unwrap();
            drop(counts);
            check(&bank, is_sync, &what);

            let store = bank.open();
            // Sealing may have left them out before.
            store.reclaim().unwrap();
            assert_eq!(store.reclaimable().unwrap().events, 0, "{what}");
            store.close().unwrap();
            check(&bank, is_sync, &format!("{what}, taken back"));
        }
    }
}

#[test]
fn a_projection_in_use_holds_what_was_given_up_until_it_is_rebuilt() {
    for is_sync in [true, false] {
        let bank = filled();
        let store = bank.open();
        let counts = start(&store, is_sync);
        let held = counted(&counts);
        store.truncate_aggregate("account-1", 5).unwrap();
        assert_eq!(counted(&counts), held);
        let now = counts.as_of(AsOf::Position(u64::MAX)).unwrap();
        assert_eq!(counted_then(&now), in_the_log(&store), "the past is asked");
        counts.rebuild().unwrap().wait().unwrap();
        assert_eq!(counted(&counts), in_the_log(&store));
        drop(counts);
        assert_eq!(counted(&start(&store, is_sync)), in_the_log(&store));
    }
}

/// Snapshots that are made after something was given up are taken up again.
#[test]
fn a_snapshot_counts_until_more_is_given_up() {
    let bank = filled();
    let store = bank.open();
    store.truncate_aggregate("account-1", 5).unwrap();
    drop(start(&store, true));
    let counts = start(&store, true);
    let positions = counts.stats().positions;
    let saved: Vec<_> = positions.into_iter().map(Some).collect();
    assert_eq!(counts.stats().snapshot_positions, saved);
    drop(counts);
    store.truncate_aggregate("account-1", 6).unwrap();
    let shard = eventcask::event::route("account-1", 2) as usize;
    let counts = options(&store, true).start().unwrap();
    assert_eq!(counts.stats().snapshot_positions[shard], None);
}

#[test]
fn l7_a_view_is_the_same_whether_its_snapshots_were_lost_or_not() {
    let rows = |store: &Store| -> Vec<ViewRow> { store.view("ada").unwrap().rows().unwrap() };
    for give_up in WAYS {
        let bank = filled();
        let store = bank.open();
        let spec = ViewSpec::new("who", &["count"], None, None).unwrap();
        store.create_view("ada", spec).unwrap();
        let held = rows(&store);
        give_up(&store);
        assert_eq!(rows(&store), held, "one in use holds it");
        store.close().unwrap();

        let store = bank.open();
        let kept = rows(&store);
        assert_ne!(kept, held);
        let rebuild = store.view("ada").unwrap().rebuild().unwrap();
        rebuild.wait().unwrap().unwrap();
        assert_eq!(rows(&store), kept);
        store.reclaim().unwrap();
        store.close().unwrap();
        assert_eq!(rows(&bank.open()), kept, "taken back");
        lose(&bank, "views/0001");
        assert_eq!(rows(&bank.open()), kept, "and lost");
    }
}

/// A time that is yet to come hid all that was stored later, acknowledged as it was: it was kept as
/// it came. It is held against the clock that gives commit times.
#[test]
fn a_time_to_come_gives_up_what_is_stored_and_nothing_later() {
    let bank = filled();
    let store = bank.open();
    store
        .truncate_before(Timestamp::from_nanos(i64::MAX))
        .unwrap();
    assert_eq!(in_the_log(&store), Found::new());
    let spec = ViewSpec::new("who", &["count"], None, None).unwrap();
    store.create_view("ada", spec).unwrap();
    let counts = start(&store, true);
    let later: Found = (0..10).map(|n| (format!("account-{n}"), 1)).collect();
    for key in later.keys() {
        put(&store, key, r#"{"who":"Ada"}"#);
    }
    assert_eq!(in_the_log(&store), later);
    assert_eq!(counted(&counts), later);
    assert_eq!(store.view("ada").unwrap().rows().unwrap().len(), 1);
    assert!(store.reclaim().unwrap().events > 0);
    store.close().unwrap();
    drop(counts);
    assert_eq!(in_the_log(&bank.open()), later);
    check(&bank, true, "a time to come");
}

/// What was given up by time stayed in the open segment, or left it, as its blocks happened to
/// compress.
#[test]
fn a_segment_that_was_given_up_whole_takes_nothing_more() {
    let bank = Bank::new(2);
    let store = bank.open();
    for number in 0..9 {
        put(&store, &format!("account-{number}"), r#"{"who":"Ada"}"#);
    }
    let all = Timestamp::from_nanos(i64::MAX);
    store.truncate_before(all).unwrap();
    assert_eq!(store.reclaimable().unwrap().events, 9);
    store.close().unwrap();
    for round in 1..4 {
        let store = bank.open();
        for number in 0..5 {
            put(&store, &format!("account-{number}"), "{}");
        }
        assert_eq!(in_the_log(&store).values().sum::<u64>(), 5 * round);
        store.close().unwrap();
    }
    let store = bank.open();
    let segments = store.stats().segments;
    assert_eq!(store.reclaim().unwrap().events, 0);
    assert_eq!(store.stats().segments, segments);
    assert_eq!(store.aggregate("account-4").events().unwrap().count(), 3);
    store.close().unwrap();
    let storage: std::sync::Arc<dyn Storage> = std::sync::Arc::new(bank.storage.clone());
    assert!(eventcask::verify(&storage).unwrap().is_ok());
}

/// A store that an older version left with such a time: what is stored from now on is seen.
#[test]
fn a_time_to_come_that_was_kept_gives_up_nothing_that_is_stored_later() {
    let bank = filled();
    let path = "RETENTION";
    let store = bank.open();
    store.truncate_before(Timestamp::from_nanos(1)).unwrap();
    store.close().unwrap();
    let mut kept = Framed::read(&bank.storage, path).unwrap();
    kept.body = (i64::MAX - 7).to_le_bytes().to_vec();
    kept.write(&bank.storage, "", path).unwrap();
    for stored in 0..3 {
        let store = bank.open();
        assert_eq!(in_the_log(&store).values().sum::<u64>(), stored);
        put(&store, "account-1", "{}");
        let years = 100 * 365 * 24 * 3600 * 1_000_000_000_i64;
        assert!(commit_time(&store, 0).as_nanos() < years, "in our time");
        store.close().unwrap();
    }
}

/// A shard that was empty when something was given up by time was never saved again.
#[test]
fn a_shard_that_was_empty_is_saved_whatever_was_given_up_before() {
    let bank = Bank::new(1);
    let store = bank.open();
    store.truncate_before(Timestamp::from_nanos(1)).unwrap();
    let counts = options(&store, true).start().unwrap();
    put(&store, "account-1", "{}");
    store.close().unwrap();
    assert_eq!(counts.stats().snapshot_positions, [Some(1)]);
}
