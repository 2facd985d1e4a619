//! Snapshots of projections: taken up, made anew, and never needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventcask::projection::{ProjectionOptions, SnapshotPolicy};
use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::{
    ApplyError, Batch, ErrorKind, PerAggregate, Projection, ProjectionHandle, Store, StoreReader,
    ViewSpec,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, in_time};

/// How many events each account has, and outside of it how many events were applied.
#[derive(Clone, Default)]
struct Counts<const VERSION: u32>(Arc<AtomicU64>);

impl<const V: u32> Projection for Counts<V> {
    const NAME: &'static str = "counts";
    const VERSION: u32 = V;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
        self.0.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn push(store: &Store, count: u32) {
    let mut producer = store.producer();
    for number in 0..count {
        let key = format!("account-{}", number % 7);
        producer.push(&key, &deposit("1")).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
}

fn kept<const V: u32>(store: &StoreReader, counts: &Counts<V>) -> ProjectionOptions<Counts<V>> {
    let policy = SnapshotPolicy::default();
    store.projection(counts.clone()).sync().snapshots(policy)
}

fn sum<const V: u32>(projected: &ProjectionHandle<Counts<V>>) -> u64 {
    let mut sum = 0;
    projected
        .each_shard(|_, state| sum += state.iter().map(|(_, count)| count).sum::<u64>())
        .unwrap();
    sum
}

/// Starts it on a bank that is opened anew: what it holds and how many events were applied for it.
fn restarted<const V: u32>(bank: &Bank) -> (u64, u64) {
    let store = bank.open();
    let counts = Counts::<V>::default();
    let projected = kept(&store, &counts).start().unwrap();
    (sum(&projected), counts.0.load(Ordering::Relaxed))
}

/// A bank with 100 events and snapshots of all of them.
fn filled() -> Bank {
    let bank = Bank::new(2);
    let store = bank.open();
    let counts = Counts::<1>::default();
    let projected = kept(&store, &counts).start().unwrap();
    push(&store, 100);
    store.close().unwrap();
    let saved = projected.stats().snapshot_positions;
    let saved: Vec<_> = saved.into_iter().map(Option::unwrap).collect();
    assert_eq!(saved, projected.stats().positions);
    bank
}

#[test]
fn a_restart_takes_up_the_snapshots() {
    let bank = filled();
    assert_eq!(restarted::<1>(&bank), (100, 0));
    let store = bank.open();
    push(&store, 30);
    store.close().unwrap();
    assert_eq!(restarted::<1>(&bank), (130, 30), "and what came after them");
    assert_eq!(restarted::<1>(&bank), (130, 0), "the handle saved it");
}

#[test]
fn another_version_is_filled_from_the_log() {
    let bank = filled();
    assert_eq!(restarted::<2>(&bank), (100, 100));
    assert_eq!(restarted::<2>(&bank), (100, 0));
    assert_eq!(restarted::<1>(&bank), (100, 100), "also an older one");
}

#[test]
fn l7_snapshots_may_be_lost_or_damaged() {
    let names = |bank: &Bank| bank.storage.list("projections/0001").unwrap();
    let bank = filled();
    for name in names(&bank) {
        bank.storage
            .remove(&format!("projections/0001/{name}"))
            .unwrap();
    }
    assert_eq!(restarted::<1>(&bank), (100, 100), "all are gone");
    let bank = filled();
    for name in names(&bank) {
        let path = format!("projections/0001/{name}");
        let file = bank.storage.open(&path, Open::Write).unwrap();
        let at = file.len().unwrap() - 1;
        file.write_all_at(b"?", at).unwrap();
    }
    assert_eq!(restarted::<1>(&bank), (100, 100), "all are damaged");
    assert_eq!(restarted::<1>(&bank), (100, 0), "and made again");
}

#[test]
fn states_are_saved_while_the_store_is_in_use() {
    for is_sync in [true, false] {
        let bank = Bank::new(2);
        let store = bank.open();
        let policy = SnapshotPolicy::default().events(20);
        let options = store.projection(Counts::<1>::default()).snapshots(policy);
        let options = if is_sync { options.sync() } else { options };
        let projected = options.start().unwrap();
        push(&store, 200);
        in_time("a snapshot", move || {
            let is_saved = |at: &Option<u64>| at.is_some_and(|at| at >= 20);
            while !projected.stats().snapshot_positions.iter().all(is_saved) {
                std::thread::yield_now();
            }
            let stats = projected.stats();
            assert_eq!((stats.failure, stats.snapshot_failure), (None, None));
        });
        store.close().unwrap();
        assert_eq!(restarted::<1>(&bank), (200, 0), "sync: {is_sync}");
    }
}

/// Waits until all shards have a snapshot, by a policy that asks for one at once.
fn is_saved_by(policy: SnapshotPolicy, is_sync: bool) {
    let store = Bank::new(2).open();
    let options = store.projection(Counts::<1>::default()).snapshots(policy);
    let options = if is_sync { options.sync() } else { options };
    let projected = options.start().unwrap();
    push(&store, 20);
    let what = format!("a snapshot by {policy:?}, sync: {is_sync}");
    in_time(&what, move || {
        while !projected
            .stats()
            .snapshot_positions
            .iter()
            .all(Option::is_some)
        {
            std::thread::yield_now();
        }
    });
}

#[test]
fn each_trigger_saves_a_state_by_itself() {
    // Blocks that were applied as they became durable counted for no bytes: their length was not in
    // them.
    for is_sync in [true, false] {
        is_saved_by(SnapshotPolicy::default().bytes(1), is_sync);
        is_saved_by(SnapshotPolicy::default().events(1), is_sync);
        let time = Duration::from_millis(1);
        is_saved_by(SnapshotPolicy::default().time(time), is_sync);
    }
    is_saved_by(SnapshotPolicy::default().time(Duration::ZERO), true);
}

#[test]
fn a_projection_runs_once_in_a_store_at_a_time() {
    let bank = Bank::new(2);
    let store = bank.open();
    let counts = Counts::<1>::default();
    let first = kept(&store, &counts).start().unwrap();
    let again = [
        kept(&store, &counts).start(),
        store.projection(counts.clone()).start(),
        store.clone().projection(counts.clone()).sync().start(),
    ];
    for error in again.map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::InUse);
        let sentence = error.to_string();
        assert!(
            sentence.contains(r#"projection "counts" runs already"#),
            "{sentence}"
        );
        assert!(sentence.contains("clones of its handle"), "{sentence}");
    }
    let other = store.projection(Counts::<2>::default()).start();
    assert!(other.is_err(), "not in another version, either");
    let beside = bank.open_read_only();
    assert_eq!(
        sum(&beside.projection(counts.clone()).sync().start().unwrap()),
        0,
        "elsewhere"
    );
    push(&store, 10);
    let clone = first.clone();
    drop(first);
    assert!(
        store.projection(counts.clone()).sync().start().is_err(),
        "a clone is held"
    );
    assert_eq!(sum(&clone), 10);
    drop(clone);
    assert_eq!(sum(&store.projection(counts).sync().start().unwrap()), 10);
}

#[test]
fn a_definition_that_can_not_be_read_now_is_not_made_again() {
    // It was taken for damaged: the states were kept under another number, those before stayed, and
    // were taken up again as soon as the disk was well.
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let open = || {
        let options = Store::options().shards(2).threads(1).pin(false);
        options.open(Arc::new(disk.clone())).unwrap()
    };
    let store = open();
    let projected = kept(&store, &Counts::<1>::default()).start().unwrap();
    push(&store, 100);
    store.close().unwrap();
    drop(projected);

    let store = open();
    disk.fails(Operation::Read, "projections/", Fault::Errno(5));
    let failed = kept(&store, &Counts::<1>::default()).start().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Io, "{failed}");
    disk.is_well();
    let projected = kept(&store, &Counts::<1>::default()).start().unwrap();
    assert_eq!(sum(&projected), 100);
    assert_eq!(disk.list("projections").unwrap(), ["0001"]);
}

