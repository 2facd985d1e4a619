//! Scans: backwards, and by what they are asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use eventcask::read::{EventIter, StoredBatch};
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{Error, Event, EventQuery, NewEvent, Store, Timestamp};
use fastrand::Rng;

use crate::faulty::{Fault, FaultyDisk, Operation, PANIC};
use crate::support::Bank;

/// Some aggregates with events of two types, in many small batches.
fn fill(store: &Store, rng: &mut Rng, batches: usize) {
    let mut producer = store.producer();
    for batch in 0..batches {
        for _ in 0..rng.usize(1..8) {
            let key = format!("{}-{}", ["account", "card"][rng.usize(..2)], rng.u32(..5));
            let name = ["Deposited", "Withdrawn"][rng.usize(..2)];
            let payload = format!(r#"{{"batch":{batch}}}"#);
            producer
                .push(&key, &NewEvent::json(name, payload.as_bytes()))
                .unwrap();
        }
        producer.flush().unwrap().wait().unwrap();
    }
}

fn read(events: EventIter) -> Vec<(u32, u64)> {
    let place = |event: Result<Event, Error>| {
        let event = event.unwrap();
        assert!(!event.payload().is_empty());
        (event.shard(), event.position())
    };
    events.map(place).collect()
}

/// The same by whole blocks: one shard comes after the other.
fn in_batches(query: &EventQuery) -> Vec<(u32, u64)> {
    let mut places = Vec::new();
    for batch in query.batches() {
        let batch = batch.unwrap();
        let batch = batch.get();
        assert!(batch.rows().all(|row| !batch.payload(row).is_empty()));
        places.extend(batch.rows().map(|row| (batch.shard(), batch.position(row))));
    }
    places
}

/// A query of each kind, by what a shard and the times of some events are.
fn queries(store: &Store, times: &[Timestamp]) -> Vec<EventQuery> {
    let middle = times[times.len() / 2];
    vec![
        store.events(),
        store.events().shard(1),
        store.events().types(&["Withdrawn"]),
        store.events().types(&["Unknown"]),
        store.events().key_prefix("card-"),
        store.events().key_prefix("card-1").types(&["Deposited"]),
        store.events().since(middle),
        store.events().until(middle),
        store.events().from_position(7),
        store.events().from_positions(&[3, 9]),
    ]
}

fn check_mirrored(store: &Store) {
    let times = store
        .events()
        .iter()
        .map(|event| event.unwrap().commit_time());
    let times: Vec<_> = times.collect();
    for query in queries(store, &times) {
        let mut forwards = read(query.iter());
        forwards.reverse();
        assert_eq!(read(query.rev()), forwards, "{query:?}");
        forwards.sort_unstable();
        assert_eq!(in_batches(&query), forwards, "{query:?}");
    }
}

#[test]
fn backwards_is_the_mirror_of_forwards_and_batches_hold_the_same() {
    let mut rng = Rng::with_seed(1);
    let mut bank = Bank::new(4);
    bank.options = bank.options.segment_bytes(3_000).seal(false);
    let store = bank.open();
    fill(&store, &mut rng, 60);
    check_mirrored(&store);
    assert!(store.seal().unwrap() > 3);
    check_mirrored(&store);
    // Gaps of one event, of many, and at the end.
    store.truncate_aggregate("card-1", 5).unwrap();
    store.delete_aggregate("account-2").unwrap();
    store.delete_aggregate("account-3").unwrap();
    store.reclaim().unwrap();
    check_mirrored(&store);
    fill(&store, &mut rng, 5);
    check_mirrored(&store);
    store.close().unwrap();
    check_mirrored(&bank.open());
}

#[test]
fn backwards_ends_where_the_store_was_when_it_began() {
    let store = Bank::new(2).open();
    fill(&store, &mut Rng::with_seed(2), 10);
    let before = read(store.events().rev());
    let mut events = store.events().rev();
    let first = events.next().unwrap().unwrap();
    fill(&store, &mut Rng::with_seed(3), 10);
    assert_eq!((first.shard(), first.position()), before[0]);
    assert_eq!(events.count() + 1, before.len());
}

#[test]
fn batches_end_where_the_store_was_when_they_began() {
    let store = Bank::new(2).open();
    fill(&store, &mut Rng::with_seed(4), 10);
    let before = read(store.events().iter()).len();
    let batches = store.events().batches();
    fill(&store, &mut Rng::with_seed(5), 10);
    let rows = |batch: Result<StoredBatch, Error>| batch.unwrap().get().len();
    assert_eq!(batches.map(rows).sum::<usize>(), before);
}

#[test]
fn a_key_prefix_is_compared_with_the_whole_key() {
    let store = Bank::new(2).open();
    let mut producer = store.producer();
    for key in ["a", "ab", "abc", "b", "ä"] {
        producer
            .push(key, &NewEvent::json("Opened", b"{}"))
            .unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    let count = |prefix| store.events().key_prefix(prefix).iter().count();
    assert_eq!(
        ["", "a", "ab", "abc", "abcd", "b", "ä"].map(count),
        [5, 3, 2, 1, 0, 1, 1]
    );
}

/// Blocks are read ahead on threads that all stores share. A panic of the disk there ended the
/// process; it is that of who reads, and the scan goes on where it was.
#[test]
fn f9_a_panic_while_blocks_are_read_ahead_is_met_by_who_wants_them() {
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = Store::options().shards(1).pin(false).seal(false);
    let store = options.open(Arc::clone(&storage)).unwrap();
    fill(&store, &mut Rng::with_seed(6), 60);
    store.close().unwrap();
    let store = options.open_read_only(storage).unwrap();
    let mut events = store.events().iter();
    let mut positions = Vec::new();
    for _ in 0..20 {
        positions.push(events.next().unwrap().unwrap().position());
    }
    disk.fails(Operation::Read, "shards", Fault::Panic);
    let read = catch_unwind(AssertUnwindSafe(|| {
        for event in &mut events {
            positions.push(event.unwrap().position());
            // The threads that read ahead have their turn.
            (0..1_000).for_each(|_| std::thread::yield_now());
        }
    }));
    let panic = read.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&PANIC));
    disk.is_well();
    positions.extend(events.map(|event| event.unwrap().position()));
    assert!(positions.into_iter().eq(0..store.positions()[0]));
}
