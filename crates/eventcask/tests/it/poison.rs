//! A shard whose disk failed, or whose worker did: what is said, and to whom.

use std::future::Future;
use std::sync::{Arc, Barrier};
use std::task::{Context, Wake};
use std::thread;

use eventcask::storage::{FileStorage, MemoryStorage, Storage};
use eventcask::{
    AppendResult, Error, ErrorKind, Expected, FlushTicket, NewEvent, Options, Place, Producer,
    Store, Ticket,
};

use crate::faulty::{Fault, FaultyDisk, Operation, PANIC};
use crate::support::{Counts, all, deposit, id, in_time, put};

const EIO: i32 = 5;
/// The shard that fails, and where its files are.
const BROKEN: u32 = 1;
const BROKEN_FILES: &str = "shards/0001";
const FIRST_SEGMENT: &str = "shards/0001/0000000001.segment";

/// An account of this shard.
fn account(shard: u32, shards: u32) -> String {
    let mut accounts = (0..).map(|number| format!("account-{number}"));
    let found = accounts.find(|key| eventcask::event::route(key, shards) == shard);
    found.expect("a hash reaches each shard")
}

fn open(disk: &FaultyDisk, options: &Options) -> Store {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    options.open(disk).expect("the store opens")
}

fn append(producer: &mut Producer, key: &str, event: NewEvent<'_>) -> AppendResult {
    let ticket = producer.append(key, Expected::Any, &[event]);
    ticket.and_then(Ticket::wait)
}

/// The sentence has the shape of one about a stopped shard, and names all of `parts`.
fn check_sentence(error: &Error, parts: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Poisoned);
    assert!(!error.is_retryable(), "only opening it again helps");
    let sentence = error.to_string();
    let starts = sentence.starts_with("the shard has stopped: ");
    let ends = sentence.ends_with("; close the store and open it again");
    assert!(starts && ends, "{sentence}");
    for part in parts {
        assert!(sentence.contains(part), "{part} is not in: {sentence}");
    }
}

/// One operation fails with EIO; everyone who asks is told which file and what the system said.
fn check_visible(under: Arc<dyn Storage>, durability: &str, operation: Operation, file: &str) {
    let disk = FaultyDisk::on(under);
    let options = Store::options().shards(2).threads(2).pin(false);
    let mut options = options.durability(durability.parse().expect("it is a durability"));
    if operation == Operation::SyncDir {
        // The next append begins a new segment, whose name has to be made durable.
        options = options.segment_bytes(1);
    }
    let store = open(&disk, &options);
    let [healthy, broken] = [0, BROKEN].map(|shard| account(shard, 2));
    put(&store, &healthy, "1");
    put(&store, &broken, "1");
    store.flush().expect("the disk is well");

    disk.fails(operation, BROKEN_FILES, Fault::Errno(EIO));
    let mut producer = store.producer();
    let first = append(&mut producer, &broken, deposit("2"));
    assert!(first.is_err() || durability != "sync", "{operation:?}");
    let shown = disk.describe(file);
    let parts = [shown.as_str(), "(os error 5)"];
    check_sentence(&store.flush().expect_err("a shard has stopped"), &parts);
    let later = append(&mut producer, &broken, deposit("3"));
    check_sentence(&later.expect_err("it has stopped"), &parts);
    let pushed = producer.push(&broken, &deposit("4"));
    check_sentence(&pushed.expect_err("it has stopped"), &parts);

    let stats = store.stats();
    let poisoned = stats.shards[BROKEN as usize].poisoned.as_deref();
    let reason = poisoned.expect("the figures say so");
    assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    assert_eq!(stats.shards[0].poisoned, None);
    assert_eq!(put(&store, &healthy, "2").version(), Some(2));
    assert!(store.aggregate(&broken).version().expect("it is readable") >= 1);

    drop(producer);
    let closed = store.close().expect_err("it tells whoever closes it");
    assert_eq!(closed.kind(), ErrorKind::Io);
    let sentence = closed.to_string();
    assert!(
        parts.iter().all(|part| sentence.contains(part)),
        "{sentence}"
    );
    disk.is_well();
    let store = open(&disk, &options);
    assert!(
        store
            .stats()
            .shards
            .iter()
            .all(|one| one.poisoned.is_none())
    );
    assert!(put(&store, &broken, "5").version() >= Some(2));
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::default())
}

