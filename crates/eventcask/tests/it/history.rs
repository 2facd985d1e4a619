use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use eventcask::inspect::Manifest;
use eventcask::storage::{FileStorage, Storage};
use eventcask::{Codec, EventId, NewEvent, Options, Store};
use eventcask_log::{Block, Caches, ShardDir};
use eventcask_shard::{AggregateCursor, Bounds, KeyHasher, ShardReader};

const NEEDLE: &str = "needle";

fn options() -> Options {
    let options = Store::options().shards(1).pin(false).seal(false);
    options.segment_bytes(30_000).codec(Codec::None)
}

/// Many aggregates over many segments; one of them has 50 events, spread over all.
fn fill(path: &Path) {
    let store = options().open(path).unwrap();
    let mut producer = store.producer();
    for number in 0..5_000u32 {
        let payload = format!(r#"{{"number":{number},"note":"{:060}"}}"#, number);
        let event = NewEvent::json("Noted", payload.as_bytes());
        let key = match number % 100 {
            50 => NEEDLE.to_owned(),
            _ => format!("account-{}", number % 997),
        };
        producer.push(&key, &event).unwrap();
        // Blocks of many sizes.
        if number % 37 == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
    assert!(store.seal().unwrap() > 10);
    drop(producer);
    store.close().unwrap();
}

fn versions_of(store: &Store, key: &str) -> Vec<u64> {
    let events = store.aggregate(key).events().unwrap();
    events.map(|event| event.unwrap().version()).collect()
}

fn reader(path: &Path) -> Arc<ShardReader> {
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(path));
    let manifest = Manifest::read(&*storage).unwrap();
    let dir = ShardDir::new(storage, &manifest, 0);
    let opened = ShardReader::open(dir, KeyHasher::default(), Caches::default());
    Arc::new(opened.unwrap().0)
}

#[test]
fn a_load_reads_the_blocks_that_hold_the_aggregate_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let reader = reader(directory.path());
    assert_eq!(
        reader.blocks().blocks_read(),
        0,
        "opening reads no block of sealed segments"
    );

    let rows = AggregateCursor::load(Arc::clone(&reader), NEEDLE, Bounds::default()).unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    assert_eq!(rows.len(), 50);
    let place_of = |(block, row): &(Arc<Block>, usize)| {
        let place = reader.place_from(block.events().position(*row));
        place.unwrap().map(|at| (at.segment, at.place))
    };
    let blocks: BTreeSet<_> = rows.iter().map(place_of).collect();
    let read = reader.blocks().blocks_read();
    assert!(blocks.len() > 20, "it is in many blocks");
    // Of each block its front, a group of rows and a chunk of payloads, once; some have two.
    let blocks = blocks.len() as u64;
    assert!((blocks..blocks * 4).contains(&read), "{read} of {blocks}");

    let absent = (0..2_000).filter(|number| {
        let found = reader.newest(&format!("nobody-{number}"));
        found.unwrap().is_some()
    });
    assert_eq!(absent.count(), 0);
    assert_eq!(
        reader.blocks().blocks_read(),
        read,
        "what is not there costs no block"
    );
}

#[test]
fn a_sealed_history_goes_on_as_if_it_had_been_read() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let store = options().open(directory.path()).unwrap();
    let stats = store.stats();
    assert_eq!((stats.events, stats.aggregates), (5_000, 998));
    assert!(stats.sealed_segments > 10 && stats.sealed_segments < stats.segments);

    // An aggregate that only sealed segments know, at the version that it has there.
    let mut producer = store.producer();
    let event = NewEvent::json("Noted", b"{}").id(EventId::from_name("one"));
    let expect = |version| eventcask::Expected::Exact(version);
    let wrong = producer
        .append(NEEDLE, expect(49), &[event])
        .unwrap()
        .wait();
    assert!(wrong.is_err(), "it has 50 events");
    let answer = producer
        .append(NEEDLE, expect(50), &[event])
        .unwrap()
        .wait();
    assert_eq!(answer.unwrap().version(), Some(51));
    drop(producer);
    store.close().unwrap();

    // Its id is known once the segment that holds it is sealed, too.
    let store = options().segment_bytes(1).open(directory.path()).unwrap();
    let mut producer = store.producer();
    let other = NewEvent::json("Noted", b"{}");
    producer
        .append("other", eventcask::Expected::Any, &[other])
        .unwrap()
        .wait()
        .unwrap();
    store.seal().unwrap();
    drop(producer);
    store.close().unwrap();
    let store = options().open(directory.path()).unwrap();
    let again = store
        .producer()
        .append(NEEDLE, expect(7), &[event])
        .unwrap()
        .wait()
        .unwrap();
    assert!(again.is_duplicate());
    assert_eq!(again.version(), Some(51));
    assert_eq!(versions_of(&store, NEEDLE), (1..=51).collect::<Vec<_>>());
}
