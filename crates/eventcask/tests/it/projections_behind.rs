//! Projections behind the acknowledgement: what they hold, how far they are, and waiting for them.

use std::future::IntoFuture;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use eventcask::projection::Merge;
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{
    ApplyError, Batch, Codec, ErrorKind, Expected, NewEvent, PerAggregate, Place, Projection,
    ProjectionHandle, Store, StoreReader, Timeout, ViewSpec,
};

use crate::faulty::{Fault, FaultyDisk, Operation, PANIC};
use crate::support::{Bank, deposit, in_time, put};

const LONG: Timeout = Timeout::Error(Duration::from_secs(60));

/// How many events each account has; an event of the type `Boom` is more than it can take.
struct Counts;

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 3;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            if batch.type_name(batch.type_index(row)) == "Boom" {
                std::panic::resume_unwind(Box::new("more than it can take"));
            }
            counts[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}

/// All events of the store, and how many of them were told of as history.
struct Total;

impl Projection for Total {
    const NAME: &'static str = "total";
    const VERSION: u32 = 1;
    type State = (u64, u64);

    fn apply(
        &self,
        (events, replayed): &mut Self::State,
        batch: &Batch<'_>,
    ) -> Result<(), ApplyError> {
        *events += batch.len() as u64;
        if batch.replay() {
            *replayed += batch.len() as u64;
        }
        Ok(())
    }
}

impl Merge for Total {
    fn merge(&self, into: &mut Self::State, from: &Self::State) {
        into.0 += from.0;
        into.1 += from.1;
    }
}

/// Waits until all is applied that is durable now.
fn wait_for_all<P: Projection>(store: &StoreReader, projected: &ProjectionHandle<P>) {
    for (shard, end) in (0..).zip(store.positions()) {
        if end > 0 {
            projected
                .wait_for(Place::new(shard, end - 1), LONG)
                .unwrap();
        }
    }
}

fn push(store: &Store, random: &mut fastrand::Rng, count: usize) {
    let mut producer = store.producer();
    for _ in 0..count {
        let key = format!("account-{}", random.u32(0..50));
        producer.push(&key, &deposit("1")).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
}

#[test]
fn l5_each_event_counts_once_behind_the_acknowledgement() {
    for seed in 1..=5 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let bank = Bank::new(4);
        let store = bank.open();
        push(&store, &mut random, 300);
        let options = store.projection(Total).batch_events(random.u64(1..100));
        let total = options.batch_bytes(random.u64(1..10_000)).start().unwrap();
        for _ in 0..20 {
            let count = random.usize(1..60);
            push(&store, &mut random, count);
            if random.bool() {
                store.seal().unwrap();
            }
        }
        wait_for_all(&store, &total);
        let (events, replayed) = total.merged().unwrap();
        assert_eq!(events, store.positions().iter().sum::<u64>(), "seed {seed}");
        assert!((300..=events).contains(&replayed), "{replayed} of {events}");
        assert_eq!(total.stats().lag_events, 0);
    }
}

#[test]
fn your_own_write_is_there_once_you_waited_for_it() {
    let store = Bank::new(2).open();
    let counts = store.projection(Counts).start().unwrap();
    let shard = eventcask::event::route("account-1", 2);
    for number in 1..=200 {
        let Place { position, .. } = put(&store, "account-1", "1").place();
        let progress = counts.wait_for(Place::new(shard, position), LONG).unwrap();
        assert!(progress > position);
        let count = counts.read(shard, |state| state.get("account-1").copied());
        assert_eq!(count.unwrap(), Some(number));
    }
}

#[test]
fn a_time_out_is_an_error_or_the_stale_answer() {
    let store = Bank::new(1).open();
    let counts = store.projection(Counts).start().unwrap();
    put(&store, "account-1", "1");
    wait_for_all(&store, &counts);
    let short = Duration::from_millis(1);
    assert_eq!(
        counts
            .wait_for(Place::new(0, 7), Timeout::Stale(short))
            .unwrap(),
        1
    );
    let error = counts
        .wait_for(Place::new(0, 7), Timeout::Error(short))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Behind);
    let sentence = error.to_string();
    assert!(
        sentence.contains("position 7 of shard 0 in the time given: it is at 1"),
        "{sentence}"
    );
}

