//! Read models in a database of their own: fed once with each event, whatever stops between two
//! steps.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError, ModelProgress};
use eventcask::{
    ApplyError, Batch, ErrorKind, Expected, NewEvent, Place, Projection, ReadModel,
    ReadModelRunner, Store, StoreReader, Timeout, Timestamp,
};

use crate::support::{Bank, deposit, in_time, put};

/// Long enough for any machine.
const FOR_EVER: Duration = Duration::from_secs(60);
const PATIENT: Timeout = Timeout::Error(FOR_EVER);

type Fold = BTreeMap<String, (i64, u64)>;

/// A database of balances; clones are the same one. It outlives whoever feeds it.
#[derive(Debug, Clone, Default)]
struct Ledger {
    kept: Arc<Mutex<Kept>>,
    fails: Arc<Mutex<Option<(usize, Step)>>>,
}

/// What was committed.
#[derive(Debug, Clone, Default)]
struct Kept {
    balances: Fold,
    progress: BTreeMap<u32, ModelProgress>,
    /// The events of each transaction.
    transactions: Vec<usize>,
    /// `aggregate@version` of all events.
    seen: Vec<String>,
}

/// Where a transaction ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    BeforeIt,
    InTheMiddle,
    AfterTheCommit,
    ByPanic,
}

impl Ledger {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// Has the transaction with this number fail, counted from 0.
    fn fails(&self, transaction: usize, step: Step) {
        *self.fails.lock().unwrap() = Some((transaction, step));
    }

    fn is_well(&self) {
        *self.fails.lock().unwrap() = None;
    }
}

impl ReadModel for Ledger {
    fn name(&self) -> &str {
        "balances"
    }

    fn progress(&mut self, _store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        Ok(self.kept().progress.values().copied().collect())
    }

    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
        let fails = *self.fails.lock().unwrap();
        let now = self.kept().transactions.len();
        let fails_at = |step| fails == Some((now, step));
        if fails_at(Step::BeforeIt) {
            return Err("the database is gone".into());
        }
        let mut kept = self.kept().clone();
        for advance in batches.steps() {
            let known = kept.progress.insert(advance.to.shard, advance.to);
            advance.check(known.map_or(0, |known| known.position))?;
        }
        for event in batches.events() {
            let cents: i64 = str::from_utf8(event.payload)?.parse()?;
            let balance = kept.balances.entry(event.key.to_owned()).or_default();
            *balance = (balance.0 + cents, balance.1 + 1);
            kept.seen.push(format!("{}@{}", event.key, event.version));
        }
        if fails_at(Step::InTheMiddle) {
            return Err("the disk of the database is full".into());
        }
        if fails_at(Step::ByPanic) {
            std::panic::resume_unwind(Box::new("more than it can take"));
        }
        kept.transactions.push(batches.len());
        *self.kept() = kept;
        if fails_at(Step::AfterTheCommit) {
            return Err("the connection broke".into());
        }
        Ok(())
    }
}

/// Pushes events with amounts from a generator and keeps the fold over them.
fn transfer(store: &Store, random: &mut fastrand::Rng, count: u64, fold: &mut Fold) {
    let mut producer = store.producer();
    for _ in 0..count {
        let key = format!("account-{}", random.u32(0..300).pow(2) / 1000);
        let cents = random.i64(-1000..1000);
        producer.push(&key, &deposit(&cents.to_string())).unwrap();
        let entry = fold.entry(key).or_default();
        *entry = (entry.0 + cents, entry.1 + 1);
    }
    producer.flush().unwrap().wait().unwrap();
}

fn feed(store: &StoreReader, ledger: &Ledger) -> ReadModelRunner {
    store.read_model(ledger.clone()).start().unwrap()
}

/// What a ledger holds once it is up to date.
fn caught_up(feed: &ReadModelRunner, ledger: &Ledger) -> Fold {
    feed.catch_up(PATIENT).unwrap();
    ledger.kept().balances.clone()
}

