//! Exactly once by the ordinals that a producer gives.

use std::ops::Range;
use std::sync::Arc;

use eventcask::limits::MAX_SESSION_BYTES;
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{Appended, Error, ErrorKind, Expected, Flushed, Options, Place, Producer, Store};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, all, deposit, payloads};

const ENOSPC: i32 = 28;

/// The account that the event with this ordinal is about.
fn account(ordinal: u64) -> String {
    format!("account-{}", ordinal % 7)
}

/// Pushes the events that have these ordinals: the same ones each time.
fn push(session: &mut Producer, ordinals: Range<u64>) {
    for ordinal in ordinals {
        assert_eq!(session.next_ordinal(), Some(ordinal));
        let payload = ordinal.to_string();
        session.push(&account(ordinal), &deposit(&payload)).unwrap();
    }
}

fn flush(session: &mut Producer) -> Flushed {
    session.flush().unwrap().wait().unwrap()
}

/// All events of the ordinals below `count` are there once, in their order.
fn check_each_once(store: &Store, count: u64) {
    for number in 0..7 {
        let key = account(number);
        let ordinals = (0..count).filter(|ordinal| account(*ordinal) == key);
        let expected: Vec<String> = ordinals.map(|ordinal| ordinal.to_string()).collect();
        assert_eq!(payloads(store, &key), expected, "{key}");
    }
    assert_eq!(all(store).len() as u64, count);
}

#[test]
fn what_is_sent_again_is_stored_once() {
    let bank = Bank::new(4);
    let store = bank.open();
    let mut session = store.session("teller").unwrap();
    push(&mut session, 0..100);
    assert_eq!(flush(&mut session).stored, 100);
    session.resume_at(40).unwrap();
    push(&mut session, 40..150);
    let flushed = flush(&mut session);
    assert_eq!((flushed.stored, flushed.duplicates), (50, 60));
    drop(session);
    store.close().unwrap();

    let store = bank.open();
    let mut session = store.session("teller").unwrap();
    assert_eq!(session.next_ordinal(), Some(150));
    session.resume_at(0).unwrap();
    push(&mut session, 0..200);
    let flushed = flush(&mut session);
    assert_eq!((flushed.stored, flushed.duplicates), (50, 150));
    check_each_once(&store, 200);
}

