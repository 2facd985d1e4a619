//! Entries of projections that are asked for often: as new as the state, and bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use eventcask::event::route;
use eventcask::{
    ApplyError, Batch, ErrorKind, Expected, PerAggregate, Place, Projection, Store, Timeout,
};

use crate::support::{Bank, deposit, in_time, put};

const LONG: Timeout = Timeout::Error(Duration::from_secs(60));
const KEYS: u64 = 50;

/// How many events each account has, times what an event counts for now; an event of the type
/// `Boom` is more than it can take.
struct Counts {
    each: Arc<AtomicU64>,
}

impl Counts {
    fn new() -> Self {
        let each = Arc::new(AtomicU64::new(1));
        Self { each }
    }
}

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            if batch.type_name(batch.type_index(row)) == "Boom" {
                std::panic::resume_unwind(Box::new("more than it can take"));
            }
            counts[batch.aggregate_index(row)] += self.each.load(Ordering::Relaxed);
        }
        Ok(())
    }
}

fn key(number: u64) -> String {
    format!("account-{number}")
}

fn place_of(store: &Store, key: &str) -> Place {
    let mut producer = store.producer();
    let answer = producer
        .append(key, Expected::Any, &[deposit("1")])
        .unwrap();
    answer.wait().unwrap().place()
}

#[test]
fn an_entry_holds_what_was_acknowledged_before_the_question() {
    let bank = Bank::new(2);
    let store = bank.open();
    let counts = store.projection(Counts::new()).sync().start().unwrap();
    let hot = counts.entries(10);
    let mut random = fastrand::Rng::with_seed(3);
    let mut expected = vec![None; KEYS as usize];
    for _ in 0..500 {
        let (written, read) = (random.u64(0..KEYS), random.u64(0..KEYS));
        put(&store, &key(written), "1");
        *expected[written as usize].get_or_insert(0) += 1;
        for number in [written, read, written] {
            assert_eq!(hot.get(&key(number)).unwrap(), expected[number as usize]);
        }
    }
}

#[test]
fn no_more_entries_are_kept_than_asked_for() {
    let bank = Bank::new(2);
    let store = bank.open();
    let hot = store
        .projection(Counts::new())
        .sync()
        .start()
        .unwrap()
        .entries(10);
    for number in 0..1_000 {
        assert_eq!(hot.get(&key(number)).unwrap(), None);
    }
    // A cache in parts rounds up.
    assert!((1..=64).contains(&hot.kept()), "{}", hot.kept());
}

#[test]
fn an_entry_is_not_older_than_the_position_that_is_stated() {
    let bank = Bank::new(2);
    let store = bank.open();
    let hot = store
        .projection(Counts::new())
        .start()
        .unwrap()
        .entries(100);
    for count in 1..=200 {
        let place = place_of(&store, "ada");
        assert_eq!(hot.get_at_least("ada", place, LONG).unwrap(), Some(count));
    }

    let Place { shard, position } = place_of(&store, "ada");
    let later = Place::new(shard, position + 1);
    let none = Duration::ZERO;
    let error = hot
        .get_at_least("ada", later, Timeout::Error(none))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Behind);
    let stale = hot
        .get_at_least("ada", later, Timeout::Stale(none))
        .unwrap();
    assert!(stale.is_some_and(|count| count >= 200), "{stale:?}");
}

#[test]
fn an_entry_of_a_shard_that_stands_still_is_read_without_its_state() {
    let bank = Bank::new(2);
    let store = bank.open();
    let counts = store.projection(Counts::new()).sync().start().unwrap();
    let place = place_of(&store, "ada");
    let hot = counts.entries(10);
    hot.get("ada").unwrap();
    let read = |_: &PerAggregate<u64>| {
        let read = move || hot.get_at_least("ada", place, LONG);
        let entry = in_time("reading while the state is in use", read);
        assert_eq!(entry.unwrap(), Some(1));
    };
    counts.read(route("ada", 2), read).unwrap();
}

