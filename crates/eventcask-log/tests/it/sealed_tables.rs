//! What the tables of sealed segments answer, and what is answered without them.

use std::collections::HashSet;

use eventcask_event::EventId;
use eventcask_log::{
    BlockPlace, BlockReader, Caches, ClosedSegment, Codec, Fate, IdPlace, KeyPlace, MemoryStorage,
    SourceMark, TableKind,
};

use crate::sealed::{mark, mixed};
use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, Seen, Writer, bytes_of, find_id, places_of, problems_of, put_file,
    read, reader_of, row, seal_with, shard_on,
};

/// A segment with so many aggregates and ids that their tables have many pages, of small blocks.
fn store() -> (MemoryStorage, Vec<Seen>) {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for block in 0..40 {
        let mut rows = mixed(block, 100);
        for (at, one) in rows.iter_mut().enumerate() {
            one.key = format!("{}-{}", one.key, (block as usize * 7 + at) % 50);
        }
        if block % 9 == 3 {
            rows.push(row("account-3-3", "$truncated", block.to_le_bytes()));
            rows.push(row("shut", "$truncated", 2u64.to_le_bytes()));
        }
        writer.marks = vec![mark("a", block), mark(&format!("b-{}", block % 20), block)];
        writer.append(&rows);
    }
    writer.roll();
    writer.append(&mixed(99, 5));
    writer.sync();
    let truth = read(&storage).unwrap();
    let dir = shard_on(storage.clone());
    seal_with(&dir, 1, Codec::Zstd(3), &|_, _| Fate::Kept).unwrap();
    (storage, truth)
}

/// All that a segment can be asked.
#[derive(Debug, PartialEq, Eq)]
struct Answers {
    keys: Vec<Option<KeyPlace>>,
    ids: Vec<Option<IdPlace>>,
    places: Vec<BlockPlace>,
    from: Vec<Option<BlockPlace>>,
    marks: Vec<SourceMark>,
    truncations: Vec<(String, u64)>,
}

/// Asks in an order that begins with each kind of question in turn.
fn ask(reader: &BlockReader, segment: &ClosedSegment, seen: &[Seen], first: usize) -> Answers {
    let mut answers = Answers {
        keys: Vec::new(),
        ids: Vec::new(),
        places: Vec::new(),
        from: Vec::new(),
        marks: Vec::new(),
        truncations: Vec::new(),
    };
    for question in (0..6).map(|at| (at + first) % 6) {
        match question {
            0 => {
                let there = seen.iter().map(|one| one.aggregate.clone());
                let absent = (0..300).map(|at| format!("absent-{at}"));
                let keys = there.chain(absent).chain([String::new()]);
                let found = keys.map(|key| reader.find_key(segment, &key).unwrap());
                answers.keys = found.collect();
            }
            1 => {
                let absent = (0..300).map(|at| EventId::from_u128(at << 64 | 77));
                let ids = seen.iter().map(|one| one.id).chain(absent);
                let found = ids.map(|id| find_id(reader, segment, id).unwrap());
                answers.ids = found.collect();
            }
            2 => answers.places = places_of(reader, segment).unwrap(),
            3 => {
                let positions = (0..seen.len() as u64 + 3).chain([u64::MAX]);
                let found = positions.map(|at| reader.place_from(segment, at).unwrap());
                answers.from = found.collect();
            }
            4 => {
                answers.marks = reader.marks(segment).unwrap();
                answers.marks.sort_by(|a, b| a.source.cmp(&b.source));
            }
            _ => answers.truncations = reader.truncations(segment).unwrap(),
        }
    }
    answers
}

/// What the events themselves say.
fn check_answers(answers: &Answers, seen: &[Seen]) {
    for (asked, found) in seen.iter().zip(&answers.keys) {
        let newest = seen.iter().rfind(|one| one.aggregate == asked.aggregate);
        let newest = newest.map(|one| (one.version, one.position));
        assert_eq!(found.map(|at| (at.version, at.position)), newest);
    }
    assert!(answers.keys[seen.len()..].iter().all(Option::is_none));
    let (mut known, mut unknown) = (0, 0);
    for (asked, found) in seen.iter().zip(&answers.ids) {
        // An id that the engine made is computed, not stored.
        match found {
            Some(at) => {
                let digest = asked.digest();
                let (version, position) = (asked.version, asked.position);
                let expected = IdPlace {
                    position,
                    version,
                    digest,
                };
                assert_eq!(*at, expected);
                known += 1;
            }
            None => unknown += 1,
        }
    }
    assert!(known > 1_000 && unknown > 1_000, "{known}, {unknown}");
    assert!(answers.ids[seen.len()..].iter().all(Option::is_none));
    for (position, at) in answers.from[..seen.len()].iter().enumerate() {
        let at = at.unwrap();
        assert!((at.first_position..at.next_position).contains(&(position as u64)));
    }
    assert!(answers.from[seen.len()..].iter().all(Option::is_none));
    assert_eq!(answers.marks.len(), 21);
    let truncations = [("account-3-3".to_owned(), 39), ("shut".to_owned(), 2)];
    assert_eq!(answers.truncations, truncations);
}

#[test]
fn tables_say_what_the_events_say() {
    let (storage, truth) = store();
    let seen: Vec<Seen> = truth[..truth.len() - 5].to_vec();
    let dir = shard_on(storage.clone());
    let segment = dir.sealed_segment(1).unwrap();
    // Also with a cache in which hardly anything has room.
    for cache in [Caches::default(), Caches::new(1, 1)] {
        let reader = BlockReader::new(dir.clone(), cache);
        check_answers(&ask(&reader, &segment, &seen, 0), &seen);
        assert_eq!(reader.blocks_read(), 0, "answers are in the tables");
        assert!(segment.answers_from_tables());
    }
    assert!(segment.blocks() > 3);
    assert_eq!(problems_of(&storage), []);
}