#[test]
fn l5_a_read_model_equals_the_fold_whatever_its_batches() {
    for (seed, batch) in [(1, 1), (2, 10), (3, 7), (4, 500), (5, 5000)] {
        let mut random = fastrand::Rng::with_seed(seed);
        let (bank, mut fold) = (Bank::new(4), Fold::new());
        let (early, late) = (Ledger::default(), Ledger::default());
        let store = bank.open();
        let early_feed = store
            .read_model(early.clone())
            .batch_events(batch)
            .start()
            .unwrap();
        for _ in 0..5 {
            let count = random.u64(1..200);
            transfer(&store, &mut random, count, &mut fold);
        }
        assert_eq!(caught_up(&early_feed, &early), fold, "seed {seed}");
        early_feed.stop().unwrap();
        transfer(&store, &mut random, 100, &mut fold);
        store.seal().unwrap();
        store.close().unwrap();

        let store = bank.open();
        let early_feed = store
            .read_model(early.clone())
            .batch_events(batch)
            .start()
            .unwrap();
        assert_eq!(caught_up(&early_feed, &early), fold, "seed {seed}, again");
        drop(early_feed);
        let late_feed = store
            .read_model(late.clone())
            .batch_events(batch)
            .start()
            .unwrap();
        transfer(&store, &mut random, 100, &mut fold);
        assert_eq!(caught_up(&late_feed, &late), fold, "seed {seed}, made late");
        assert_eq!(late_feed.positions(), store.positions());
        let largest = late.kept().transactions.iter().copied().max();
        assert!(largest.is_some_and(|events| events <= batch), "{largest:?}");
    }
}

#[test]
fn l5_a_read_model_that_stops_between_any_two_steps_holds_each_event_once() {
    let steps = [
        Step::BeforeIt,
        Step::InTheMiddle,
        Step::AfterTheCommit,
        Step::ByPanic,
    ];
    let bank = Bank::new(2);
    let (store, mut fold) = (bank.open(), Fold::new());
    transfer(&store, &mut fastrand::Rng::with_seed(9), 60, &mut fold);
    for step in steps {
        for transaction in 0..6 {
            let ledger = Ledger::default();
            ledger.fails(transaction, step);
            let broken = store
                .read_model(ledger.clone())
                .batch_events(10)
                .start()
                .unwrap();
            let error = broken.catch_up(PATIENT).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
            drop(broken);
            ledger.is_well();
            let again = store
                .read_model(ledger.clone())
                .batch_events(10)
                .start()
                .unwrap();
            assert_eq!(caught_up(&again, &ledger), fold, "{step:?} {transaction}");
        }
    }
}

#[test]
fn l6_a_read_model_that_stops_says_so_and_holds_up_nobody() {
    let store = Bank::new(1).open();
    let ledger = Ledger::default();
    ledger.fails(1, Step::InTheMiddle);
    let feed = feed(&store, &ledger);
    put(&store, "account-1", "5");
    assert_eq!(feed.wait_for(Place::new(0, 0), PATIENT).unwrap(), 1);
    put(&store, "account-1", "6");
    let error = feed.wait_for(Place::new(0, 1), PATIENT).unwrap_err();
    put(&store, "account-1", "7");

    let sentence = error.to_string();
    assert!(
        sentence.contains("positions 1 to 1 of shard 0"),
        "{sentence}"
    );
    assert!(
        sentence.contains("the disk of the database is full"),
        "{sentence}"
    );
    assert!(
        feed.failure()
            .is_some_and(|reason| sentence.contains(&reason))
    );
    let figures = &store.stats().read_models[0];
    assert_eq!((figures.name.as_str(), figures.lag_events), ("balances", 2));
    assert_eq!(
        (&figures.positions[..], &figures.failure),
        (&[1][..], &feed.failure())
    );
    assert_eq!(feed.stop().unwrap_err().kind(), ErrorKind::Stopped);
    assert!(store.stats().read_models.is_empty());

    ledger.is_well();
    let feed = self::feed(&store, &ledger);
    assert_eq!(caught_up(&feed, &ledger)["account-1"], (18, 3));
    assert_eq!(store.stats().read_models[0].lag_events, 0);
}

#[test]
fn an_event_that_can_not_be_taken_in_stops_the_model_before_it() {
    let store = Bank::new(1).open();
    let ledger = Ledger::default();
    let feed = store
        .read_model(ledger.clone())
        .batch_events(1)
        .start()
        .unwrap();
    put(&store, "account-1", "5");
    put(&store, "account-1", "poison");
    put(&store, "account-1", "7");
    assert!(feed.catch_up(PATIENT).is_err());
    assert_eq!(feed.positions(), [1]);
    assert_eq!(ledger.kept().seen, ["account-1@1"]);
}

