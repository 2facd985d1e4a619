//! What a repair keeps of a damaged shard.

use std::ops::Range;

use eventcask_event::Events;
use eventcask_log::{Codec, Fate, MemoryStorage, Open, RepairedSegment, Storage};

use crate::disk::{Disk, Kept};
use crate::sealed::mixed;
use crate::support::{
    FIRST_SEGMENT, SECOND_SEGMENT, Seen, Writer, bytes_of, deposits, dump, problems_of, put_file,
    read, recover, row, seal_with, shard_on,
};

const SEGMENTS: u64 = 4;
const BLOCKS: u64 = 3;
const ROWS: u64 = 8;
const OF_SEGMENT: u64 = BLOCKS * ROWS;

fn name_of(segment: u64) -> String {
    format!("shards/0000/{segment:010}.segment")
}

/// Four segments of three blocks of eight events; places of the blocks.
fn store<S: Storage + Clone + 'static>(storage: &S) -> Vec<Vec<Range<usize>>> {
    let mut writer = Writer::new(storage);
    let mut places = Vec::new();
    for segment in 0..SEGMENTS {
        if segment > 0 {
            writer.roll();
        }
        let mut here = Vec::new();
        for block in 0..BLOCKS {
            let head = writer.append(&mixed(segment * 10 + block, ROWS as usize));
            here.push(head.place as usize..(head.place + u64::from(head.length)) as usize);
            writer.sync();
        }
        places.push(here);
    }
    writer.close();
    places
}

/// Repairs a store, which must then be whole, with all events but these.
fn check(storage: &MemoryStorage, truth: &[Seen], lost: Range<u64>) -> Vec<RepairedSegment> {
    let damaged = dump(storage);
    assert!(!problems_of(storage).is_empty());
    let repaired = shard_on(storage.clone()).repair().unwrap();
    assert_eq!(problems_of(storage), [], "{repaired:?}");
    let left: Vec<Seen> = truth
        .iter()
        .filter(|seen| !lost.contains(&seen.position))
        .cloned()
        .collect();
    assert!(read(storage).unwrap() == left, "{lost:?}");
    let told: u64 = repaired.iter().map(|segment| segment.lost).sum();
    assert_eq!(told, lost.end - lost.start, "{repaired:?}");
    for segment in &repaired {
        let path = |shown: &str| shown.strip_prefix("memory:").unwrap().to_owned();
        let was = damaged
            .iter()
            .find(|(name, _)| *name == path(&segment.file));
        let aside = segment
            .aside
            .as_deref()
            .map(|name| bytes_of(storage, &path(name)));
        assert_eq!(aside.as_ref(), was.map(|(_, bytes)| bytes), "{segment:?}");
        let span = segment.next_position - segment.first_position;
        assert!(segment.kept + segment.lost <= span);
    }
    // Once is enough.
    let after = dump(storage);
    assert_eq!(shard_on(storage.clone()).repair().unwrap(), []);
    assert!(dump(storage) == after);
    check_goes_on(&storage.copy(), &left);
    repaired
}

/// A writer goes on behind what was repaired.
fn check_goes_on(storage: &MemoryStorage, left: &[Seen]) {
    let (mut writer, recovery) = Writer::open(storage).unwrap();
    assert_eq!(recovery.cut, None);
    if writer.tail.ended {
        writer.roll();
    }
    writer.append(&[row("account-new", "Opened", "1")]);
    writer.sync();
    let seen = recover(storage).unwrap().1;
    assert!(seen[..left.len()] == *left);
    assert_eq!(seen.len(), left.len() + 1);
    assert_eq!(problems_of(storage), []);
}

fn flip(storage: &MemoryStorage, name: &str, at: usize) {
    let mut bytes = bytes_of(storage, name);
    bytes[at] ^= 4;
    put_file(storage, name, &bytes);
}

fn first_of(segment: u64, block: u64) -> u64 {
    (segment - 1) * OF_SEGMENT + block * ROWS
}