#[test]
fn f2_a_failed_sync_is_visible_with_file_and_errno() {
    for durability in ["sync", "os", "interval:60000"] {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStorage::new(directory.path());
        check_visible(memory(), durability, Operation::Sync, FIRST_SEGMENT);
        check_visible(Arc::new(files), durability, Operation::Sync, FIRST_SEGMENT);
    }
}

#[test]
fn f2_a_failed_write_or_directory_is_visible_with_file_and_errno() {
    for durability in ["sync", "os"] {
        check_visible(memory(), durability, Operation::Write, FIRST_SEGMENT);
        check_visible(memory(), durability, Operation::SyncDir, BROKEN_FILES);
    }
}

#[test]
fn f2_the_first_reason_stays_whatever_fails_later() {
    let disk = FaultyDisk::on(memory());
    let options = Store::options().shards(2).threads(1).pin(false);
    let store = open(&disk, &options);
    let broken = account(BROKEN, 2);
    put(&store, &broken, "1");
    disk.fails(Operation::Sync, BROKEN_FILES, Fault::Errno(EIO));
    let mut producer = store.producer();
    assert!(append(&mut producer, &broken, deposit("2")).is_err());
    let reason = store.stats().shards[BROKEN as usize].poisoned.clone();
    assert!(
        reason
            .as_ref()
            .is_some_and(|reason| reason.contains(FIRST_SEGMENT))
    );
    disk.fails(Operation::Write, BROKEN_FILES, Fault::Errno(28));
    assert!(append(&mut producer, &broken, deposit("3")).is_err());
    assert_eq!(store.stats().shards[BROKEN as usize].poisoned, reason);
}

const SHARDS: u32 = 4;
/// What who waits for a shard that stops is answered.
const REFUSALS: [ErrorKind; 1] = [ErrorKind::Poisoned];

/// A store with an event of a known id in each shard, opened anew: nothing of it is in memory.
fn store_with_ids(threads: usize) -> (FaultyDisk, Options, Store) {
    let disk = FaultyDisk::on(memory());
    let options = Store::options().shards(SHARDS).threads(threads).pin(false);
    let store = open(&disk, &options);
    for shard in 0..SHARDS {
        let first = deposit("0").id(id(u128::from(shard) + 1));
        let outcome = append(&mut store.producer(), &account(shard, SHARDS), first);
        outcome.expect("the disk is well");
    }
    store.close().expect("it closes");
    let store = open(&disk, &options);
    (disk, options, store)
}

/// Appends to each shard, new events and known ones: tickets, or refusals at once.
fn tickets(store: &Store) -> Vec<(u32, Result<Ticket, Error>)> {
    let mut producer = store.producer();
    let mut tickets = Vec::new();
    for round in 0..40 {
        for shard in 0..SHARDS {
            let mut event = deposit("0");
            if round % 4 == 1 {
                event = event.id(id(u128::from(shard) + 1));
            }
            let ticket = producer.append(&account(shard, SHARDS), Expected::Any, &[event]);
            tickets.push((shard, ticket));
        }
    }
    tickets
}

/// More than a queue holds, pushed to one shard: the producer has to wait for its worker.
fn push_much(store: &Store) -> Result<FlushTicket, Error> {
    let mut producer = store.producer();
    let (key, payload) = (
        account(BROKEN, SHARDS),
        format!("\"{}\"", "x".repeat(100_000)),
    );
    for _ in 0..300 {
        producer.push(&key, &deposit(&payload))?;
    }
    producer.flush()
}

/// What all who wait are answered while a shard's thread fails.
struct Answers {
    outcomes: Vec<(u32, AppendResult)>,
    pushed: Vec<Option<ErrorKind>>,
    flushed: Vec<Option<ErrorKind>>,
}

