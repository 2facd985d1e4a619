//! Blocks that are read for one aggregate, and kept.

use eventcask_log::{
    BlockPlace, BlockReader, Caches, ErrorKind, IdPlace, MemoryStorage, Payloads, TableCache,
};

use crate::support::{FIRST_SEGMENT, Row, Writer, bytes_of, put_file, read, row, shard_on};

/// Four aggregates in turn, each with a type of its own.
fn rows() -> Vec<Row> {
    let of = |number: usize| {
        let (key, event_type) = (
            format!("account-{}", number % 4),
            format!("Type{}", number % 4),
        );
        row(&key, &event_type, format!("{number:0200}"))
    };
    (0..400).map(of).collect()
}

/// Some blocks much larger than what is read of one at first.
fn store(blocks: usize) -> (MemoryStorage, Vec<BlockPlace>) {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for _ in 0..blocks {
        writer.append(&rows());
    }
    writer.close();
    let mut places = Vec::new();
    let mut note = |_: &eventcask_log::Block, at: &BlockPlace| {
        places.push(*at);
        Ok(())
    };
    shard_on(storage.clone()).recover(&mut note).unwrap();
    (storage, places)
}

#[test]
fn of_a_block_that_is_read_for_an_aggregate_only_its_payloads_are_open() {
    let (storage, places) = store(1);
    let reader = BlockReader::new(shard_on(storage), Caches::default());
    let whole = reader.read(&places[0], Payloads::All).unwrap();
    let read = reader.blocks_read();
    let block = reader.get(&places[0], Payloads::OfAggregateAt(6)).unwrap();
    for row in 0..400 {
        let expected = whole.events().payload(row).filter(|_| row % 4 == 2);
        assert_eq!(block.events().payload(row), expected, "row {row}");
        let envelope = |events: &eventcask_event::Events<'_>| {
            let event = events.event(row);
            (event.id, event.version, event.commit_time)
        };
        assert_eq!(envelope(&block.events()), envelope(&whole.events()));
    }
    reader.get(&places[0], Payloads::OfAggregateAt(10)).unwrap();
    assert_eq!(reader.blocks_read(), read + 1, "it is kept");

    // Who asks for more gets all, and nobody has to ask again.
    let all = reader.get(&places[0], Payloads::OfAggregateAt(7)).unwrap();
    assert_eq!(all.events().iter().count(), 400);
    reader.get(&places[0], Payloads::All).unwrap();
    reader.get(&places[0], Payloads::OfAggregateAt(6)).unwrap();
    assert_eq!(reader.blocks_read(), read + 2);
    let absent = reader.get(&places[0], Payloads::OfAggregateAt(4_000));
    assert!(absent.is_ok(), "no event is there");
}

/// The block of each known id in the open end of a log was read and compared as a whole.
#[test]
fn what_is_known_of_the_events_of_an_open_block_is_read_once() {
    let (storage, places) = store(2);
    let seen = read(&storage).unwrap();
    let dir = shard_on(storage);
    let reader = BlockReader::new(dir.clone(), Caches::default());
    for _ in 0..2 {
        for one in &seen {
            let at = &places[usize::from(one.position >= places[1].first_position)];
            let known = reader.unsealed(at, one.position).unwrap().unwrap();
            let (position, version) = (one.position, one.version);
            let digest = one.digest();
            let expected = IdPlace {
                position,
                version,
                digest,
            };
            assert_eq!(known, expected);
        }
        assert_eq!(reader.blocks_read(), 2);
    }
    // With room for one block, the other is left to be read whenever it is asked for.
    let caches = Caches {
        pages: TableCache::new(400 * 24),
        ..Caches::default()
    };
    let small = BlockReader::new(dir, caches);
    let ask = |at: &BlockPlace| small.unsealed(at, at.first_position).unwrap();
    assert!(ask(&places[0]).is_some() && ask(&places[1]).is_none());
    let at = &places[1];
    for position in [at.first_position - 1, at.next_position] {
        assert_eq!(reader.unsealed(at, position).unwrap(), None);
    }
}

#[test]
fn c1_a_flipped_byte_of_what_is_opened_is_damage() {
    let (storage, places) = store(1);
    let at = places[0];
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    for place in (at.place as usize..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        put_file(&storage, FIRST_SEGMENT, &bytes);
        let reader = BlockReader::new(shard_on(storage.clone()), Caches::default());
        match reader.get(&at, Payloads::OfAggregateAt(1)) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "byte {place}"),
            Ok(block) => {
                let events = block.events();
                let payloads = (1..400).step_by(4).map(|row| events.payload(row));
                let expected = (1..400).step_by(4).map(|row| format!("{row:0200}"));
                let same = payloads.zip(expected);
                let same = same
                    .into_iter()
                    .all(|(one, other)| one == Some(other.as_bytes()));
                assert!(same, "byte {place}");
            }
        }
    }
    for length in [at.place, at.place + 100, at.place + 20_000] {
        put_file(&storage, FIRST_SEGMENT, &whole[..length as usize]);
        let reader = BlockReader::new(shard_on(storage.clone()), Caches::default());
        let error = reader.get(&at, Payloads::OfAggregateAt(399)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{length} bytes are left");
    }
}

#[test]
fn s10_the_cache_is_bounded_by_its_bytes() {
    let (storage, places) = store(20);
    let caches = Caches::new(1 << 20, 400_000);
    let reader = BlockReader::new(shard_on(storage), caches.clone());
    for at in places.iter().cycle().take(100) {
        let block = reader.get(at, Payloads::All).unwrap();
        assert_eq!(BlockPlace::of(block.head()), *at);
        assert!(caches.blocks.bytes() <= 400_000);
    }
    assert!(caches.blocks.bytes() > 100_000);
    reader.forget(1);
    assert_eq!(caches.blocks.bytes(), 0);
}