#[test]
fn who_waits_for_an_event_reads_it_or_learns_that_it_is_not_there_yet() {
    let store = Bank::new(2).open();
    let ledger = Ledger::default();
    let feed = feed(&store, &ledger);
    for number in 1..=20 {
        let place = put(&store, "account-1", "1").place();
        assert!(feed.wait_for(place, PATIENT).unwrap() > place.position);
        assert_eq!(ledger.kept().balances["account-1"], (number, number as u64));
    }
    // The database is held up by somebody.
    let held = ledger.kept();
    let place = put(&store, "account-1", "1").place();
    let stale = Timeout::Stale(Duration::ZERO);
    assert!(feed.wait_for(place, stale).unwrap() <= place.position);
    let error = feed
        .wait_for(place, Timeout::Error(Duration::ZERO))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Behind, "{error}");
    let stale = Timeout::Stale(Duration::from_millis(1));
    let held_to = feed.catch_up(stale).unwrap();
    assert_eq!(held_to, feed.positions());
    assert_ne!(held_to, store.positions());
    let behind = feed.catch_up(Timeout::Error(Duration::ZERO)).unwrap_err();
    assert_eq!(behind.kind(), ErrorKind::Behind, "{behind}");
    drop(held);
    let patient = Timeout::Error(Duration::MAX);
    assert!(feed.wait_for(place, patient).unwrap() > place.position);
}

#[test]
fn a_transaction_ends_by_number_or_size() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    for number in 0..20 {
        let payload = if number == 10 {
            "1".repeat(18)
        } else {
            "1".to_owned()
        };
        producer.push("key", &deposit(&payload)).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    let sizes = |events, bytes| {
        let ledger = Ledger::default();
        let feed = store
            .read_model(ledger.clone())
            .batch_events(events)
            .batch_bytes(bytes);
        caught_up(&feed.start().unwrap(), &ledger);
        ledger.kept().transactions.clone()
    };
    assert_eq!(sizes(8, 1000), [8, 8, 4]);
    // Four bytes an event, and 21 for the large one, which goes alone.
    assert_eq!(sizes(100, 16), [4, 4, 2, 1, 4, 4, 1]);
    assert_eq!(sizes(0, 0), [1; 20]);
}

#[test]
fn events_wait_for_others_as_long_as_they_may() {
    let store = Bank::new(2).open();
    let ledger = Ledger::default();
    let feed = store
        .read_model(ledger.clone())
        .batch_events(10)
        .batch_delay(FOR_EVER * 60);
    let feed = feed.start().unwrap();
    for number in 0..10 {
        assert!(ledger.kept().transactions.is_empty());
        put(&store, &format!("account-{number}"), "1");
    }
    feed.catch_up(PATIENT).unwrap();
    assert_eq!(ledger.kept().transactions, [10]);
    put(&store, "account-0", "1");
    // What still waits is not taken in, and taken in next time.
    in_time("the end of a feed that waits", || feed.stop().unwrap());
    let feed = self::feed(&store, &ledger);
    assert_eq!(caught_up(&feed, &ledger)["account-0"], (2, 2));
}

#[test]
fn only_wanted_types_are_fed_and_the_others_are_passed() {
    let store = Bank::new(2).open();
    let put = |event_type, key: &str| {
        let event = NewEvent::json(event_type, b"1");
        let ticket = store.producer().append(key, Expected::Any, &[event]);
        ticket.unwrap().wait().unwrap();
    };
    for number in 0..30 {
        let event_type = if number % 5 == 0 {
            "Withdrawn"
        } else {
            "Deposited"
        };
        put(event_type, &format!("account-{number}"));
    }
    let ledger = Ledger::default();
    let feed = store
        .read_model(ledger.clone())
        .types(&["Withdrawn"])
        .start()
        .unwrap();
    assert_eq!(caught_up(&feed, &ledger).len(), 6);
    put("Deposited", "account-1");
    feed.catch_up(PATIENT).unwrap();
    assert_eq!(feed.positions(), store.positions());
    feed.stop().unwrap();
    let kept: Vec<_> = ledger
        .kept()
        .progress
        .values()
        .map(|one| one.position)
        .collect();
    assert_eq!(
        kept,
        store.positions(),
        "a feed that ends keeps how far it looked"
    );
}

#[test]
fn a_read_model_takes_the_filter_of_a_query() {
    let store = Bank::new(2).open();
    for number in 0..40 {
        put(&store, ["account-1", "card-1", "card-2"][number % 3], "1");
    }
    let cards = store.events().key_prefix("card-");
    let middle = cards.iter().nth(9).unwrap().unwrap().commit_time();
    let wanted = cards.since(middle).iter().map(|event| {
        let event = event.unwrap();
        format!("{}@{}", event.key(), event.version())
    });
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort();

    let ledger = Ledger::default();
    let feed = store
        .read_model(ledger.clone())
        .key_prefix("card-")
        .since(middle);
    let feed = feed.start().unwrap();
    caught_up(&feed, &ledger);
    let mut fed = ledger.kept().seen.clone();
    fed.sort();
    assert_eq!(fed, wanted);
    assert_eq!(feed.positions(), store.positions(), "others are passed");
}

