//! Projections filled anew beside those in use, and as they were.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventcask::{
    AsOf, Batch, ErrorKind, Keyed, Merge, NewEvent, Projected, Projection, SnapshotPolicy, Store,
    Timestamp,
};

use crate::support::{Bank, deposit, put};

/// How many events each account has; while it is told to it fails.
#[derive(Clone, Default)]
struct Counts {
    fails: Arc<AtomicBool>,
}

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = Keyed<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) {
        if self.fails.load(Ordering::Relaxed) {
            std::panic::resume_unwind(Box::new("told to fail"));
        }
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
    }
}

/// All events.
struct Total;

impl Projection for Total {
    const NAME: &'static str = "total";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, events: &mut u64, batch: &Batch<'_>) {
        *events += batch.len() as u64;
    }
}

impl Merge for Total {
    fn merge(&self, into: &mut u64, from: &u64) {
        *into += from;
    }
}

type Fold = BTreeMap<String, u64>;

fn counts(projected: &Projected<Counts>) -> Fold {
    let mut all = Fold::new();
    let add = |_: u32, state: &Keyed<u64>| {
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
    let projected = store.project(projection.clone()).unwrap();
    let (mut random, mut fold) = (fastrand::Rng::with_seed(1), Fold::new());
    push(&store, &mut random, 50, &mut fold);
    projection.fails.store(true, Ordering::Relaxed);
    push(&store, &mut random, 50, &mut fold);
    assert!(projected.stats().failure.is_some());
    let error = projected.rebuild().unwrap().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProjectionStopped);
    projection.fails.store(false, Ordering::Relaxed);
    projected.rebuild().unwrap().wait().unwrap().unwrap();
    push(&store, &mut random, 50, &mut fold);
    assert_eq!(counts(&projected), fold);
    assert_eq!(projected.stats().failure, None);
}

#[test]
fn a_rebuild_that_is_cancelled_changes_nothing() {
    let store = Bank::new(2).open();
    let projected = store.project(Counts::default()).unwrap();
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
            check_time(&store, &projected, event.get().commit_time);
        }
    }
    let error = projected.as_of(AsOf::Version(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

fn check_position(store: &Store, projected: &Projected<Counts>, position: u64) {
    let past = projected.as_of(AsOf::Position(position)).unwrap();
    for shard in 0..store.shards() {
        let events = store.events().shard(shard).iter();
        let events = events.map(|event| event.unwrap());
        let before = events.filter(|event| event.get().position <= position);
        let mut wanted = Fold::new();
        before.for_each(|event| *wanted.entry(event.get().aggregate.to_owned()).or_default() += 1);
        let is = past.state(shard).iter();
        let is: Fold = is.map(|(key, count)| (key.to_owned(), *count)).collect();
        assert_eq!(is, wanted, "position {position} of shard {shard}");
    }
}

fn check_time(store: &Store, projected: &Projected<Counts>, time: Timestamp) {
    let past = projected.as_of(AsOf::Time(time)).unwrap();
    let mut is = Fold::new();
    for shard in 0..store.shards() {
        let state = past.state(shard).iter();
        is.extend(state.map(|(key, count)| (key.to_owned(), *count)));
    }
    let mut wanted = Fold::new();
    for event in store.events().until(time).iter() {
        *wanted
            .entry(event.unwrap().get().aggregate.to_owned())
            .or_default() += 1;
    }
    assert_eq!(is, wanted, "at {time}");
}

#[test]
fn a_panic_in_the_past_stops_nothing_in_use() {
    let store = Bank::new(1).open();
    let projection = Counts::default();
    let projected = store.project(projection.clone()).unwrap();
    let event = NewEvent::json("Deposited", b"1");
    let mut producer = store.producer();
    producer.push("a", &event).unwrap();
    producer.flush().unwrap().wait().unwrap();
    projection.fails.store(true, Ordering::Relaxed);
    let error = projected.as_of(AsOf::Position(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProjectionStopped);
    assert!(projected.read(0, |_| ()).is_ok());
}
