//! Appends without a producer: by handlers, which are many and short-lived.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{Error, ErrorKind, Event, Expected, NewEvent, Options, Store, Ticket};

use crate::support::{Bank, all, deposit, in_time};
use crate::tickets::block_on;

const HANDLERS: u64 = 16;

/// One shard on a disk in memory, whose batches stay open until somebody hands them over.
fn lingering() -> (Arc<dyn Storage>, Options) {
    let options = Store::options().shards(1);
    let options = options.linger(Duration::from_secs(3600));
    (Arc::new(MemoryStorage::default()), options)
}

/// Each handler is a thread that appends once and is gone.
#[test]
fn d1_what_many_threads_append_is_stored_once_each() {
    let bank = Bank::new(4);
    let store = bank.open();
    for round in 0..20 {
        thread::scope(|scope| {
            for handler in 0..HANDLERS {
                let store = &store;
                scope.spawn(move || {
                    let key = format!("account-{}", handler % 5);
                    let payload = (round * HANDLERS + handler).to_string();
                    let ticket = store.append(&key, Expected::Any, &[deposit(&payload)]);
                    ticket.unwrap().wait().unwrap();
                });
            }
        });
    }
    store.close().unwrap();
    let reopened = bank.open();
    let number = |event: Result<Event, Error>| {
        let event = event.unwrap();
        str::from_utf8(event.payload()).unwrap().parse().unwrap()
    };
    let mut stored: Vec<u64> = reopened.events().iter().map(number).collect();
    stored.sort_unstable();
    assert_eq!(stored, (0..20 * HANDLERS).collect::<Vec<_>>());
}

/// The answers of a batch are given together: nobody may miss his, or be told another one's.
#[test]
fn l10_all_who_wait_for_one_batch_are_told_their_own_answer() {
    let (storage, options) = lingering();
    let store = options.open(storage).unwrap();
    let append = |number: usize| {
        let events = vec![deposit("{}"); number % 5 + 1];
        let expected = if number.is_multiple_of(3) {
            Expected::Exact(7)
        } else {
            Expected::NoStream
        };
        let key = format!("account-{number}");
        store.append(&key, expected, &events).unwrap()
    };
    let tickets: Vec<Ticket> = (0..60).map(append).collect();
    let answers = thread::scope(|scope| {
        let wait = |(number, ticket): (usize, Ticket)| {
            scope.spawn(move || match number % 2 {
                0 => ticket.wait(),
                _ => block_on(ticket),
            })
        };
        let waiting: Vec<_> = tickets.into_iter().enumerate().map(wait).collect();
        store.flush().unwrap();
        let answers = waiting.into_iter().map(|thread| thread.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    for (number, answer) in answers.into_iter().enumerate() {
        if number % 3 == 0 {
            assert!(matches!(answer, Err(Error::Conflict { actual: 0, .. })));
        } else {
            let versions = number as u64 % 5 + 1;
            assert_eq!(answer.unwrap().version(), Some(versions));
        }
    }
    assert_eq!(
        store.stats().shards[0].blocks,
        1,
        "all of them were one batch"
    );
}

/// Of those who expect the same version one wins; the others read what they missed and try again.
#[test]
fn l2_handlers_that_conflict_read_on_and_try_again() {
    let store = Bank::new(2).open();
    thread::scope(|scope| {
        for _ in 0..HANDLERS {
            scope.spawn(|| count_one_more(&store));
        }
    });
    let versions = store.aggregate("counter").events().unwrap();
    let counted = versions.map(|event| event.unwrap().payload().to_vec());
    let wanted = (1..=HANDLERS).map(|number| number.to_string().into_bytes());
    assert!(counted.eq(wanted));
}

fn count_one_more(store: &Store) {
    let mut version = 0;
    loop {
        let expected = match version {
            0 => Expected::NoStream,
            version => Expected::Exact(version),
        };
        let payload = (version + 1).to_string();
        let event = NewEvent::json("Counted", payload.as_bytes());
        match store.append("counter", expected, &[event]).unwrap().wait() {
            Ok(_) => return,
            Err(Error::Conflict { missed_from, .. }) => {
                let missed = store.aggregate("counter").from_version(missed_from);
                version += missed.events().unwrap().count() as u64;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn an_append_without_a_producer_is_awaited() {
    let store = Bank::new(2).open();
    let append = || store.append("a", Expected::Any, &[deposit("{}")]).unwrap();
    for version in 1..=20 {
        assert_eq!(block_on(append()).unwrap().version(), Some(version));
    }
}

/// While it lingers an open batch is with nobody who could hand it over but the store.
#[test]
fn flushing_the_store_hands_over_what_was_appended_without_a_producer() {
    let (disk, options) = lingering();
    let store = options.open(disk).unwrap();
    let ticket = store.append("a", Expected::Any, &[deposit("1")]).unwrap();
    let flushed = store.clone();
    in_time("flushing", move || flushed.flush()).unwrap();
    let answer = in_time("waiting", move || ticket.wait()).unwrap();
    assert_eq!(answer.version(), Some(1));
}

#[test]
fn closing_or_dropping_the_store_stores_what_was_appended_without_a_producer() {
    let (disk, options) = lingering();
    for (payload, close) in [("1", true), ("2", false)] {
        let store = options.open(Arc::clone(&disk)).unwrap();
        let ticket = store
            .append("a", Expected::Any, &[deposit(payload)])
            .unwrap();
        match close {
            true => store.close().unwrap(),
            false => drop(store),
        }
        ticket.wait().unwrap();
    }
    assert_eq!(all(&options.open(disk).unwrap()), ["a@1", "a@2"]);
}

/// Nobody works on a shard whose owner does not run: its queue fills. One caller waits for room,
/// which must not make another one wait that only tries.
#[test]
fn trying_to_append_never_waits_also_where_others_do() {
    let disk: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let options = Store::options().shards(1).batch_bytes(64 << 10);
    let (store, mut owners) = options.open_owned(disk).unwrap();
    let payload = format!("\"{}\"", "x".repeat(40 << 10));
    let mut tickets: Vec<Ticket> = Vec::new();
    while let Ok(ticket) = store.try_append("a", Expected::Any, &[deposit(&payload)]) {
        tickets.push(ticket);
    }
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (store, payload) = (store.clone(), payload.clone());
            thread::spawn(move || store.append("a", Expected::Any, &[deposit(&payload)]))
        })
        .collect();
    for _ in 0..1000 {
        let (store, payload) = (store.clone(), payload.clone());
        let tried = in_time("trying", move || {
            store.try_append("a", Expected::Any, &[deposit(&payload)])
        });
        assert_eq!(tried.unwrap_err().kind(), ErrorKind::Full);
    }
    let mut owner = owners.remove(0);
    while !waiting.iter().all(thread::JoinHandle::is_finished) {
        owner.run();
        thread::yield_now();
    }
    tickets.extend(waiting.into_iter().map(|one| one.join().unwrap().unwrap()));
    for ticket in tickets {
        owner.answer(ticket).unwrap();
    }
}

#[test]
fn a_store_that_was_closed_takes_no_appends() {
    let bank = Bank::new(1);
    let store = bank.open();
    store
        .append("a", Expected::Any, &[deposit("1")])
        .unwrap()
        .wait()
        .unwrap();
    let late = store.clone();
    store.close().unwrap();
    let refused = late.append("a", Expected::Any, &[deposit("2")]);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
}