#[test]
fn what_was_given_up_is_not_fed() {
    let store = Bank::new(1).open();
    for _ in 0..3 {
        put(&store, "a", "1");
        put(&store, "b", "1");
    }
    store.truncate_aggregate("a", 3).unwrap();
    let ledger = Ledger::default();
    let feed = feed(&store, &ledger);
    put(&store, "a", "1");
    caught_up(&feed, &ledger);
    assert_eq!(ledger.kept().seen, ["b@1", "b@2", "a@3", "b@3", "a@5"]);
}

#[test]
fn a_store_feeds_one_model_of_a_name_at_a_time() {
    let store = Bank::new(1).open();
    let first = feed(&store, &Ledger::default());
    let second = store.read_model(Ledger::default()).start();
    assert_eq!(second.unwrap_err().kind(), ErrorKind::InUse);
    drop(first);
    feed(&store, &Ledger::default()).stop().unwrap();
}

#[test]
fn a_model_that_somebody_else_feeds_too_stops() {
    let bank = Bank::new(1);
    let (store, ledger) = (bank.open(), Ledger::default());
    put(&store, "a", "1");
    let reader = bank.open_read_only();
    let slow = reader.read_model(ledger.clone()).start().unwrap();
    slow.catch_up(PATIENT).unwrap();
    put(&store, "a", "1");
    let fast = feed(&store, &ledger);
    fast.catch_up(PATIENT).unwrap();
    reader.refresh().unwrap();
    let error = slow.catch_up(PATIENT).unwrap_err().to_string();
    assert!(error.contains("somebody else feeds it too"), "{error}");
    assert_eq!(ledger.kept().seen, ["a@1", "a@2"]);
}

#[test]
fn a_model_of_another_history_is_refused() {
    let store = Bank::new(1).open();
    put(&store, "a", "1");
    put(&store, "a", "1");
    let ledger = Ledger::default();
    caught_up(&feed(&store, &ledger), &ledger);
    let progress = ledger.kept().progress[&0];
    let with = |progress: ModelProgress| {
        let ledger = Ledger::default();
        ledger.kept().progress.insert(progress.shard, progress);
        let error = store.read_model(ledger).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        error.to_string()
    };
    let ahead = with(ModelProgress {
        position: 3,
        ..progress
    });
    assert!(
        ahead.contains("position 3 of shard 0, and the store ends at 2"),
        "{ahead}"
    );
    let commit_time = Timestamp::from_nanos(progress.commit_time.as_nanos() - 1);
    let other = with(ModelProgress {
        commit_time,
        ..progress
    });
    assert!(
        other.contains("at position 1 of shard 0, is not the store's"),
        "{other}"
    );
    let foreign = with(ModelProgress {
        shard: 7,
        ..progress
    });
    assert!(foreign.contains("shard 7"), "{foreign}");
    assert!(store.stats().read_models.is_empty());
}

#[test]
fn a_reader_feeds_what_a_refresh_finds() {
    let bank = Bank::new(2);
    let store = bank.open();
    let (mut random, mut fold) = (fastrand::Rng::with_seed(3), Fold::new());
    transfer(&store, &mut random, 100, &mut fold);
    let (reader, ledger) = (bank.open_read_only(), Ledger::default());
    let feed = feed(&reader, &ledger);
    assert_eq!(caught_up(&feed, &ledger), fold);
    transfer(&store, &mut random, 100, &mut fold);
    reader.refresh().unwrap();
    assert_eq!(caught_up(&feed, &ledger), fold);
}

#[test]
fn what_is_stored_while_a_feed_begins_is_fed_once() {
    let store = Bank::new(2).open();
    let mut fold = Fold::new();
    let ledgers: Vec<Ledger> = std::iter::repeat_with(Ledger::default).take(5).collect();
    std::thread::scope(|scope| {
        let writer = store.clone();
        let written = scope.spawn(move || {
            let (mut fold, mut random) = (Fold::new(), fastrand::Rng::with_seed(7));
            for _ in 0..60 {
                transfer(&writer, &mut random, 50, &mut fold);
            }
            fold
        });
        for ledger in &ledgers {
            // Each is ended in the middle of what is written.
            drop(feed(&store, ledger));
        }
        fold = written.join().unwrap();
    });
    for ledger in &ledgers {
        assert_eq!(caught_up(&feed(&store, ledger), ledger), fold);
    }
}

