//! Closing, not closing, and opening again.

use std::sync::Arc;
use std::time::Duration;

use eventcask::storage::MemoryStorage;
use eventcask::{Durability, Expected, Store};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, all, deposit, in_time, put};

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    for durability in ["sync", "os", "interval:5"] {
        let mut bank = Bank::new(4);
        bank.options = bank.options.durability(durability.parse().unwrap());
        let store = bank.open();
        for number in 0..50 {
            put(&store, &format!("account-{}", number % 5), "{}");
        }
        let killed = Bank {
            storage: bank.storage.copy(),
            options: bank.options.clone(),
        };
        let expected = all(&store);
        assert_eq!(expected.len(), 50);
        assert_eq!(all(&killed.open()), expected, "{durability}");
    }
}

#[test]
fn versions_and_positions_go_on_where_they_were() {
    let bank = Bank::new(1);
    for round in 0..5 {
        let store = bank.open();
        assert_eq!(put(&store, "a", "{}").version(), Some(round * 2 + 1));
        assert_eq!(put(&store, "a", "{}").position(), Some(round * 2 + 1));
        store.close().unwrap();
    }
}

#[test]
fn segments_are_rolled_and_read_as_one() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.segment_bytes(8192);
    let store = bank.open();
    for number in 0..200 {
        put(&store, &format!("account-{}", number % 3), "{}");
    }
    assert!(store.stats().segments > 5, "{}", store.stats().segments);
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(all(&store).len(), 200);
    assert_eq!(store.aggregate("account-0").version().unwrap(), 67);
}

#[test]
fn opening_and_closing_without_writing_changes_no_segment() {
    let bank = Bank::new(2);
    put(&bank.open(), "a", "{}");
    bank.open().close().unwrap();
    let before = bank.storage.copy();
    bank.open().close().unwrap();
    for name in before.files() {
        assert_eq!(bytes(&before, &name), bytes(&bank.storage, &name), "{name}");
    }
}

fn bytes(storage: &MemoryStorage, name: &str) -> Vec<u8> {
    use eventcask::storage::{Open, Storage};
    let file = storage.open(name, Open::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn f7_a_reader_changes_nothing_and_sees_what_is_written_meanwhile() {
    let bank = Bank::new(2);
    let store = bank.open();
    put(&store, "a", "1");
    let before = bank.storage.copy();
    let reader = bank.open_read_only();
    assert_eq!(all(&reader), ["a@1"]);
    assert_eq!(before.files(), bank.storage.files());
    for name in before.files() {
        assert_eq!(bytes(&before, &name), bytes(&bank.storage, &name), "{name}");
    }
    put(&store, "a", "2");
    assert_eq!(all(&reader), ["a@1"]);
    reader.refresh().unwrap();
    assert_eq!(all(&reader), ["a@1", "a@2"]);
}

#[test]
fn d1_flush_raises_what_was_written_to_the_disk() {
    let mut bank = Bank::new(4);
    bank.options = bank
        .options
        .durability(Durability::Interval(Duration::from_secs(60)));
    let store = bank.open();
    for number in 0..20 {
        put(&store, &format!("account-{number}"), "{}");
    }
    store.flush().unwrap();
    assert_eq!(all(&store).len(), 20);
}

#[test]
fn a_store_lives_as_long_as_its_last_producer() {
    let bank = Bank::new(2);
    let store = bank.open();
    let mut producer = store.producer();
    drop(store);
    producer
        .append("a", Expected::Any, &[deposit("{}")])
        .unwrap()
        .wait()
        .unwrap();
    drop(producer);
    assert_eq!(all(&bank.open()), ["a@1"]);
}

#[test]
fn a_store_on_disk_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nested").join("bank");
    let store = eventcask::open(&path).unwrap();
    let mut producer = store.producer();
    for number in 0..10_000 {
        let key = format!("account-{}", number % 100);
        producer
            .push(&key, &deposit(&format!("{{\"n\":{number}}}")))
            .unwrap();
    }
    assert_eq!(producer.flush().unwrap().wait().unwrap().stored, 10_000);
    drop(producer);
    store.close().unwrap();
    let store = Store::options().open_read_only(&path).unwrap();
    assert_eq!(store.stats().events, 10_000);
    assert_eq!(store.stats().aggregates, 100);
    assert_eq!(store.events().iter().filter(Result::is_ok).count(), 10_000);
}

#[test]
fn a_store_opens_while_another_one_is_sealed() {
    let mut bank = Bank::new(8);
    bank.options = bank.options.segment_bytes(1).seal(false);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    for number in 0..100 {
        put(&store, &format!("account-{number}"), "1");
    }
    disk.fails(Operation::Sync, "shards/", Fault::Stall);
    let sealing = store.clone();
    let sealing = std::thread::spawn(move || sealing.seal());
    // Until every thread that seals is busy.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    disk.wait_for_stalls(cores.min(8));
    in_time("opening", || Bank::new(8).open().close()).unwrap();
    disk.is_well();
    assert!(sealing.join().unwrap().unwrap() >= 8);
}
