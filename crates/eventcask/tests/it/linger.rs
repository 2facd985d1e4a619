//! When a batch is handed over: full, old enough, flushed, or at once.

use std::time::{Duration, Instant};

use eventcask::{Expected, Store, Ticket};

use crate::support::{Bank, deposit, in_time, payloads, put};

/// Longer than any test; a batch that waits for it is seen to wait.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn bank(linger: Duration) -> Bank {
    let mut bank = Bank::new(1);
    bank.options = bank.options.linger(linger);
    bank
}

fn append(store: &Store) -> (eventcask::Producer, Ticket) {
    let mut producer = store.producer();
    let ticket = producer.append("a", Expected::Any, &[deposit("1")]);
    (producer, ticket.unwrap())
}

#[test]
fn an_open_batch_waits_until_it_is_flushed() {
    let store = bank(FOR_EVER).open();
    let (mut producer, ticket) = append(&store);
    // The worker has done all there was to do, and did not take the batch.
    store.flush().unwrap();
    assert!(ticket.poll().is_none());
    drop(producer.flush().unwrap());
    let answer = in_time("the append", move || ticket.wait());
    assert_eq!(answer.unwrap().version(), Some(1));
}

#[test]
fn an_open_batch_waits_until_it_is_old_enough() {
    let linger = Duration::from_millis(20);
    let store = bank(linger).open();
    for _ in 0..3 {
        let before = Instant::now();
        let (producer, ticket) = append(&store);
        in_time("the append", move || ticket.wait()).unwrap();
        assert!(before.elapsed() >= linger);
        drop(producer);
    }
}

#[test]
fn the_end_of_its_producer_or_of_the_store_ends_the_waiting() {
    let bank = bank(FOR_EVER);
    let store = bank.open();
    let (producer, ticket) = append(&store);
    drop(producer);
    in_time("the append", move || ticket.wait()).unwrap();
    assert_eq!(
        in_time("a put", {
            let store = store.clone();
            move || put(&store, "a", "2").version()
        }),
        Some(2)
    );
    let (producer, ticket) = append(&store);
    in_time("close", move || store.close()).unwrap();
    assert_eq!(ticket.wait().unwrap().version(), Some(3));
    drop(producer);
    assert_eq!(payloads(&bank.open(), "a"), ["1", "2", "1"]);
}

#[test]
fn batches_of_one_producer_keep_their_order_while_they_linger() {
    let store = bank(Duration::from_micros(200)).open();
    let mut producer = store.producer();
    let expected: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    for (number, payload) in expected.iter().enumerate() {
        producer.push("a", &deposit(payload)).unwrap();
        if number % 700 == 0 {
            drop(producer.flush().unwrap());
        }
    }
    producer.flush().unwrap().wait().unwrap();
    assert_eq!(payloads(&store, "a"), expected);
}

/// How many blocks 200 events of 1,000 bytes become.
fn blocks(batch_bytes: usize) -> u64 {
    let mut bank = bank(FOR_EVER);
    bank.options = bank.options.batch_bytes(batch_bytes);
    let store = bank.open();
    let mut producer = store.producer();
    let payload = format!("\"{}\"", "x".repeat(958));
    for _ in 0..200 {
        producer.push("a", &deposit(&payload)).unwrap();
    }
    let flushed = producer.flush().unwrap();
    assert_eq!(
        in_time("the flush", move || flushed.wait()).unwrap().stored,
        200
    );
    store.stats().shards[0].blocks
}

#[test]
fn a_batch_is_handed_over_before_it_passes_its_size() {
    assert_eq!(blocks(4096), 50);
    assert_eq!(blocks(100 << 10), 2);
    assert_eq!(blocks(1 << 20), 1);
    assert_eq!(blocks(0), 50, "4 KiB are the least");
}
