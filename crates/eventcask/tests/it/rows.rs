//! Single aggregates loaded row by row from the groups and chunks of large blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::{Codec, ErrorKind, EventId, NewEvent, Options, Store, StoreReader, Timestamp};

use crate::clustered::{segments, shown};

/// Nothing is kept, so that every load reads rows by themselves.
fn options(codec: Codec) -> Options {
    let options = Store::options().shards(1).threads(1).pin(false).seal(false);
    let options = options.segment_bytes(20_000).block_cache_bytes(0);
    options.codec(codec).seal_codec(codec)
}

/// Events of 40 aggregates and three types, some with ids and times, in blocks of several groups.
fn store_of(codec: Codec, seed: u64) -> MemoryStorage {
    let mut random = fastrand::Rng::with_seed(seed);
    let storage = MemoryStorage::default();
    let store = options(codec).open(Arc::new(storage.clone())).unwrap();
    let mut producer = store.producer();
    for number in 0..6_000u32 {
        let payload = format!(r#"{{"number":{number}}}"#);
        let mut event = NewEvent::json(
            ["Opened", "Moved", "Closed"][random.usize(..3)],
            payload.as_bytes(),
        );
        event.id = random.bool().then(|| EventId::from_name(&payload));
        event.time = random
            .bool()
            .then(|| Timestamp::from_nanos(i64::from(number)));
        let customer = format!("customer-{}", random.u8(..9));
        let tags = [("customer", &*customer)];
        if random.u8(..3) == 0 {
            event = event.tags(&tags);
        }
        if random.u8(..3) == 0 {
            let id = EventId::from_name(&customer);
            event = event.correlation(id).headers(&[("by", b"web")]);
        }
        let key = format!("account-{}", random.u8(..40));
        producer.push(&key, &event).unwrap();
        if number % 1_500 == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
    drop(producer);
    assert!(store.seal().unwrap() > 0);
    store.close().unwrap();
    storage
}

/// What the shard says of each aggregate, read block by block.
fn by_shard(store: &StoreReader) -> BTreeMap<String, Vec<String>> {
    let mut events = BTreeMap::<String, Vec<String>>::new();
    for event in &store.events() {
        let event = event.unwrap();
        let of_key = events.entry(event.key().to_owned()).or_default();
        of_key.push(format!("{:?}", event.get()));
    }
    events
}

#[test]
fn rows_are_those_of_the_blocks_that_they_lie_in() {
    for codec in [Codec::None, Codec::Zstd(1), Codec::TextLz4] {
        let storage = store_of(codec, 3);
        let store = options(codec).open(Arc::new(storage)).unwrap();
        let truth = by_shard(&store);
        assert_eq!(truth.len(), 40);
        for (key, events) in &truth {
            assert_eq!(
                shown(store.aggregate(key).events().unwrap()),
                *events,
                "{codec} {key}"
            );
            assert_eq!(store.aggregate(key).version().unwrap(), events.len() as u64);
            let last = shown(store.aggregate(key).last(3).events().unwrap());
            assert_eq!(last, events[events.len() - 3..]);
            let middle = store.aggregate(key).from_version(20).as_of_version(29);
            assert_eq!(shown(middle.events().unwrap()), events[19..29]);
        }
    }
}

/// The events that a load gives, and whether it ended with an error.
fn load(store: &StoreReader, key: &str) -> (Vec<String>, bool) {
    let events = match store.aggregate(key).events() {
        Ok(events) => events,
        Err(_) => return (Vec::new(), true),
    };
    let mut found = Vec::new();
    for event in events {
        match event {
            Ok(event) => found.push(format!("{:?}", event.get())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                return (found, true);
            }
        }
    }
    (found, false)
}

#[test]
fn c1_a_flipped_bit_of_a_block_is_no_other_event_of_an_aggregate() {
    for codec in [Codec::None, Codec::Zstd(1)] {
        let whole = store_of(codec, 5);
        let truth = by_shard(&options(codec).open(Arc::new(whole.copy())).unwrap());
        let seed = 11;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut refused = 0;
        for round in 0..120 {
            let storage = whole.copy();
            let of_all = segments(&storage);
            let (name, sealed) = &of_all[random.usize(..of_all.len())];
            let at = random.u64(4096..sealed.blocks_end);
            let file = storage.open(name, Open::Write).unwrap();
            let mut byte = [0];
            file.read_at(&mut byte, at).unwrap();
            let flipped = byte[0] ^ 1 << random.u8(..8);
            file.write_all_at(&[flipped], at).unwrap();
            let store = options(codec).open_read_only(Arc::new(storage)).unwrap();
            for (key, events) in &truth {
                let (found, failed) = load(&store, key);
                assert_eq!(
                    found,
                    events[..found.len()],
                    "{codec}, seed {seed}, round {round}"
                );
                assert!(
                    failed || found.len() == events.len(),
                    "{codec}, round {round}, {key}"
                );
                refused += u64::from(failed);
            }
        }
        assert!(refused > 100, "{codec}: {refused}");
    }
}