#[test]
fn sessions_know_nothing_of_each_other_and_of_sources() {
    let store = Bank::new(2).open();
    let mut one = store.session("one").unwrap();
    let mut two = store.session("two").unwrap();
    for session in [&mut one, &mut two] {
        session.push("a", &deposit("1")).unwrap();
        assert_eq!(flush(session).stored, 1);
        assert_eq!(session.next_ordinal(), Some(1));
    }
    assert_eq!(store.aggregate("a").version().unwrap(), 2);
    assert_eq!(store.source_marks("one"), [None, None]);
    let reserved = store.producer_from("$session/one").map(|_| ());
    assert_eq!(reserved.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_session_costs_one_mark_in_each_shard_and_no_byte_of_an_event() {
    let figures = |session: bool| {
        let store = Bank::new(1).open();
        let mut producer = match session {
            true => store.session("teller").unwrap(),
            false => store.producer(),
        };
        for ordinal in 0..100_u64 {
            let payload = ordinal.to_string();
            producer
                .push(&account(ordinal), &deposit(&payload))
                .unwrap();
            flush(&mut producer);
        }
        let marks = store.source_marks("$session/teller");
        (store.stats().raw_bytes, marks.iter().flatten().count())
    };
    let (with, without) = (figures(true), figures(false));
    assert_eq!(with, (without.0, 1));
}

#[test]
fn a_session_has_one_producer_at_a_time() {
    let store = Bank::new(1).open();
    let mut first = store.session("teller").unwrap();
    let second = store.session("teller").map(|_| ());
    assert_eq!(second.unwrap_err().kind(), ErrorKind::InUse);
    push(&mut first, 0..10);
    // What it still holds is handed over when it is dropped, and counts for its successor.
    drop(first);
    let mut second = store.session("teller").unwrap();
    push(&mut second, 10..20);
    assert_eq!(flush(&mut second).stored, 10);
    check_each_once(&store, 20);
}

#[test]
fn l1_an_append_is_one_with_its_ordinals() {
    let bank = Bank::new(1);
    let store = bank.open();
    let mut session = store.session("teller").unwrap();
    let send = |session: &mut Producer| {
        push(session, 0..2);
        let events = ["2", "3"].map(deposit);
        let ticket = session.append("a", Expected::Any, &events).unwrap();
        assert_eq!(session.next_ordinal(), Some(4));
        session.push("a", &deposit("4")).unwrap();
        ticket
    };
    let answer = send(&mut session).wait().unwrap();
    assert_eq!(answer.version(), Some(2));
    session.resume_at(0).unwrap();
    let answer = send(&mut session).wait().unwrap();
    // Which of the events they are is not known, but nothing after the last one can be among them.
    let (place, version) = (Place::new(0, 4), None);
    assert_eq!(answer, Appended::Duplicate { place, version });
    flush(&mut session);
    assert_eq!(payloads(&store, "a"), ["2", "3", "4"]);
}

/// An append that was refused must not be called a duplicate when it comes again, and one that was
/// stored must not be stored again: what expects a version is judged by that, each time.
#[test]
fn l3_a_refused_append_has_no_ordinal_and_stays_refused() {
    let bank = Bank::new(1);
    let store = bank.open();
    let send = |session: &mut Producer| {
        push(session, 0..3);
        let expecting = |expected| {
            move |session: &mut Producer| {
                let ticket = session.append("a", expected, &[deposit("x")]);
                ticket.unwrap().wait()
            }
        };
        let first = expecting(Expected::NoStream)(session);
        let second = expecting(Expected::Exact(1))(session);
        let third = expecting(Expected::Exact(1))(session);
        assert_eq!(session.next_ordinal(), Some(3));
        push(session, 3..6);
        (first, second, third)
    };
    let mut session = store.session("teller").unwrap();
    let (first, second, third) = send(&mut session);
    assert_eq!(first.unwrap().version(), Some(1));
    assert_eq!(second.unwrap().version(), Some(2));
    assert!(matches!(third, Err(Error::Conflict { actual: 2, .. })));
    assert_eq!(flush(&mut session).stored, 6, "what comes after goes on");
    drop(session);
    let killed = Bank {
        storage: bank.storage.copy(),
        options: bank.options.clone(),
    };
    let store = killed.open();
    let mut session = store.session("teller").unwrap();
    session.resume_at(0).unwrap();
    let (first, second, third) = send(&mut session);
    for again in [first, second, third] {
        assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    }
    assert_eq!(flush(&mut session).duplicates, 6);
    assert_eq!(payloads(&store, "a"), ["x", "x"]);
    assert_eq!(all(&store).len(), 8);
}

#[test]
fn what_a_session_can_not_take_has_no_ordinal() {
    let store = Bank::new(1).open();
    let mut session = store.session("teller").unwrap();
    let kind = |result: Result<(), Error>| result.unwrap_err().kind();
    let exists = session.append("a", Expected::Exists, &[deposit("x")]);
    assert_eq!(kind(exists.map(drop)), ErrorKind::Invalid);
    assert_eq!(kind(session.push("", &deposit("x"))), ErrorKind::Invalid);
    let none = session.append("a", Expected::Any, &[]);
    assert_eq!(kind(none.map(drop)), ErrorKind::Invalid);
    let placed = session.push_at(0, 0, "a", &deposit("x"));
    assert_eq!(kind(placed), ErrorKind::Invalid);
    assert_eq!(session.next_ordinal(), Some(0));
    session.resume_at(u64::MAX).unwrap();
    assert_eq!(kind(session.push("a", &deposit("x"))), ErrorKind::Invalid);
    let last = session.append("a", Expected::Any, &[deposit("x")]);
    assert_eq!(kind(last.map(drop)), ErrorKind::Invalid);
    assert_eq!(flush(&mut session), Flushed::default());

    let mut other = store.producer();
    assert_eq!(other.next_ordinal(), None);
    assert_eq!(kind(other.resume_at(0)), ErrorKind::Invalid);
    for name in ["", &"x".repeat(MAX_SESSION_BYTES + 1)] {
        assert_eq!(kind(store.session(name).map(drop)), ErrorKind::Invalid);
    }
    let longest = store.session(&"x".repeat(MAX_SESSION_BYTES));
    assert!(longest.is_ok());
}

fn open(disk: &FaultyDisk, options: &Options) -> Store {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    options.open(disk).unwrap()
}

#[test]
fn f3_a_full_disk_lets_no_later_event_pass_and_all_can_be_sent_again() {
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let options = Store::options().shards(2).threads(1).pin(false);
    let store = open(&disk, &options);
    let mut session = store.session("teller").unwrap();
    push(&mut session, 0..50);
    assert_eq!(flush(&mut session).stored, 50);
    let safe = session.next_ordinal().unwrap();

    disk.fails(Operation::Write, "shards/0001", Fault::Errno(ENOSPC));
    push(&mut session, 50..100);
    let refused = session.flush().unwrap().wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    disk.is_well();
    // There is room again, but events of the shard before these were refused.
    push(&mut session, 100..120);
    let refused = session.flush().unwrap().wait().unwrap_err();
    assert!(matches!(&refused, Error::SourceGap { .. }), "{refused}");
    session.resume_at(safe).unwrap();
    push(&mut session, 50..150);
    let flushed = flush(&mut session);
    assert_eq!(flushed.stored + flushed.duplicates, 100);
    check_each_once(&store, 150);
    drop(session);
    store.close().unwrap();
    check_each_once(&open(&disk, &options), 150);
}

#[test]
fn after_a_kill_at_any_moment_all_that_is_sent_again_is_there_once() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bank = Bank::new(4);
        bank.options = bank.options.durability(eventcask::Durability::Os);
        let mut safe = 0;
        for _ in 0..3 {
            let store = bank.open();
            let mut session = store.session("teller").unwrap();
            session.resume_at(safe).unwrap();
            let mut killed = None;
            for _ in 0..random.u64(1..6) {
                let next = session.next_ordinal().unwrap();
                push(&mut session, next..next + random.u64(1..500));
                if random.bool() {
                    flush(&mut session);
                    safe = session.next_ordinal().unwrap();
                } else {
                    drop(session.flush().unwrap());
                    // While the shards are at it.
                    killed = Some((bank.storage.copy(), safe));
                }
            }
            drop(session);
            if let Some((storage, was_safe)) = killed {
                (bank.storage, safe) = (storage, was_safe);
            } else {
                store.close().unwrap();
            }
        }
        let store = bank.open();
        let mut session = store.session("teller").unwrap();
        session.resume_at(safe).unwrap();
        let end = safe + 3000;
        push(&mut session, safe..end);
        flush(&mut session);
        check_each_once(&store, end);
    }
}