/// Many wait in all ways; each has to be answered.
fn wait_in_all_ways(store: &Store) -> Answers {
    let kind = |result: Result<(), Error>| result.err().map(|error| error.kind());
    let start = Barrier::new(9);
    thread::scope(|scope| {
        let waiters = [(); 3].map(|()| {
            scope.spawn(|| {
                start.wait();
                let waiting = tickets(store).into_iter();
                let outcomes =
                    waiting.map(|(shard, ticket)| (shard, ticket.and_then(Ticket::wait)));
                outcomes.collect::<Vec<_>>()
            })
        });
        let pushers = [(); 3].map(|()| {
            scope.spawn(|| {
                start.wait();
                kind(push_much(store).and_then(|ticket| ticket.wait().map(drop)))
            })
        });
        let flushers = [(); 3].map(|()| {
            scope.spawn(|| {
                start.wait();
                (0..20).map(|_| kind(store.flush())).collect::<Vec<_>>()
            })
        });
        let joined = "a waiter does not panic";
        Answers {
            outcomes: waiters
                .into_iter()
                .flat_map(|one| one.join().expect(joined))
                .collect(),
            pushed: pushers.map(|one| one.join().expect(joined)).to_vec(),
            flushed: flushers
                .into_iter()
                .flat_map(|one| one.join().expect(joined))
                .collect(),
        }
    })
}

/// A thread of a shard panics in `operation`: all are answered, the figures name it, the store
/// can be closed and opened again, and what was acknowledged is there. Says which shards stopped.
fn check_panic(operation: Operation, threads: usize) -> Vec<u32> {
    let (disk, options, store) = store_with_ids(threads);
    disk.fails(operation, BROKEN_FILES, Fault::Panic);
    let asked = store.clone();
    let answers = in_time("a waiter", move || wait_in_all_ways(&asked));

    let stats = store.stats();
    let reason = stats.shards[BROKEN as usize].poisoned.clone();
    let reason = reason.expect("the figures say that the shard has stopped");
    let named = match operation {
        Operation::Read => reason == format!("its worker failed: {PANIC}"),
        // Said by the thread itself, or by its worker: where that finds it gone, or wrote by
        // itself.
        _ => {
            reason.ends_with("write thread has ended")
                || reason == format!("its writer failed: {PANIC}")
        }
    };
    assert!(named, "{reason}");
    let is_well = |shard: &u32| stats.shards[*shard as usize].poisoned.is_none();
    check_answers(&answers, is_well);
    let later = store.flush().expect_err("a shard has stopped");
    assert_eq!(later.kind(), ErrorKind::Poisoned);
    for shard in (0..SHARDS).filter(is_well) {
        put(&store, &account(shard, SHARDS), "\"still here\"");
    }
    let stopped = (0..SHARDS).filter(|shard| !is_well(shard)).collect();
    check_reopened(&disk, &options, store, &answers.outcomes);
    stopped
}

/// Only who waited for a shard that stopped was refused, and for that reason.
fn check_answers(answers: &Answers, is_well: impl Fn(&u32) -> bool) {
    let refused = answers.outcomes.iter().filter_map(|(shard, outcome)| {
        let refused = outcome.as_ref().err()?.clone();
        assert!(!is_well(shard), "shard {shard} is well: {refused}");
        Some(refused.kind())
    });
    let refused: Vec<_> = refused.collect();
    assert!(!refused.is_empty(), "somebody has to be told");
    let others = answers.pushed.iter().chain(&answers.flushed).flatten();
    for kind in refused.iter().chain(others) {
        assert!(REFUSALS.contains(kind), "{kind:?}");
    }
}

/// Closes and opens again: all that was acknowledged is there, and the shard takes events.
fn check_reopened(
    disk: &FaultyDisk,
    options: &Options,
    store: Store,
    outcomes: &[(u32, AppendResult)],
) {
    // Whether it says that a shard had stopped is for F2; here it has to return.
    let _ = in_time("close", move || store.close());
    disk.is_well();
    let store = open(disk, options);
    let events = all(&store);
    for shard in 0..SHARDS {
        let key = account(shard, SHARDS);
        let acknowledged = outcomes.iter().filter(|(of, _)| *of == shard);
        let answers = acknowledged.filter_map(|(_, outcome)| outcome.as_ref().ok());
        let newest = answers.filter_map(eventcask::Appended::version).max();
        let stored = events
            .iter()
            .filter(|event| event.starts_with(&format!("{key}@")));
        let stored = stored.count() as u64;
        assert!(Some(stored) >= newest, "{key} has {stored} of {newest:?}");
        assert_eq!(put(&store, &key, "1").version(), Some(stored + 1));
    }
    assert!(
        store
            .stats()
            .shards
            .iter()
            .all(|one| one.poisoned.is_none())
    );
    in_time("close", move || store.close()).expect("all is well again");
}

