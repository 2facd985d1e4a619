//! Projections that users write: applied in time, once, and stopped alone.

use std::collections::BTreeMap;
use std::sync::mpsc;

use eventcask::{
    ApplyError, Batch, ErrorKind, Expected, NewEvent, PerAggregate, Projection, ProjectionHandle,
    Store, Timestamp, ViewSpec,
};

use crate::support::{Bank, deposit, put};

/// Cents and number of events of each account. An event of the type `Boom` is more than it can
/// take.
#[derive(Clone, Copy)]
struct Balances;

impl Projection for Balances {
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    type State = PerAggregate<(i64, u64)>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let booms = (0..batch.types()).find(|index| batch.type_name(*index) == "Boom");
        let mut balances = state.of(batch);
        for row in batch.rows() {
            if Some(batch.type_index(row)) == booms {
                std::panic::resume_unwind(Box::new("more than it can take"));
            }
            let (cents, events) = &mut balances[batch.aggregate_index(row)];
            *cents += str::from_utf8(batch.payload(row))
                .unwrap()
                .parse::<i64>()
                .unwrap();
            *events += 1;
        }
        Ok(())
    }
}

/// All that is seen, in order.
#[derive(Clone, Copy)]
struct Diary;

impl Projection for Diary {
    const NAME: &'static str = "diary";
    const VERSION: u32 = 1;
    type State = Vec<String>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let line = |event: eventcask::event::EventRef<'_>| {
            let replay = if batch.replay() { "again " } else { "" };
            format!("{replay}{}@{}", event.key, event.version)
        };
        state.extend(batch.iter().map(line));
        Ok(())
    }
}

/// The same under another name.
struct Late;

impl Projection for Late {
    const NAME: &'static str = "late";
    const VERSION: u32 = 1;
    type State = PerAggregate<(i64, u64)>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        Balances.apply(state, batch)
    }
}

type Fold = BTreeMap<String, (i64, u64)>;

fn balances<P: Projection<State = PerAggregate<(i64, u64)>>>(
    projected: &ProjectionHandle<P>,
) -> Fold {
    let mut all = Fold::new();
    let mut add = |_: u32, state: &PerAggregate<(i64, u64)>| {
        let pairs = state.iter().map(|(key, value)| (key.to_owned(), *value));
        all.extend(pairs);
    };
    projected.each_shard(&mut add).unwrap();
    all
}

fn diary(projected: &ProjectionHandle<Diary>) -> Vec<String> {
    projected.read(0, Clone::clone).unwrap()
}

