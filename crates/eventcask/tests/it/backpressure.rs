//! A disk that is slower than those who write: they are told or wait, and nothing is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{AppendResult, Error, ErrorKind, Expected, Options, Producer, Store, Ticket};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, in_time, put};

/// More of these payloads than the queue, the open batch and all that is in flight hold.
const MORE_THAN_FITS: usize = 1000;

/// Two shards with threads of their own; the disk of the second stalls when it is told to.
struct Slow {
    disk: FaultyDisk,
    options: Options,
}

/// An account of this shard.
fn account(shard: u32) -> String {
    let mut accounts = (0..).map(|number| format!("account-{number}"));
    let found = accounts.find(|key| eventcask::event::route(key, 2) == shard);
    found.expect("a hash reaches each shard")
}

fn payload() -> String {
    format!("\"{}\"", "x".repeat(60_000))
}

impl Slow {
    fn new() -> Self {
        Self {
            disk: FaultyDisk::on(Arc::new(MemoryStorage::default())),
            options: Store::options().shards(2).threads(2).pin(false),
        }
    }

    fn open(&self) -> Store {
        let disk: Arc<dyn Storage> = Arc::new(self.disk.clone());
        self.options.open(disk).unwrap()
    }

    /// Stalls the second shard and appends to it until it is full.
    fn fill(&self, producer: &mut Producer, operation: Operation) -> Vec<Ticket> {
        self.disk.fails(operation, "shards/0001", Fault::Stall);
        let (key, payload) = (account(1), payload());
        let mut tickets = Vec::new();
        loop {
            match producer.try_append(&key, Expected::Any, &[deposit(&payload)]) {
                Ok(ticket) => tickets.push(ticket),
                Err(error) => {
                    assert!(matches!(error, Error::Full { shard: 1 }), "{error}");
                    assert!(error.is_retryable());
                    break;
                }
            }
            assert!(tickets.len() < MORE_THAN_FITS, "nobody is told");
        }
        self.disk.wait_for_stall();
        tickets
    }
}

/// All answers, in time.
fn answers(tickets: Vec<Ticket>) -> Vec<AppendResult> {
    let wait = || tickets.into_iter().map(Ticket::wait).collect();
    in_time("a ticket", wait)
}

#[test]
fn a_stalled_shard_says_that_it_is_full_and_answers_in_the_end() {
    for operation in [Operation::Write, Operation::Sync] {
        let slow = Slow::new();
        let store = slow.open();
        let mut producer = store.producer();
        let tickets = slow.fill(&mut producer, operation);
        let answered = tickets.iter().filter(|ticket| ticket.poll().is_some());
        assert_eq!(answered.count(), 0, "nothing is durable");
        slow.disk.is_well();
        let stored = tickets.len() as u64;
        let versions = answers(tickets)
            .into_iter()
            .map(|one| one.unwrap().version());
        assert!(versions.eq((1..=stored).map(Some)), "{operation:?}");
        assert_eq!(put(&store, &account(1), "1").version(), Some(stored + 1));
    }
}

#[test]
fn an_append_waits_for_a_stalled_shard_and_goes_on() {
    let slow = Slow::new();
    let store = slow.open();
    let mut producer = store.producer();
    let mut tickets = slow.fill(&mut producer, Operation::Sync);
    let (taken, is_taken) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let (key, payload) = (account(1), payload());
        let mut append = || producer.append(&key, Expected::Any, &[deposit(&payload)]);
        let appended: Vec<_> = (0..MORE_THAN_FITS).map(|_| append().unwrap()).collect();
        taken.send(()).unwrap();
        (appended, producer)
    });
    // There is no room for all of them.
    assert_eq!(is_taken.try_recv(), Err(TryRecvError::Empty));
    slow.disk.is_well();
    let (appended, producer) = in_time("the append", move || waiting.join().unwrap());
    tickets.extend(appended);
    let stored = tickets.len();
    assert!(answers(tickets).iter().all(Result::is_ok));
    drop(producer);
    assert_eq!(
        store.aggregate(&account(1)).version().unwrap(),
        stored as u64
    );
}

#[test]
fn a_stalled_shard_does_not_stop_another() {
    let slow = Slow::new();
    let store = slow.open();
    let mut producer = store.producer();
    let tickets = slow.fill(&mut producer, Operation::Write);
    let others = in_time("the other shard", {
        let store = store.clone();
        move || {
            let first = (0..100).map(|_| put(&store, &account(0), "1").version());
            assert!(first.eq((1..=100).map(Some)));
            // The same producer that is told that one shard is full.
            let ticket = producer.append(&account(0), Expected::Exact(100), &[deposit("2")]);
            assert_eq!(ticket.unwrap().wait().unwrap().version(), Some(101));
            producer
        }
    });
    assert_eq!(store.aggregate(&account(0)).version().unwrap(), 101);
    slow.disk.is_well();
    assert!(answers(tickets).iter().all(Result::is_ok));
    drop(others);
}

/// Groups of blocks that an append may have to wait for. Two are enough where all threads are
/// quick.
const GROUPS: usize = 50;