/// The first one that could not be saved left all after it as they were.
#[test]
fn a_close_saves_all_states_that_can_be_saved() {
    const EIO: i32 = 5;
    let bank = Bank::new(2);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    let counts = Counts::<1>::default();
    let projected = kept(&store, &counts).start().unwrap();
    let spec = ViewSpec::new("who", &["count"], None, None).unwrap();
    store.create_view("who", spec).unwrap();
    push(&store, 100);
    let view = |shard: u32| {
        let file = disk.open(&format!("views/0001/000{shard}.snapshot"), Open::Read);
        let (file, mut bytes) = (file.unwrap(), vec![0; 128]);
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    };
    let before = [view(0), view(1)];
    disk.fails(Operation::Sync, "projections/0001/0000", Fault::Errno(EIO));
    let ends = store.positions();
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Io);
    let saved = projected.stats().snapshot_positions;
    assert_eq!(saved, [None, Some(ends[1])]);
    assert!(view(0) != before[0] && view(1) != before[1]);

    drop(projected);
    disk.is_well();
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    push(&store, 100);
    let before = [view(0), view(1)];
    disk.fails(Operation::Sync, "views/0001/0000", Fault::Errno(EIO));
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(view(0), before[0], "it can not be saved");
    assert_ne!(view(1), before[1]);
}