/// Pushes events with amounts from a generator and keeps the fold over them.
fn transfer(store: &Store, random: &mut fastrand::Rng, count: u64, fold: &mut Fold) {
    let mut producer = store.producer();
    for _ in 0..count {
        let key = format!("account-{}", random.u32(0..300).pow(2) / 100);
        let cents = random.i64(-1000..1000);
        producer.push(&key, &deposit(&cents.to_string())).unwrap();
        let entry = fold.entry(key).or_default();
        *entry = (entry.0 + cents, entry.1 + 1);
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Whole numbers of cents, and nothing else.
struct Strict;

impl Projection for Strict {
    const NAME: &'static str = "strict";
    const VERSION: u32 = 1;
    type State = i64;

    fn apply(&self, state: &mut i64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        for event in batch.iter() {
            *state += str::from_utf8(event.payload)?.parse::<i64>()?;
        }
        Ok(())
    }
}

/// Only a panic could stop a projection, and its message was all that was known.
#[test]
fn a_projection_that_can_not_take_in_an_event_stops_and_says_why() {
    let bank = Bank::new(1);
    let store = bank.open();
    let strict = store.projection(Strict).sync().start().unwrap();
    put(&store, "a", "5");
    assert_eq!(strict.read(0, |cents| *cents).unwrap(), 5);
    put(&store, "a", "five");
    let error = strict.read(0, |cents| *cents).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let sentence = error.to_string();
    assert!(sentence.contains("position 1: invalid digit"), "{sentence}");
    put(&store, "a", "7");
    assert_eq!(store.stats().events, 3, "the store goes on");
    let late = store.projection(Late).sync().start().map(|_| ());
    assert!(late.is_err(), "another start meets the same event");
}

#[test]
fn l5_a_projection_equals_the_fold_live_late_and_after_a_restart() {
    for seed in 1..=5 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let (bank, mut fold) = (Bank::new(4), Fold::new());
        let store = bank.open();
        let early = store.projection(Balances).sync().start().unwrap();
        for _ in 0..10 {
            let count = random.u64(1..400);
            transfer(&store, &mut random, count, &mut fold);
        }
        let late = store.projection(Late).sync().start().unwrap();
        transfer(&store, &mut random, 500, &mut fold);
        assert_eq!(balances(&early), fold, "seed {seed}, from the beginning");
        assert_eq!(balances(&late), fold, "seed {seed}, made late");
        store.seal().unwrap();
        drop((early, late));
        assert_eq!(
            balances(&store.projection(Balances).sync().start().unwrap()),
            fold,
            "sealed"
        );
        store.close().unwrap();
        let again = bank.open().projection(Balances).sync().start().unwrap();
        assert_eq!(balances(&again), fold, "seed {seed}, after a restart");
    }
}

#[test]
fn an_event_is_applied_before_it_is_acknowledged() {
    let store = Bank::new(1).open();
    let projected = store.projection(Balances).sync().start().unwrap();
    for number in 0..50 {
        let answer = put(&store, "account-1", "1");
        let position = answer.position().unwrap();
        // Unlike a read, this brings nothing up to date.
        assert_eq!(projected.progress(0), position + 1, "event {number}");
    }
}

#[test]
fn what_is_stored_while_a_projection_is_made_is_applied_once() {
    for seed in 1..=10 {
        let store = Bank::new(2).open();
        let writer = store.clone();
        let written = std::thread::spawn(move || {
            let mut fold = Fold::new();
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..10 {
                transfer(&writer, &mut random, 50, &mut fold);
            }
            fold
        });
        while store.positions().iter().sum::<u64>() < 20 * seed {
            std::thread::yield_now();
        }
        let projected = store.projection(Balances).sync().start().unwrap();
        assert_eq!(written.join().unwrap(), balances(&projected), "seed {seed}");
    }
}

#[test]
fn l6_a_panic_stops_one_projection_in_one_shard_and_says_why() {
    let store = Bank::new(2).open();
    let keys = [0, 1].map(|shard| {
        let mut keys = (0..).map(|number| format!("account-{number}"));
        keys.find(|key| eventcask::event::route(key, 2) == shard)
            .unwrap()
    });
    let fragile = store.projection(Balances).sync().start().unwrap();
    let other = store.projection(Diary).sync().start().unwrap();
    let spec = ViewSpec::new("k", &["count"], None, None).unwrap();
    let view = store.create_view("counts", spec).unwrap();
    put(&store, &keys[0], "1");
    let boom = NewEvent::json("Boom", br#"{"k":"x"}"#);
    let mut producer = store.producer();
    let ticket = producer.append(&keys[0], Expected::Any, &[boom]).unwrap();
    let position = ticket.wait().expect("it is stored all the same").position();
    put(&store, &keys[0], "2");
    put(&store, &keys[1], "3");

    let error = fragile.read(0, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let sentence = error.to_string();
    let at = format!(
        "shard 0: it failed in the block at position {}",
        position.unwrap()
    );
    assert!(sentence.contains(&at), "{sentence}");
    assert!(sentence.contains("more than it can take"), "{sentence}");
    assert!(fragile.progress(0) <= position.unwrap());
    let third = fragile.read(1, |state| state.get(&keys[1]).copied());
    assert_eq!(third.unwrap(), Some((3, 1)));
    assert_eq!(diary(&other).len(), 3);
    assert_eq!(view.rows().unwrap().len(), 1);
    assert!(
        store
            .stats()
            .shards
            .iter()
            .all(|one| one.poisoned.is_none())
    );
    let late = store.projection(Late).sync().start().map(|_| ());
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Stopped);
}

#[test]
fn hidden_events_are_not_seen() {
    let bank = Bank::new(1);
    let store = bank.open();
    let live = store.projection(Diary).sync().start().unwrap();
    for _ in 0..3 {
        put(&store, "a", "1");
        put(&store, "b", "1");
    }
    store.truncate_aggregate("a", 3).unwrap();
    put(&store, "a", "1");
    // What was there when it was applied stays; the event that gives others up never shows.
    let seen = ["a@1", "b@1", "a@2", "b@2", "a@3", "b@3", "a@5"];
    assert_eq!(diary(&live), seen);
    drop(live);

    let left = ["b@1", "b@2", "a@3", "b@3", "a@5"].map(|line| format!("again {line}"));
    assert_eq!(
        diary(&store.projection(Diary).sync().start().unwrap()),
        left
    );
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(
        diary(&store.projection(Diary).sync().start().unwrap()),
        left
    );
    store
        .truncate_before(Timestamp::from_nanos(i64::MAX))
        .unwrap();
    let sums = store.projection(Balances).sync().start().unwrap();
    assert!(balances(&sums).is_empty(), "no aggregate without an event");
    assert_eq!(sums.progress(0), store.positions()[0]);
}

#[test]
fn a_projection_ends_with_its_last_handle() {
    /// Tells when it is dropped.
    struct Ends(mpsc::Sender<()>);
    impl Projection for Ends {
        const NAME: &'static str = "ends";
        const VERSION: u32 = 1;
        type State = ();
        fn apply(&self, (): &mut (), _batch: &Batch<'_>) -> Result<(), ApplyError> {
            self.0.send(()).unwrap();
            Ok(())
        }
    }
    let store = Bank::new(1).open();
    let (sender, applied) = mpsc::channel();
    let first = store.projection(Ends(sender)).sync().start().unwrap();
    let second = first.clone();
    drop(first);
    put(&store, "a", "1");
    assert_eq!(applied.try_recv(), Ok(()));
    drop(second);
    put(&store, "a", "1");
    assert_eq!(applied.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

#[test]
fn a_reader_is_up_to_date_after_a_refresh() {
    let bank = Bank::new(2);
    let store = bank.open();
    let (mut random, mut fold) = (fastrand::Rng::with_seed(3), Fold::new());
    transfer(&store, &mut random, 100, &mut fold);
    let reader = bank.open_read_only();
    let projected = reader.projection(Balances).sync().start().unwrap();
    assert_eq!(balances(&projected), fold);
    let before = fold.clone();
    transfer(&store, &mut random, 100, &mut fold);
    assert_eq!(balances(&projected), before);
    reader.refresh().unwrap();
    assert_eq!(balances(&projected), fold);
}