#[test]
fn who_reads_beside_a_writer_never_sees_an_entry_step_back() {
    let bank = Bank::new(2);
    let store = bank.open();
    let hot = store
        .projection(Counts::new())
        .sync()
        .start()
        .unwrap()
        .entries(20);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut producer = store.producer();
            for number in 0..100_000_u64 {
                producer.push(&key(number % KEYS), &deposit("1")).unwrap();
            }
            producer.flush().unwrap().wait().unwrap();
            is_done.store(true, Ordering::Release);
        });
        let mut seen = vec![None; KEYS as usize];
        let mut random = fastrand::Rng::with_seed(5);
        while !is_done.load(Ordering::Acquire) {
            let number = random.u64(0..KEYS);
            let count = hot.get(&key(number)).unwrap();
            assert!(
                count >= seen[number as usize],
                "{count:?} came after {seen:?}"
            );
            seen[number as usize] = count;
        }
    });
    for number in 0..KEYS {
        assert_eq!(hot.get(&key(number)).unwrap(), Some(100_000 / KEYS));
    }
}

#[test]
fn a_rebuild_replaces_the_entries_too() {
    let bank = Bank::new(2);
    let store = bank.open();
    let each = Arc::new(AtomicU64::new(1));
    let counts = Counts {
        each: Arc::clone(&each),
    };
    let counts = store.projection(counts).sync().start().unwrap();
    let hot = counts.entries(10);
    put(&store, "ada", "1");
    assert_eq!(hot.get("ada").unwrap(), Some(1));
    each.store(7, Ordering::Relaxed);
    counts.rebuild().unwrap().wait().unwrap();
    assert_eq!(hot.get("ada").unwrap(), Some(7));
    put(&store, "ada", "1");
    assert_eq!(hot.get("ada").unwrap(), Some(14));
}

#[test]
fn a_stopped_projection_has_no_entries() {
    let bank = Bank::new(2);
    let store = bank.open();
    let hot = store
        .projection(Counts::new())
        .sync()
        .start()
        .unwrap()
        .entries(10);
    put(&store, "ada", "1");
    assert_eq!(hot.get("ada").unwrap(), Some(1));
    let other = (0..).map(key).find(|key| route(key, 2) != route("ada", 2));
    let other = other.unwrap();
    put(&store, &other, "1");
    let boom = eventcask::NewEvent::bytes("Boom", b"");
    let mut producer = store.producer();
    let answer = producer.append("ada", Expected::Any, &[boom]).unwrap();
    answer.wait().unwrap();
    let asked = hot.clone();
    let error = in_time("reading", move || asked.get("ada")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(hot.get(&other).unwrap(), Some(1));
}

#[test]
fn a_shard_that_has_stopped_leaves_the_entries_of_the_others() {
    let bank = Bank::new(2);
    let store = bank.open();
    let hot = store
        .projection(Counts::new())
        .sync()
        .start()
        .unwrap()
        .entries(100);
    let mut producer = store.producer();
    let boom = eventcask::NewEvent::bytes("Boom", b"");
    let answer = producer.append("ada", Expected::Any, &[boom]).unwrap();
    answer.wait().unwrap();
    hot.get("ada").unwrap_err();
    let others = (0..)
        .map(key)
        .filter(|key| route(key, 2) != route("ada", 2));
    let others: Vec<_> = others.take(5).collect();
    for other in &others {
        put(&store, other, "1");
        assert_eq!(hot.get(other).unwrap(), Some(1));
    }
    assert_eq!(hot.kept(), 5);
    put(&store, "ada", "1");
    hot.get("ada").unwrap_err();
    assert_eq!(hot.kept(), 5);
    put(&store, &others[0], "1");
    assert_eq!(hot.get(&others[0]).unwrap(), Some(2));
}

#[test]
fn the_entries_of_a_reader_hold_what_a_refresh_finds() {
    let bank = Bank::new(2);
    let store = bank.open();
    put(&store, "ada", "1");
    let reader = bank.open_read_only();
    let hot = reader
        .projection(Counts::new())
        .sync()
        .start()
        .unwrap()
        .entries(10);
    assert_eq!(hot.get("ada").unwrap(), Some(1));
    put(&store, "ada", "1");
    reader.refresh().unwrap();
    assert_eq!(hot.get("ada").unwrap(), Some(2));
}

#[test]
fn entries_that_nobody_holds_are_looked_for_no_more() {
    let bank = Bank::new(2);
    let store = bank.open();
    let counts = store.projection(Counts::new()).sync().start().unwrap();
    let (first, second) = (counts.entries(10), counts.entries(10));
    put(&store, "ada", "1");
    assert_eq!(first.get("ada").unwrap(), Some(1));
    drop(first);
    put(&store, "ada", "1");
    assert_eq!(second.get("ada").unwrap(), Some(2));
    drop(counts);
    // The entries hold the projection.
    put(&store, "ada", "1");
    assert_eq!(second.get("ada").unwrap(), Some(3));
}
