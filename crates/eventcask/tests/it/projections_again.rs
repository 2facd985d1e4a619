//! Projections filled anew beside those in use, and as they were.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use eventcask::projection::{Merge, SnapshotPolicy};
use eventcask::storage::Storage;
use eventcask::{
    ApplyError, AsOf, Batch, ErrorKind, NewEvent, PerAggregate, Projection, ProjectionHandle,
    Store, Timestamp,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, in_time, put};

/// How many events each account has; while it is told to it fails.
#[derive(Clone, Default)]
struct Counts {
    fails: Arc<AtomicBool>,
}

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        if self.fails.load(Ordering::Relaxed) {
            std::panic::resume_unwind(Box::new("told to fail"));
        }
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}

/// All events.
struct Total;

impl Projection for Total {
    const NAME: &'static str = "total";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, events: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        *events += batch.len() as u64;
        Ok(())
    }
}

impl Merge for Total {
    fn merge(&self, into: &mut u64, from: &u64) {
        *into += from;
    }
}

type Fold = BTreeMap<String, u64>;

fn counts(projected: &ProjectionHandle<Counts>) -> Fold {
    let mut all = Fold::new();
    let add = |_: u32, state: &PerAggregate<u64>| {
        all.extend(state.iter().map(|(key, count)| (key.to_owned(), *count)));
    };
    projected.each_shard(add).unwrap();
    all
}

fn push(store: &Store, random: &mut fastrand::Rng, count: usize, fold: &mut Fold) {
    let mut producer = store.producer();
    for _ in 0..count {
        let key = format!("account-{}", random.u32(0..50));
        producer.push(&key, &deposit("1")).unwrap();
        *fold.entry(key).or_default() += 1;
    }
    producer.flush().unwrap().wait().unwrap();
}

#[test]
fn a_rebuild_gives_the_same_while_events_come_in() {
    for is_sync in [true, false] {
        let store = Bank::new(4).open();
        let options = store.projection(Total);
        let options = if is_sync { options.sync() } else { options };
        let total = options.start().unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut random = fastrand::Rng::with_seed(9);
                for _ in 0..60 {
                    push(&store, &mut random, 50, &mut Fold::new());
                }
            });
            for _ in 0..20 {
                let before = store.positions();
                let swapped = total.rebuild().unwrap().wait().unwrap().unwrap();
                let is_past = |(at, before): (&u64, u64)| *at >= before;
                assert!(swapped.iter().zip(before).all(is_past));
            }
            writer.join().unwrap();
        });
        let rebuild = total.rebuild().unwrap();
        assert_eq!(rebuild.wait().unwrap(), Some(store.positions()));
        assert_eq!(total.merged().unwrap(), 3_000, "sync: {is_sync}");
        put(&store, "a", "1");
        drop(total);
        let last = store.projection(Total).sync().start().unwrap();
        assert_eq!(last.merged().unwrap(), 3_001);
    }
}

#[test]
fn a_rebuild_sets_one_that_stopped_going_again() {
    let store = Bank::new(2).open();
    let projection = Counts::default();
    let projected = store.projection(projection.clone()).sync().start().unwrap();
    let (mut random, mut fold) = (fastrand::Rng::with_seed(1), Fold::new());
    push(&store, &mut random, 50, &mut fold);
    projection.fails.store(true, Ordering::Relaxed);
    push(&store, &mut random, 50, &mut fold);
    assert!(projected.stats().failure.is_some());
    let error = projected.rebuild().unwrap().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    projection.fails.store(false, Ordering::Relaxed);
    projected.rebuild().unwrap().wait().unwrap().unwrap();
    push(&store, &mut random, 50, &mut fold);
    assert_eq!(counts(&projected), fold);
    assert_eq!(projected.stats().failure, None);
}

#[test]
fn a_rebuild_that_is_cancelled_changes_nothing() {
    let store = Bank::new(2).open();
    let projected = store.projection(Counts::default()).sync().start().unwrap();
    let (mut random, mut fold) = (fastrand::Rng::with_seed(2), Fold::new());
    push(&store, &mut random, 500, &mut fold);
    let rebuild = projected.rebuild().unwrap();
    assert_eq!(rebuild.progress().events, 500);
    rebuild.cancel();
    // It may have been done before.
    let positions = rebuild.wait().unwrap();
    assert!(positions.is_none_or(|at| at == store.positions()));
    drop(projected.rebuild().unwrap());
    push(&store, &mut random, 10, &mut fold);
    assert_eq!(counts(&projected), fold);
}

