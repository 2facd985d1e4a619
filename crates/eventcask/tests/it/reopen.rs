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

/// Fills a store with segments of one event each, and closes it when the background has failed to
/// seal any: as if it had not come to them. Says how many there are, and how many the close sealed.
fn sealed_by_a_close(events: usize, seal: bool) -> (u64, u64) {
    const FULL: i32 = 28;
    let mut bank = Bank::new(2);
    bank.options = bank.options.segment_bytes(1).seal(false);
    let store = bank.open();
    for number in 0..events {
        put(&store, &format!("account-{}", number % 7), "{}");
    }
    store.close().unwrap();
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    disk.fails(Operation::Write, "*.segment.new", Fault::Errno(FULL));
    let options = bank.options.clone().seal(seal);
    let store = options.open(Arc::new(disk.clone())).unwrap();
    while seal && store.stats().seal_failure.is_none() {
        std::thread::yield_now();
    }
    disk.is_well();
    store.close().unwrap();
    let stats = bank.open_read_only().stats();
    (stats.segments, stats.sealed_segments)
}

/// Whether the background came to a complete segment before the close was chance, and with it what
/// `reclaim` found there.
#[test]
fn a_close_seals_what_is_complete_where_it_is_little() {
    assert_eq!(sealed_by_a_close(12, true), (12, 10), "not the newest ones");
    assert_eq!(sealed_by_a_close(12, false), (12, 0), "it is not wanted");
    let (segments, sealed) = sealed_by_a_close(80, true);
    assert_eq!((segments, sealed), (80, 32), "a close does not take long");
}

/// The newest file could hold a single small block, or the mark of the close alone.
#[test]
fn a_small_block_begins_no_segment() {
    const SEGMENT: usize = 64 << 10;
    let mut bank = Bank::new(1);
    bank.options = bank.options.codec(eventcask::Codec::None);
    bank.options = bank.options.segment_bytes(SEGMENT as u64);
    let store = bank.open();
    let large = format!("\"{}\"", "x".repeat(SEGMENT));
    put(&store, "a", &large);
    put(&store, "a", "{}");
    assert_eq!(store.stats().segments, 1);
    let mut small = 1;
    while store.stats().segments == 1 {
        put(&store, "a", "{}");
        small += 1;
    }
    // A quarter of a segment, in blocks that are taken for some 560 bytes.
    assert!((20..40).contains(&small), "{small}");
    put(&store, "a", &large);
    put(&store, "a", &large);
    assert_eq!(store.stats().segments, 3);
    let expected = all(&store);
    store.close().unwrap();
    assert_eq!(all(&bank.open()), expected);
}

/// A full disk is no reason for a close to fail: the segments stay as they are.
#[test]
fn f4_a_close_on_a_full_disk_leaves_segments_as_they_are() {
    const FULL: i32 = 28;
    let mut bank = Bank::new(2);
    bank.options = bank.options.segment_bytes(1).seal(false);
    let store = bank.open();
    for number in 0..12 {
        put(&store, &format!("account-{number}"), "{}");
    }
    store.close().unwrap();
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    disk.fails(Operation::Write, "*.segment.new", Fault::Errno(FULL));
    let options = bank.options.clone().seal(true);
    let store = options.open(Arc::new(disk.clone())).unwrap();
    store.close().unwrap();
    let stats = bank.open_read_only().stats();
    assert_eq!((stats.sealed_segments, stats.events), (0, 12));
    let left = bank.storage.files();
    assert!(!left.iter().any(|name| name.ends_with(".new")), "{left:?}");
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