#[test]
fn f7_a_reader_takes_up_snapshots_and_writes_none() {
    let bank = filled();
    let store = bank.open();
    push(&store, 10);
    let before = bank.storage.list("projections/0001").unwrap().len();
    let reader = bank.open_read_only();
    let counts = Counts::<1>::default();
    let projected = kept(&reader, &counts).start().unwrap();
    assert_eq!(sum(&projected), 110);
    assert_eq!(counts.0.load(Ordering::Relaxed), 10);
    drop(projected);
    assert_eq!(restarted_read_only(&bank), 10, "nothing was saved");
    assert_eq!(bank.storage.list("projections/0001").unwrap().len(), before);
}

fn restarted_read_only(bank: &Bank) -> u64 {
    let reader = bank.open_read_only();
    let counts = Counts::<1>::default();
    drop(kept(&reader, &counts).start().unwrap());
    counts.0.load(Ordering::Relaxed)
}

#[test]
fn names_that_can_not_be_are_refused() {
    struct Nameless;
    impl Projection for Nameless {
        const NAME: &'static str = "../up";
        const VERSION: u32 = 1;
        type State = ();
        fn apply(&self, (): &mut (), _batch: &Batch<'_>) -> Result<(), ApplyError> {
            Ok(())
        }
    }
    let store = Bank::new(1).open();
    let error = store.projection(Nameless).start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn what_is_kept_is_seen_from_outside() {
    let bank = filled();
    let reader = bank.open_read_only();
    let kept = reader.kept_projections().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].name.as_str(), kept[0].version), ("counts", 1));
    let ends: Vec<_> = reader.positions().into_iter().map(Some).collect();
    assert_eq!((&kept[0].positions, kept[0].lag_events), (&ends, 0));

    let store = bank.open();
    push(&store, 30);
    assert_eq!(store.kept_projections().unwrap()[0].lag_events, 30);
    store.truncate_aggregate("account-1", 3).unwrap();
    let kept = &store.kept_projections().unwrap()[0];
    let shard = eventcask::event::route("account-1", 2) as usize;
    assert_eq!(kept.positions[shard], None, "no start would take it up");
    assert_eq!(kept.positions[1 - shard], ends[1 - shard]);
    drop(
        store
            .projection(Counts::<2>::default())
            .snapshots(SnapshotPolicy::default())
            .start(),
    );
    assert_eq!(store.kept_projections().unwrap()[0].version, 2);
}