#[test]
fn waiting_can_be_awaited_and_given_up() {
    struct Told(mpsc::Sender<()>);
    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let store = Bank::new(1).open();
    let counts = store.projection(Counts).start().unwrap();
    let (sender, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Told(sender)));
    let mut context = Context::from_waker(&waker);
    let mut given_up = Box::pin(counts.reaches(Place::new(0, 0)));
    assert!(given_up.as_mut().poll(&mut context).is_pending());
    drop(given_up);

    let mut reaches = pin!(counts.reaches(Place::new(0, 0)).into_future());
    assert!(reaches.as_mut().poll(&mut context).is_pending());
    put(&store, "account-1", "1");
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    match reaches.as_mut().poll(&mut context) {
        Poll::Ready(progress) => assert_eq!(progress.unwrap(), 1),
        Poll::Pending => panic!("it was told and is not there"),
    }
    assert!(told.try_recv().is_err(), "who gave up is not told");
}

#[test]
fn a_batch_waits_to_be_full_and_no_longer() {
    let store = Bank::new(1).open();
    let hour = Duration::from_secs(3_600);
    let options = store.projection(Counts).batch_events(10);
    let counts = options.batch_time(hour).start().unwrap();
    // What is there when its thread begins is applied at once, however much it is.
    let short = Timeout::Stale(Duration::from_millis(20));
    let waits = || {
        let position = put(&store, "account-1", "1").position().unwrap();
        counts.wait_for(Place::new(0, position), short).unwrap() <= position
    };
    assert!((0..5).any(|_| waits()), "no event waits");
    for _ in 0..25 {
        put(&store, "account-1", "1");
    }
    // At most nine of them can be left.
    let full = store.positions()[0] - 10;
    assert!(counts.wait_for(Place::new(0, full), LONG).unwrap() > full);
}

/// A batch that was full of bytes waited on for events, as long as it might.
#[test]
fn a_batch_that_is_full_of_bytes_waits_no_longer() {
    let store = Bank::new(1).open();
    let hour = Duration::from_secs(3_600);
    let options = store.projection(Counts).batch_bytes(2_000);
    let counts = options.batch_time(hour).start().unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..25 {
        // Compressed, it has three quarters of its length.
        let name: String = std::iter::repeat_with(|| random.alphanumeric())
            .take(1_000)
            .collect();
        put(&store, "account-1", &format!("{name:?}"));
    }
    // Three blocks are more than a batch has, so at most two can be left.
    let full = store.positions()[0] - 3;
    assert!(counts.wait_for(Place::new(0, full), LONG).unwrap() > full);
}