/// Waits before the events at two positions of the log, where a rebuild reads them again.
struct Gated {
    is_armed: Arc<AtomicBool>,
    entered: Mutex<mpsc::Sender<()>>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Projection for Gated {
    const NAME: &'static str = "gated";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, events: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        *events += batch.len() as u64;
        let is_gate = |row| [0, 3].contains(&batch.position(row));
        if self.is_armed.load(Ordering::Relaxed) && batch.replay() && batch.rows().any(is_gate) {
            self.entered.lock().unwrap().send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

/// It was cancelled only for as long as it read what was there when it began.
#[test]
fn a_rebuild_can_be_cancelled_while_it_applies_what_came_meanwhile() {
    in_time("a rebuild", || {
        let store = Bank::new(1).open();
        for _ in 0..3 {
            put(&store, "a", "1");
        }
        let (entered, begins) = mpsc::channel();
        let (goes, go) = mpsc::channel();
        let is_armed = Arc::new(AtomicBool::new(false));
        let gated = Gated {
            is_armed: Arc::clone(&is_armed),
            entered: Mutex::new(entered),
            go: Mutex::new(go),
        };
        let projected = store.projection(gated).sync().start().unwrap();
        is_armed.store(true, Ordering::Relaxed);
        let rebuild = projected.rebuild().unwrap();
        begins.recv().unwrap();
        put(&store, "a", "1");
        goes.send(()).unwrap();
        begins.recv().unwrap();
        rebuild.cancel();
        goes.send(()).unwrap();
        assert_eq!(rebuild.wait().unwrap(), None);
        assert_eq!(projected.read(0, |events| *events).unwrap(), 4);
    });
}

/// It failed, though a snapshot only makes the next start shorter. The one before must not come
/// back.
#[test]
fn a_rebuild_goes_on_without_snapshots_where_there_is_no_room_for_them() {
    const ENOSPC: i32 = 28;
    let bank = Bank::new(1);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let store = bank.options.open(storage).unwrap();
    let start = || {
        let options = store.projection(Total).sync();
        options
            .snapshots(SnapshotPolicy::default())
            .start()
            .unwrap()
    };
    put(&store, "a", "1");
    drop(start());
    let total = start();
    assert_eq!(total.stats().snapshot_positions, [Some(1)]);
    put(&store, "a", "1");
    disk.fails(Operation::Write, "projections", Fault::Errno(ENOSPC));
    assert_eq!(total.rebuild().unwrap().wait().unwrap(), Some(vec![2]));
    let stats = total.stats();
    assert_eq!(stats.snapshot_positions, [None]);
    assert!(stats.snapshot_failure.is_some());
    let names = disk.list("projections/0001").unwrap();
    assert!(!names.contains(&"0000.snapshot".to_owned()), "{names:?}");
    disk.is_well();
    drop(total);
    assert_eq!(start().stats().snapshot_positions, [Some(2)]);
}

#[test]
fn as_of_is_the_fold_over_what_came_before() {
    let bank = Bank::new(2);
    let store = bank.open();
    let policy = SnapshotPolicy::default();
    let start = |store: &Store| {
        let options = store.projection(Counts::default()).snapshots(policy);
        options.sync().start().unwrap()
    };
    let projected = start(&store);
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..10 {
        push(&store, &mut random, 30, &mut Fold::new());
    }
    drop(projected);
    // From here on there is a snapshot in the middle of the log.
    let projected = start(&store);
    for _ in 0..10 {
        push(&store, &mut random, 30, &mut Fold::new());
    }
    for is_sealed in [false, true] {
        if is_sealed {
            store.seal().unwrap();
        }
        for _ in 0..20 {
            check_position(&store, &projected, random.u64(0..400));
        }
        let times: Vec<_> = store.events().iter().map(|event| event.unwrap()).collect();
        for event in times.iter().step_by(37) {
            check_time(&store, &projected, event.commit_time());
        }
    }
    let error = projected.as_of(AsOf::Version(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

fn check_position(store: &Store, projected: &ProjectionHandle<Counts>, position: u64) {
    let past = projected.as_of(AsOf::Position(position)).unwrap();
    for shard in 0..store.shards() {
        let events = store.events().shard(shard).iter();
        let events = events.map(|event| event.unwrap());
        let before = events.filter(|event| event.position() <= position);
        let mut wanted = Fold::new();
        before.for_each(|event| *wanted.entry(event.key().to_owned()).or_default() += 1);
        let is = past.state(shard).iter();
        let is: Fold = is.map(|(key, count)| (key.to_owned(), *count)).collect();
        assert_eq!(is, wanted, "position {position} of shard {shard}");
    }
}

fn check_time(store: &Store, projected: &ProjectionHandle<Counts>, time: Timestamp) {
    let past = projected.as_of(AsOf::Time(time)).unwrap();
    let mut is = Fold::new();
    for shard in 0..store.shards() {
        let state = past.state(shard).iter();
        is.extend(state.map(|(key, count)| (key.to_owned(), *count)));
    }
    let mut wanted = Fold::new();
    for event in &store.events().until(time) {
        *wanted.entry(event.unwrap().key().to_owned()).or_default() += 1;
    }
    assert_eq!(is, wanted, "at {time}");
}

#[test]
fn a_panic_in_the_past_stops_nothing_in_use() {
    let store = Bank::new(1).open();
    let projection = Counts::default();
    let projected = store.projection(projection.clone()).sync().start().unwrap();
    let event = NewEvent::json("Deposited", b"1");
    let mut producer = store.producer();
    producer.push("a", &event).unwrap();
    producer.flush().unwrap().wait().unwrap();
    projection.fails.store(true, Ordering::Relaxed);
    let error = projected.as_of(AsOf::Position(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(projected.read(0, |_| ()).is_ok());
}