/// Tells the test that it was woken, and does what a runtime may do: it asks the store.
struct Told(mpsc::Sender<()>, Store);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        let Self(told, store) = &*self;
        drop(store.projection(Nothing).sync().start().map(drop));
        let _ = (store.stats(), told.send(()));
    }
}

/// A projection that does nothing.
struct Nothing;

impl Projection for Nothing {
    const NAME: &'static str = "nothing";
    const VERSION: u32 = 1;
    type State = ();

    fn apply(&self, (): &mut (), _batch: &Batch<'_>) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// Polls a future of which nothing is there yet.
fn begins<F: Future>(mut future: Pin<&mut F>, waker: &Waker) {
    let polled = future.as_mut().poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending());
}

/// What the future of a model has come to, which it was told to look at.
fn ends<F: Future>(mut future: Pin<&mut F>, waker: &Waker, told: &mpsc::Receiver<()>) -> F::Output {
    told.recv_timeout(FOR_EVER).expect("it is woken");
    match future.as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it was told and is not there"),
    }
}

#[test]
fn a_model_can_be_awaited_and_given_up() {
    in_time("a model", || {
        let store = Bank::new(1).open();
        let ledger = Ledger::default();
        let feed = feed(&store, &ledger);
        let (sender, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(Told(sender, store.clone())));

        let mut given_up = Box::pin(feed.reaches(Place::new(0, 7)));
        begins(given_up.as_mut(), &waker);
        drop(given_up);
        let mut reaches = pin!(feed.reaches(Place::new(0, 1)));
        begins(reaches.as_mut(), &waker);
        put(&store, "a", "1");
        put(&store, "a", "1");
        assert_eq!(ends(reaches.as_mut(), &waker, &told).unwrap(), 2);
        (2..8).for_each(|_| assert!(put(&store, "a", "1").position().is_some()));
        feed.catch_up(PATIENT).unwrap();
        assert!(told.try_recv().is_err(), "who gave up is not told");

        ledger.fails(ledger.kept().transactions.len(), Step::BeforeIt);
        let mut fails = pin!(feed.reaches(Place::new(0, 8)));
        begins(fails.as_mut(), &waker);
        put(&store, "a", "1");
        let error = ends(fails.as_mut(), &waker, &told).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
    });
}

#[test]
fn who_awaits_a_model_is_told_that_it_ended_or_that_the_store_was_closed() {
    in_time("a model", || {
        let store = Bank::new(2).open();
        let (sender, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(Told(sender, store.clone())));
        let first = feed(&store, &Ledger::default());
        let mut waits = pin!(first.reaches(Place::new(1, 0)));
        begins(waits.as_mut(), &waker);
        first.stop().unwrap();
        let error = ends(waits.as_mut(), &waker, &told).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);

        let second = feed(&store, &Ledger::default());
        let mut waits = pin!(second.reaches(Place::new(1, 0)));
        begins(waits.as_mut(), &waker);
        store.close().unwrap();
        let error = ends(waits.as_mut(), &waker, &told).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        let late = second.wait_for(Place::new(1, 0), PATIENT).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Closed);
    });
}

/// A waker was woken with the lock on the state in hand: one that asked the store hung.
#[test]
fn a_waker_may_ask_the_store() {
    for is_sync in [true, false] {
        in_time("a waker", move || {
            let store = Bank::new(1).open();
            let (sender, told) = mpsc::channel();
            let waker = Waker::from(Arc::new(Told(sender, store.clone())));
            let counts = store.projection(Events);
            let counts = if is_sync { counts.sync() } else { counts };
            let counts = counts.start().unwrap();
            let mut subscription = store.events().subscribe().unwrap();
            let mut reaches = pin!(counts.reaches(Place::new(0, 0)));
            let mut next = pin!(subscription.next_async());
            let mut never = pin!(counts.reaches(Place::new(0, 9)));
            begins(reaches.as_mut(), &waker);
            begins(next.as_mut(), &waker);
            put(&store, "a", "1");
            told.recv_timeout(FOR_EVER).unwrap();
            assert_eq!(ends(reaches.as_mut(), &waker, &told).unwrap(), 1);
            let context = &mut Context::from_waker(&waker);
            assert!(matches!(
                next.as_mut().poll(context),
                Poll::Ready(Ok(Some(_)))
            ));
            begins(never.as_mut(), &waker);
            store.close().unwrap();
            let error = ends(never.as_mut(), &waker, &told).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
        });
    }
}

/// How many events there are.
struct Events;

impl Projection for Events {
    const NAME: &'static str = "events";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, events: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        *events += batch.len() as u64;
        Ok(())
    }
}