#[test]
fn an_append_beside_a_stream_of_events_is_answered_though_the_stream_never_pauses() {
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let options = Store::options().shards(1).pin(false).batch_bytes(1024);
    let store = options.open(Arc::new(disk.clone())).unwrap();
    disk.fails(Operation::Sync, "shards/0000", Fault::Stall);
    let mut stream = store.producer();
    // Each fills a batch, and hands over the one before.
    let payload = "x".repeat(1000);
    let mut push = |events: usize| {
        (0..events).for_each(|_| stream.push("stream", &deposit(&payload)).unwrap());
    };
    push(2);
    disk.wait_for_stall();
    let mut producer = store.producer();
    let ticket = producer.append("alone", Expected::NoStream, &[deposit("1")]);
    let ticket = ticket.unwrap();
    let answered = (0..GROUPS).any(|_| {
        push(4);
        disk.lets_one_pass();
        disk.wait_for_stall();
        ticket.poll().is_some()
    });
    disk.is_well();
    assert!(answered, "the stream goes on, and the append waits");
    assert_eq!(
        answers(vec![ticket])[0].as_ref().unwrap().version(),
        Some(1)
    );
}

/// What became of appends when the store was closed over them: each has one answer, and those that
/// were told "stored" are there.
fn check_answered(slow: &Slow, outcomes: &[AppendResult]) {
    let told = |outcome: &&AppendResult| match outcome {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(*refused, Error::Closed);
            false
        }
    };
    let stored = outcomes.iter().filter(told).count() as u64;
    let store = slow.open();
    assert_eq!(store.aggregate(&account(1)).version().unwrap(), stored);
}

#[test]
fn l10_a_close_over_a_stalled_shard_answers_everyone() {
    let slow = Slow::new();
    let store = slow.open();
    let mut producer = store.producer();
    let mut tickets = slow.fill(&mut producer, Operation::Sync);
    let waiting = thread::spawn(move || {
        let (key, payload) = (account(1), payload());
        let mut append = || producer.append(&key, Expected::Any, &[deposit(&payload)]);
        let mut more = Vec::new();
        loop {
            match append() {
                Ok(ticket) => more.push(ticket),
                Err(error) => return (more, error.kind()),
            }
        }
    });
    let closing = thread::spawn(move || store.close());
    // Who waits for room is told while the disk still stalls.
    let (more, kind) = in_time("the append", move || waiting.join().unwrap());
    tickets.extend(more);
    assert_eq!(kind, ErrorKind::Closed);
    slow.disk.is_well();
    let outcomes = answers(tickets);
    in_time("close", move || closing.join().unwrap()).unwrap();
    check_answered(&slow, &outcomes);
}

#[test]
fn l10_what_a_producer_held_when_it_was_dropped_is_answered() {
    let slow = Slow::new();
    let store = slow.open();
    let mut producer = store.producer();
    let mut tickets = slow.fill(&mut producer, Operation::Write);
    // Its open batch finds no room, so the drop waits.
    let dropping = thread::spawn(move || drop(producer));
    // Answers that nobody waits for are no burden to anyone.
    drop(tickets.split_off(tickets.len() / 2));
    slow.disk.is_well();
    in_time("the drop", move || dropping.join().unwrap());
    assert!(answers(tickets).iter().all(Result::is_ok));
    store.flush().unwrap();
    let stored = store.aggregate(&account(1)).version().unwrap();
    in_time("close", move || store.close()).unwrap();
    assert_eq!(
        slow.open().aggregate(&account(1)).version().unwrap(),
        stored
    );
}

#[test]
fn l2_a_hot_aggregate_keeps_its_versions_and_the_order_of_each_producer() {
    const PRODUCERS: u64 = 4;
    const EVENTS: u64 = 3000;
    let mut bank = Bank::new(2);
    bank.options = bank.options.threads(2).batch_bytes(4096);
    let store = bank.open();
    thread::scope(|scope| {
        for number in 0..PRODUCERS {
            let store = &store;
            scope.spawn(move || {
                let mut producer = store.producer();
                for event in 0..EVENTS {
                    let payload = (number * EVENTS + event).to_string();
                    let key = match event % 2 {
                        0 => "hot".to_owned(),
                        _ => format!("account-{}", event % 301),
                    };
                    producer.push(&key, &deposit(&payload)).unwrap();
                }
                let flushed = producer.flush().unwrap().wait().unwrap();
                assert_eq!(flushed.stored, EVENTS);
            });
        }
    });
    let mut versions = HashMap::<String, u64>::new();
    let mut newest = HashMap::<(String, u64), u64>::new();
    for event in &store.events() {
        let event = event.unwrap();
        let version = versions.entry(event.key().to_owned()).or_default();
        *version += 1;
        assert_eq!(event.version(), *version, "{}", event.key());
        let number: u64 = str::from_utf8(event.payload()).unwrap().parse().unwrap();
        let of = (event.key().to_owned(), number / EVENTS);
        let before = newest.insert(of, number);
        assert!(
            before < Some(number),
            "a producer's events keep their order"
        );
    }
    assert_eq!(versions["hot"], PRODUCERS * EVENTS / 2);
    assert_eq!(versions.values().sum::<u64>(), PRODUCERS * EVENTS);
}