/// Some of many that are not there pass the filter; the page has the last word.
#[test]
fn what_is_not_there_is_not_found() {
    let (storage, _) = store();
    let dir = shard_on(storage);
    let segment = dir.sealed_segment(1).unwrap();
    let reader = reader_of(&dir);
    for at in 0..30_000u64 {
        let key = format!("account-{at}-x");
        assert_eq!(reader.find_key(&segment, &key).unwrap(), None);
        let id = EventId::from_u128(u128::from(at) << 40 | 3);
        assert_eq!(find_id(&reader, &segment, id).unwrap(), None);
    }
    assert!(segment.answers_from_tables());
}

#[test]
fn l7_damaged_tables_change_no_answer() {
    let (storage, truth) = store();
    let seen: Vec<Seen> = truth[..truth.len() - 5].to_vec();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let segment = shard_on(storage.clone()).sealed_segment(1).unwrap();
    let tables = segment.sealed().tables.clone();
    let expected = ask(&reader_of(&shard_on(storage.clone())), &segment, &seen, 0);
    check_answers(&expected, &seen);
    let kinds: HashSet<TableKind> = tables.iter().map(|table| table.kind).collect();
    assert_eq!(kinds.len(), 9, "there is one of each");
    for (index, table) in tables.iter().enumerate() {
        let place = table.place as usize..(table.place + table.length) as usize;
        for fill in [Some(0), Some(0xff), None] {
            let mut bytes = whole.clone();
            match fill {
                Some(fill) => bytes[place.clone()].fill(fill),
                None => bytes[place.start + place.len() / 2] ^= 1,
            }
            check_damaged(&storage, &bytes, &seen, &expected, index);
        }
    }
    // All of them, and all of them cut off.
    let mut bytes = whole.clone();
    bytes[segment.sealed().blocks_end as usize..].fill(0x55);
    check_damaged(&storage, &bytes, &seen, &expected, 1);
    for length in [0, 1, 64, 5_000] {
        let end = segment.sealed().blocks_end as usize + length;
        check_damaged(&storage, &whole[..end], &seen, &expected, length);
    }
}

fn check_damaged(
    storage: &MemoryStorage,
    bytes: &[u8],
    seen: &[Seen],
    expected: &Answers,
    first: usize,
) {
    let copy = storage.copy();
    put_file(&copy, FIRST_SEGMENT, bytes);
    assert!(!problems_of(&copy).is_empty());
    let dir = shard_on(copy.clone());
    let segment = dir.sealed_segment(1).unwrap();
    assert!(ask(&reader_of(&dir), &segment, seen, first) == *expected);
    assert!(!segment.answers_from_tables());
    assert_eq!(read(&copy).unwrap()[..seen.len()], *seen);
    // Sealing anew mends it.
    seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept).unwrap();
    assert_eq!(problems_of(&copy), []);
}

/// Zeros to the end of the file, its last blocks among them, were taken for the end of the log
/// when a damaged table made a reader look at the blocks: it answered that the events in them
/// were not there. Sealing anew wrote down that they were lost.
#[test]
fn c7_blocks_that_are_zeros_are_no_end_of_a_sealed_segment() {
    let (storage, truth) = store();
    let dir = shard_on(storage.clone());
    let segment = dir.sealed_segment(1).unwrap();
    let reader = reader_of(&dir);
    let places = places_of(&reader, &segment).unwrap();
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    bytes[places.last().unwrap().place as usize..].fill(0);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let damaged = eventcask_log::ErrorKind::Damaged;
    let segment = dir.sealed_segment(1).unwrap();
    let reader = reader_of(&dir);
    let key = &truth[truth.len() - 6].aggregate;
    let found = reader.find_key(&segment, key);
    assert_eq!(found.unwrap_err().kind(), damaged);
    let found = reader.place_from(&segment, places.last().unwrap().first_position);
    assert_eq!(found.unwrap_err().kind(), damaged);
    let sealed = seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept);
    assert_eq!(sealed.unwrap_err().kind(), damaged);
    assert_eq!(problems_of(&storage).len(), 1);
}

#[test]
fn c1_a_sealed_segment_of_another_length_is_found() {
    let (storage, truth) = store();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let end = shard_on(storage.clone())
        .sealed_segment(1)
        .unwrap()
        .sealed()
        .blocks_end as usize;
    let mut longer = whole.clone();
    longer.extend_from_slice(&[0; 64]);
    let mut noise = whole.clone();
    noise.extend_from_slice(&[7; 3]);
    for bytes in [
        &longer[..],
        &noise,
        &whole[..whole.len() - 1],
        &whole[..end],
    ] {
        put_file(&storage, FIRST_SEGMENT, bytes);
        assert!(!problems_of(&storage).is_empty(), "{}", bytes.len());
        assert!(read(&storage).unwrap() == truth, "{}", bytes.len());
    }
    for length in [end - 1, end - 64, FIRST_BLOCK as usize, 4095, 128, 5, 0] {
        put_file(&storage, FIRST_SEGMENT, &whole[..length]);
        assert_eq!(problems_of(&storage).len(), 1, "{length}");
        let error = read(&storage).unwrap_err();
        assert_eq!(error.kind(), eventcask_log::ErrorKind::Damaged, "{length}");
    }
}