#[test]
fn a_flipped_byte_costs_the_block_that_it_is_in() {
    let whole = MemoryStorage::default();
    let places = store(&whole);
    let truth = read(&whole).unwrap();
    for segment in 1..=SEGMENTS {
        for block in 0..BLOCKS {
            let place = &places[segment as usize - 1][block as usize];
            // In the head, in the sections, in the zeros at the end.
            for at in [
                place.start,
                place.start + 50,
                place.start + 400,
                place.end - 1,
            ] {
                let storage = whole.copy();
                flip(&storage, &name_of(segment), at);
                let first = first_of(segment, block);
                let repaired = check(&storage, &truth, first..first + ROWS);
                assert_eq!(repaired.len(), 1);
                assert_eq!(repaired[0].kept, OF_SEGMENT - ROWS);
            }
        }
    }
}

#[test]
fn a_damaged_header_costs_nothing() {
    let whole = MemoryStorage::default();
    store(&whole);
    let truth = read(&whole).unwrap();
    for is_sealed in [false, true] {
        for segment in 1..=SEGMENTS {
            if is_sealed && segment == SEGMENTS {
                continue;
            }
            for at in [0, 50, 72, 124, 140, 300, 4095] {
                let storage = whole.copy();
                if is_sealed {
                    let dir = shard_on(storage.clone());
                    seal_with(&dir, segment, Codec::Lz4, &|_, _| Fate::Kept).unwrap();
                }
                flip(&storage, &name_of(segment), at);
                check(&storage, &truth, 0..0);
            }
        }
    }
}

#[test]
fn a_damaged_table_costs_nothing() {
    let storage = MemoryStorage::default();
    store(&storage);
    let truth = read(&storage).unwrap();
    let dir = shard_on(storage.clone());
    let ended = seal_with(&dir, 2, Codec::Lz4, &|_, _| Fate::Kept).unwrap();
    for table in &ended.sealed().tables {
        let copy = storage.copy();
        flip(&copy, SECOND_SEGMENT, table.place as usize);
        check(&copy, &truth, 0..0);
    }
    let bytes = bytes_of(&storage, SECOND_SEGMENT);
    let copy = storage.copy();
    put_file(&copy, SECOND_SEGMENT, &bytes[..bytes.len() - 9]);
    check(&copy, &truth, 0..0);
}

/// Of a sealed segment with several blocks one is lost, and only that.
#[test]
fn a_flipped_byte_of_a_sealed_segment_costs_its_block() {
    let whole = MemoryStorage::default();
    let mut writer = Writer::new(&whole);
    for seed in 0..6 {
        writer.append(&[row(&format!("a-{seed}"), "Stored", vec![seed; 80 << 10])]);
    }
    writer.roll();
    writer.append(&deposits(1, 3));
    writer.close();
    let truth = read(&whole).unwrap();
    let dir = shard_on(whole.clone());
    let ended = seal_with(&dir, 1, Codec::None, &|_, _| Fate::Kept).unwrap();
    let places = crate::support::places_of(&crate::support::reader_of(&dir), &ended).unwrap();
    assert_eq!(places.len(), 6);
    for at in &places {
        for byte in [at.place, at.place + 100, at.place + 9_000] {
            let storage = whole.copy();
            flip(&storage, FIRST_SEGMENT, byte as usize);
            check(&storage, &truth, at.first_position..at.next_position);
        }
    }
}

#[test]
fn a_missing_segment_becomes_one_without_events() {
    let whole = MemoryStorage::default();
    store(&whole);
    let truth = read(&whole).unwrap();
    for (missing, lost) in [
        (vec![1], 0..24),
        (vec![2], 24..48),
        (vec![3], 48..72),
        (vec![2, 3], 24..72),
        (vec![1, 2, 3], 0..72),
    ] {
        let storage = whole.copy();
        for segment in &missing {
            storage.remove(&name_of(*segment)).unwrap();
        }
        let repaired = check(&storage, &truth, lost);
        assert_eq!(repaired.len(), missing.len());
        assert!(
            repaired
                .iter()
                .all(|one| one.aside.is_none() && one.kept == 0)
        );
    }
}