#[test]
fn l6_one_that_stopped_says_so_to_all_who_ask_or_wait() {
    let store = Bank::new(1).open();
    let counts = store.projection(Counts).start().unwrap();
    let total = store.projection(Total).start().unwrap();
    let waits = counts.clone();
    let waiting = thread::spawn(move || waits.wait_for(Place::new(0, 1_000), LONG));
    put(&store, "account-1", "1");
    let boom = NewEvent::json("Boom", b"{}");
    let ticket = store.producer().append("b", Expected::Any, &[boom]);
    ticket.unwrap().wait().expect("it is stored all the same");
    put(&store, "account-1", "1");

    let error = in_time("waiting", || waiting.join().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let error = counts.read(0, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let stats = counts.stats();
    assert!(stats.failure.unwrap().contains("more than it can take"));
    assert!(stats.lag_events >= 2, "{}", stats.lag_events);
    wait_for_all(&store, &total);
    assert_eq!(total.merged().unwrap().0, 3);
    let listed = store.stats().projections;
    let names: Vec<_> = listed
        .iter()
        .map(|one| (one.name.as_str(), one.version))
        .collect();
    assert_eq!(names, [("counts", 3), ("total", 1)]);
    assert!(listed[0].failure.is_some() && listed[1].failure.is_none());
}

#[test]
fn l6_the_lag_of_one_that_stopped_rises() {
    let store = Bank::new(1).open();
    let counts = store.projection(Counts).sync().start().unwrap();
    put(&store, "account-1", "1");
    let boom = NewEvent::json("Boom", b"{}");
    let ticket = store.producer().append("b", Expected::Any, &[boom]);
    ticket.unwrap().wait().unwrap();
    for lag in 2..5 {
        put(&store, "account-1", "1");
        assert_eq!(counts.stats().lag_events, lag);
    }
    in_time("a second", move || {
        while counts.stats().lag_seconds == 0 {
            thread::yield_now();
        }
        assert!(store.stats().projections[0].lag_seconds > 0);
    });
}

/// Where a repair gives up the last events of a log, their positions stay: whoever waited to come
/// to the end of it waited for ever.
#[test]
fn one_comes_to_the_end_of_a_log_whose_last_events_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let options = Store::options().shards(1).pin(false).codec(Codec::None);
    let store = options.open(directory.path()).unwrap();
    put(&store, "account-1", "1");
    put(&store, "account-1", r#"{"who":"the last one"}"#);
    store.close().unwrap();
    let shard = directory.path().join("shards/0000");
    let segment = std::fs::read_dir(shard).unwrap().next().unwrap().unwrap();
    let mut bytes = std::fs::read(segment.path()).unwrap();
    let at = bytes.windows(8).position(|bytes| bytes == b"last one");
    bytes[at.unwrap()] ^= 1;
    std::fs::write(segment.path(), bytes).unwrap();
    assert_eq!(eventcask::repair(directory.path()).unwrap().lost(), 1);

    let store = options.open(directory.path()).unwrap();
    assert_eq!(store.positions(), [2]);
    let spec = ViewSpec::new("who", &["count"], None, None).unwrap();
    store.create_view("who", spec).unwrap();
    let counts = store.projection(Counts).sync().start().unwrap();
    let total = store.projection(Total).start().unwrap();
    assert_eq!(total.wait_for(Place::new(0, 1), LONG).unwrap(), 2);
    assert_eq!(counts.stats().lag_events, 0);
    assert_eq!(store.stats().views[0].lag_events, 0);
    put(&store, "account-1", "1");
    assert_eq!(counts.wait_for(Place::new(0, 2), LONG).unwrap(), 3);
    assert_eq!(total.wait_for(Place::new(0, 2), LONG).unwrap(), 3);
}

/// A panic outside of the handler ended the thread without a word.
#[test]
fn l6_one_whose_thread_fails_says_so_to_all_who_ask_or_wait() {
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = Store::options().shards(2).pin(false);
    let store = options.open(storage).unwrap();
    push(&store, &mut fastrand::Rng::with_seed(6), 100);
    disk.fails(Operation::Read, "shards", Fault::Panic);
    let counts = store.projection(Counts).start().unwrap();
    for shard in 0..2 {
        let error = counts.wait_for(Place::new(shard, 0), LONG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert!(error.to_string().contains(PANIC), "{error}");
    }
    disk.is_well();
    counts.rebuild().unwrap().wait().unwrap();
    push(&store, &mut fastrand::Rng::with_seed(7), 100);
    wait_for_all(&store, &counts);
}

#[test]
fn closing_the_store_ends_the_waiting() {
    let store = Bank::new(2).open();
    let position = put(&store, "account-1", "1").position().unwrap();
    let counts = store.projection(Counts).start().unwrap();
    let waits = counts.clone();
    let waiting = thread::spawn(move || waits.wait_for(Place::new(1, 1_000), LONG));
    let handle = store.clone();
    store.close().unwrap();
    let error = in_time("waiting", || waiting.join().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);

    // One that begins only then was never told.
    let shard = eventcask::event::route("account-1", 2);
    for is_sync in [true, false] {
        let late = handle.projection(Total);
        let late = if is_sync { late.sync() } else { late };
        let late = late.start().unwrap();
        assert_eq!(late.wait_for(Place::new(shard, position), LONG).unwrap(), 1);
        let waiting = move || late.wait_for(Place::new(shard, position + 1), LONG);
        let error = in_time("waiting", waiting).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
}

#[test]
fn a_reader_applies_what_a_refresh_finds() {
    let bank = Bank::new(2);
    let store = bank.open();
    let reader = bank.open_read_only();
    let total = reader.projection(Total).start().unwrap();
    push(&store, &mut fastrand::Rng::with_seed(5), 100);
    reader.refresh().unwrap();
    wait_for_all(&reader, &total);
    assert_eq!(total.merged().unwrap().0, 100);
}

#[test]
fn who_is_right_behind_the_writer_reads_from_memory() {
    const EIO: i32 = 5;
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = Store::options().shards(1).pin(false);
    let store = options.open(storage).unwrap();
    let projected = store.projection(Counts).start().unwrap();
    // The first block is asked for before anything is kept.
    put(&store, "ada", "1");
    wait_for_all(&store, &projected);
    disk.fails(Operation::Read, "shards", Fault::Errno(EIO));
    for number in 0..100 {
        put(&store, "ada", &number.to_string());
        wait_for_all(&store, &projected);
    }
    let counted = projected.read(0, |state| state.get("ada").copied());
    assert_eq!(counted.unwrap(), Some(101));

    // Nobody asks for the next ones; who comes later has to read, and is told what the disk says.
    drop(projected);
    for number in 0..100 {
        put(&store, "ada", &number.to_string());
    }
    let late = store.projection(Counts).sync().start();
    assert!(late.is_err(), "it has to read from the disk");
    disk.is_well();
    let late = store.projection(Counts).sync().start().unwrap();
    assert_eq!(
        late.read(0, |state| state.get("ada").copied()).unwrap(),
        Some(201)
    );
}

/// Which events were told of as history, by position; the first batch waits for the gate.
struct Told {
    entered: Mutex<mpsc::Sender<()>>,
    gate: Arc<Mutex<()>>,
}

impl Projection for Told {
    const NAME: &'static str = "told";
    const VERSION: u32 = 1;
    type State = Vec<(u64, bool)>;

    fn apply(&self, told: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        // Only the test waits for it, and only for the first batch.
        let _ = self.entered.lock().unwrap().send(());
        let _open = self.gate.lock().unwrap();
        let rows = batch.rows().map(|row| batch.position(row));
        told.extend(rows.map(|position| (position, batch.replay())));
        Ok(())
    }
}

/// A block that is written anew can hold events from before the start and from after it: all of
/// them were told of as history.
#[test]
fn a_block_over_the_border_is_told_of_as_history_and_as_new() {
    for is_sync in [true, false] {
        in_time("a projection", move || {
            let mut bank = Bank::new(1);
            bank.options = bank.options.segment_bytes(12_000);
            let store = bank.open();
            for _ in 0..3 {
                put(&store, "a", "1");
            }
            let gate = Arc::new(Mutex::new(()));
            let (sender, entered) = mpsc::channel();
            let told = Told {
                entered: Mutex::new(sender),
                gate: Arc::clone(&gate),
            };
            let closed = gate.lock().unwrap();
            let options = store.projection(told).batch_events(1);
            let options = if is_sync { options.sync() } else { options };
            let starting = thread::spawn(move || options.start().unwrap());
            entered.recv().unwrap();
            // Figures of the store would wait for the projection.
            while bank.storage.list("shards/0000").unwrap().len() < 3 {
                put(&store, "a", "1");
            }
            store.seal().unwrap();
            drop(closed);
            let told = starting.join().unwrap();
            put(&store, "a", "1");
            wait_for_all(&store, &told);
            let expected: Vec<_> = (0..store.positions()[0]).map(|at| (at, at < 3)).collect();
            assert_eq!(
                told.read(0, Vec::clone).unwrap(),
                expected,
                "sync: {is_sync}"
            );
        });
    }
}

/// A place comes from outside, in a cookie or a message: one of another store must not end the
/// program.
#[test]
fn a_place_of_a_shard_that_is_not_there_is_an_error() {
    let store = Bank::new(2).open();
    let counts = store.projection(Counts).start().unwrap();
    let error = counts.wait_for(Place::new(2, 0), LONG).unwrap_err();
    assert!(
        error.to_string().starts_with("there is no shard 2"),
        "{error}"
    );
}