#[test]
fn f9_a_panic_in_a_write_is_answered_and_stops_one_shard() {
    assert_eq!(check_panic(Operation::Write, SHARDS as usize), [BROKEN]);
}

#[test]
fn f9_a_panic_in_a_sync_is_answered_and_stops_one_shard() {
    assert_eq!(check_panic(Operation::Sync, SHARDS as usize), [BROKEN]);
}

/// The worker reads the original of an id that comes again, to compare them.
#[test]
fn f9_a_panic_in_a_read_is_answered_and_stops_one_shard() {
    assert_eq!(check_panic(Operation::Read, SHARDS as usize), [BROKEN]);
    assert_eq!(check_panic(Operation::Read, 1), [BROKEN]);
}

/// Shards that share a thread share its end; nobody waits for ever all the same.
#[test]
fn f9_a_panic_of_a_shared_write_thread_is_answered() {
    for operation in [Operation::Write, Operation::Sync] {
        assert!(check_panic(operation, 1).contains(&BROKEN));
        assert!(check_panic(operation, 2).contains(&BROKEN));
    }
}

#[test]
fn f9_a_panic_where_a_view_is_saved_stops_nobody() {
    let disk = FaultyDisk::on(memory());
    let options = Store::options().shards(1).view_snapshot_events(10);
    let options = options.pin(false);
    let store = open(&disk, &options);
    let spec = eventcask::ViewSpec::new("k", &["count"], None, None).unwrap();
    store.create_view("counts", spec).unwrap();
    disk.fails(Operation::Write, "views/", Fault::Panic);
    for version in 1..=100 {
        assert_eq!(put(&store, "account-1", "{}").version(), Some(version));
    }
    assert_eq!(store.stats().shards[0].poisoned, None);
    disk.is_well();
    in_time("close", move || store.close()).expect("all is well again");
    assert_eq!(open(&disk, &options).stats().events, 100);
}

/// A waker of a runtime that has fallen over.
struct Fallen;

impl Wake for Fallen {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new(PANIC));
    }
}

/// Who waits for a projection is woken by the worker, between the write of a block and its answers:
/// an append that is on the disk must not be answered as if nothing of it were stored.
#[test]
fn f9_a_panic_after_the_write_is_not_answered_as_if_nothing_were_stored() {
    let disk = FaultyDisk::on(memory());
    let options = Store::options().shards(1).threads(1).pin(false);
    let options = options.durability(eventcask::Durability::Os);
    let store = open(&disk, &options);
    let counts = store.projection(Counts).sync().start().unwrap();
    let mut waiting = Box::pin(counts.reaches(Place::new(0, 5000)));
    let waker = Arc::new(Fallen).into();
    let polled = waiting.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let mut producer = store.producer();
    let mut outcomes = Vec::new();
    for _ in 0..20 {
        let events = [deposit("{}"); 1000];
        let ticket = producer.append("account-1", Expected::Any, &events);
        outcomes.push(ticket);
    }
    let outcomes: Vec<AppendResult> = in_time("a waiter", move || {
        let wait = |ticket: Result<Ticket, Error>| ticket.and_then(Ticket::wait);
        outcomes.into_iter().map(wait).collect()
    });
    assert!(
        store.stats().shards[0].poisoned.is_some(),
        "somebody was woken"
    );
    drop(producer);
    let _ = in_time("close", move || store.close());
    let stored = open(&disk, &options).stats().events;
    let answered = |kind: fn(&AppendResult) -> bool| {
        outcomes.iter().filter(|one| kind(one)).count() as u64 * 1000
    };
    let acknowledged = answered(AppendResult::is_ok);
    let doubtful = answered(|one| matches!(one, Err(Error::Poisoned(_))));
    let told_nothing_is_stored = outcomes
        .iter()
        .find(|one| matches!(one, Err(Error::Closed)));
    assert!(
        (acknowledged..=acknowledged + doubtful).contains(&stored)
            && told_nothing_is_stored.is_none(),
        "{stored} are stored, {acknowledged} acknowledged; one was told: {told_nothing_is_stored:?}"
    );
}