#[test]
fn damaged_neighbours_keep_what_is_whole_of_them() {
    let whole = MemoryStorage::default();
    let places = store(&whole);
    let truth = read(&whole).unwrap();
    // The last block of one and the first of the next.
    let storage = whole.copy();
    flip(&storage, &name_of(2), places[1][2].start + 300);
    flip(&storage, &name_of(3), places[2][0].start + 300);
    check(&storage, &truth, first_of(2, 2)..first_of(3, 1));
    // That and the header of the next, so that nothing tells where the first one ended.
    for at in [50, 300] {
        let storage = whole.copy();
        flip(&storage, &name_of(2), places[1][2].start + at);
        flip(&storage, &name_of(3), 40);
        check(&storage, &truth, first_of(2, 2)..first_of(3, 0));
    }
    // Both headers.
    let storage = whole.copy();
    flip(&storage, &name_of(2), 40);
    flip(&storage, &name_of(3), 40);
    check(&storage, &truth, 0..0);
    // All of one, and the beginning of the next.
    let storage = whole.copy();
    storage.remove(&name_of(2)).unwrap();
    flip(&storage, &name_of(3), 0);
    flip(&storage, &name_of(3), places[2][0].start);
    check(&storage, &truth, first_of(2, 0)..first_of(3, 1));
}

#[test]
fn garbage_in_place_of_a_segment_is_put_aside() {
    let whole = MemoryStorage::default();
    store(&whole);
    let truth = read(&whole).unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    for segment in 1..SEGMENTS {
        for length in [0, 5, 4096, 100_000] {
            let storage = whole.copy();
            let garbage: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            put_file(&storage, &name_of(segment), &garbage);
            let first = first_of(segment, 0);
            check(&storage, &truth, first..first + OF_SEGMENT);
        }
        // A segment of another place is garbage here.
        let storage = whole.copy();
        let other = bytes_of(&storage, &name_of(segment % 3 + 1));
        put_file(&storage, &name_of(segment), &other);
        let first = first_of(segment, 0);
        check(&storage, &truth, first..first + OF_SEGMENT);
    }
}

/// The events of the last block of a tail are lost: the mark of the close still says how far
/// positions went. They were given again to others.
#[test]
fn positions_of_lost_events_are_not_given_again() {
    let storage = MemoryStorage::default();
    let places = store(&storage);
    let truth = read(&storage).unwrap();
    flip(&storage, &name_of(SEGMENTS), places[3][2].start + 300);
    let first = first_of(SEGMENTS, 2);
    let repaired = check(&storage, &truth, first..first + ROWS);
    assert_eq!(repaired[0].next_position, SEGMENTS * OF_SEGMENT);
}

/// Events that had been given up before are not told as lost, whatever is damaged.
#[test]
fn what_was_given_up_before_is_not_lost() {
    let whole = MemoryStorage::default();
    store(&whole);
    let dir = shard_on(whole.clone());
    let fate = |events: &Events<'_>, row: usize| match events.position(row) {
        30..35 => Fate::Removed,
        _ => Fate::Kept,
    };
    let ended = seal_with(&dir, 2, Codec::None, &fate).unwrap();
    let truth = read(&whole).unwrap();
    for at in [50, 300, ended.sealed().blocks_end as usize + 70] {
        let storage = whole.copy();
        flip(&storage, SECOND_SEGMENT, at);
        check(&storage, &truth, 0..0);
        let ended = shard_on(storage).sealed_segment(2).unwrap();
        assert_eq!(
            (ended.sealed().removed, ended.sealed().lost),
            (5, 0),
            "{at}"
        );
    }
    // And what was lost before is not told again.
    let storage = whole.copy();
    flip(&storage, SECOND_SEGMENT, 4096 + 300);
    shard_on(storage.clone()).repair().unwrap();
    let ended = shard_on(storage.clone()).sealed_segment(2).unwrap();
    assert_eq!((ended.sealed().removed, ended.sealed().lost), (5, 19));
    flip(&storage, SECOND_SEGMENT, 200);
    let left = truth
        .into_iter()
        .filter(|seen| !(24..48).contains(&seen.position))
        .collect::<Vec<_>>();
    let after = shard_on(storage.clone()).repair().unwrap();
    assert_eq!(after.len(), 1);
    assert!(read(&storage).unwrap() == left);
}

#[test]
fn a_whole_shard_is_not_touched_and_a_torn_end_is_left_to_recovery() {
    let storage = MemoryStorage::default();
    let places = store(&storage);
    let before = dump(&storage);
    assert_eq!(shard_on(storage.clone()).repair().unwrap(), []);
    assert!(dump(&storage) == before);
    let whole = bytes_of(&storage, &name_of(SEGMENTS));
    // Without the mark of the close the last block may be torn anywhere.
    for length in places[3][2].start..places[3][2].end {
        put_file(&storage, &name_of(SEGMENTS), &whole[..length]);
        let before = dump(&storage);
        assert_eq!(shard_on(storage.clone()).repair().unwrap(), []);
        assert!(dump(&storage) == before);
    }
    for segment in 1..SEGMENTS {
        let dir = shard_on(storage.clone());
        seal_with(&dir, segment, Codec::Lz4, &|_, _| Fate::Kept).unwrap();
    }
    let before = dump(&storage);
    assert_eq!(shard_on(storage.clone()).repair().unwrap(), []);
    assert!(dump(&storage) == before);
}

/// A name with a number out of all proportion would have become thousands of millions of files.
#[test]
fn s1_a_made_up_number_is_refused() {
    let storage = MemoryStorage::default();
    store(&storage);
    put_file(&storage, "shards/0000/9999999999.segment", b"");
    let before = dump(&storage);
    let error = shard_on(storage.clone()).repair().unwrap_err();
    assert_eq!(error.kind(), eventcask_log::ErrorKind::Damaged);
    assert!(dump(&storage) == before);
}

/// The header of the segment behind may be made up: what would end before it begins made the
/// count of positions go below zero.
#[test]
fn s1_a_segment_that_begins_before_the_one_it_follows_is_mended() {
    let storage = MemoryStorage::default();
    store(&storage);
    let mut bytes = bytes_of(&storage, &name_of(3));
    bytes[72..80].copy_from_slice(&5u64.to_le_bytes());
    crate::support::seal_header(&mut bytes);
    put_file(&storage, &name_of(3), &bytes);
    let truth = read_before(&storage);
    let repaired = shard_on(storage.clone()).repair().unwrap();
    assert_eq!(problems_of(&storage), [], "{repaired:?}");
    let seen = read(&storage).unwrap();
    assert_eq!(seen.len() as u64, SEGMENTS * OF_SEGMENT);
    assert!(seen[..truth.len()] == truth);
}

/// The events of the first two segments.
fn read_before(storage: &MemoryStorage) -> Vec<Seen> {
    let copy = storage.copy();
    for segment in 3..=SEGMENTS {
        copy.remove(&name_of(segment)).unwrap();
    }
    read(&copy).unwrap()
}

#[test]
fn c5_no_crash_during_a_repair_loses_more() {
    let disk = Disk::default();
    let places = store(&disk);
    let name = name_of(2);
    let at = places[1][1].start + 300;
    let mut damaged = bytes_of(&disk, &name);
    damaged[at] ^= 4;
    let truth = read(&disk).unwrap();
    let file = disk.open(&name, Open::Write).unwrap();
    file.write_all_at(&damaged[at..=at], at as u64).unwrap();
    file.sync().unwrap();
    let first = first_of(2, 1);
    let left: Vec<Seen> = truth
        .into_iter()
        .filter(|seen| !(first..first + ROWS).contains(&seen.position))
        .collect();
    let mut random = fastrand::Rng::with_seed(3);
    for steps in 0.. {
        let crashed = disk.killed();
        crashed.fail_after(steps);
        let is_done = shard_on(crashed.clone()).repair().is_ok();
        let mut states = vec![crashed.killed()];
        let cuts = [Kept::All, Kept::Nothing]
            .into_iter()
            .chain([Kept::Some; 20]);
        states.extend(cuts.map(|kept| crashed.power_cut(kept, &mut random)));
        for state in states {
            shard_on(state.clone()).repair().unwrap();
            assert_eq!(problems_of(&state), [], "{steps} steps");
            assert!(read(&state).unwrap() == left, "{steps} steps");
            let names = state.list("shards/0000").unwrap();
            let aside = names
                .iter()
                .filter(|name| name.contains(".damaged") && !name.ends_with(".new"));
            let mut kept = aside.map(|name| bytes_of(&state, &format!("shards/0000/{name}")));
            assert!(kept.any(|bytes| bytes == damaged), "{steps} steps");
        }
        if is_done {
            break;
        }
    }
}
