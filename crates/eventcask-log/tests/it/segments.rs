//! The files of a shard: names, headers, and how one follows the other.

use eventcask_log::{ErrorKind, MemoryStorage, NewSegment, Open, SegmentWriter, Storage, Tail};

use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, SECOND_SEGMENT, Writer, bytes_of, damage, deposits, dump, flipped,
    make_store, put_file, read, recover, seal_header, shard_on,
};

/// Two segments with two blocks each.
fn rolled() -> MemoryStorage {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for seed in 0..4 {
        if seed == 2 {
            writer.roll();
        }
        writer.append(&deposits(seed, 4));
        writer.sync();
    }
    storage
}

#[test]
fn a_new_shard_is_empty() {
    let storage = MemoryStorage::default();
    make_store(&storage);
    let (recovery, seen) = recover(&storage).unwrap();
    assert_eq!((recovery.tail, recovery.cut), (Tail::empty(), None));
    assert_eq!(seen, []);
}

#[test]
fn a_shard_goes_on_in_the_next_segment() {
    let storage = rolled();
    let (recovery, seen) = recover(&storage).unwrap();
    assert_eq!(recovery.tail.segment, 2);
    let positions: Vec<u64> = seen.iter().map(|event| event.position).collect();
    assert_eq!(positions, (0..16).collect::<Vec<_>>());
    let (mut writer, _) = Writer::open(&storage).unwrap();
    writer.append(&deposits(4, 4));
    assert_eq!(read(&storage).unwrap().len(), 20);
    assert_eq!(shard_on(storage).segments().unwrap(), [1, 2]);
}

#[test]
fn marks_come_back_with_their_blocks() {
    use eventcask_log::SourceMark;
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for next in 1..5 {
        let mark = |source: &str| SourceMark {
            source: source.to_owned(),
            next,
            check: u64::MAX - next,
        };
        writer.marks = vec![mark("flights.csv"), mark(&"ü".repeat(512))];
        writer.append(&deposits(next, 2));
    }
    let mut heads = Vec::new();
    let dir = shard_on(storage);
    dir.recover(&mut |block, _| {
        heads.push(block.head().marks.clone());
        Ok(())
    })
    .unwrap();
    assert_eq!(heads.len(), 4);
    assert_eq!(heads[3], writer.marks);
    assert_eq!(heads[0][0].next, 1);
}

/// A file called "+1.segment" or "1.segment" counted as segment 1, which was there twice then,
/// so that the store seemed to lack segment 2; and segment 0 was taken for the tail of a shard
/// that had none, and cut to nothing.
#[test]
fn files_with_other_names_are_no_segments() {
    let storage = rolled();
    let seen = read(&storage).unwrap();
    for name in [
        "+1.segment",
        "1.segment",
        "+000000001.segment",
        "00000000001.segment",
        "0000000000.segment",
        "00000000003.segment",
        "18446744073709551615.segment",
        "99999999999999999999.segment",
        "000000000٣.segment",
        "0000000003.segment.old",
        "0000000003.segmen",
        ".segment",
    ] {
        put_file(&storage, &format!("shards/0000/{name}"), b"not ours");
        assert_eq!(
            shard_on(storage.clone()).segments().unwrap(),
            [1, 2],
            "{name}"
        );
    }
    let before = dump(&storage);
    assert_eq!(recover(&storage).unwrap().1, seen);
    assert_eq!(dump(&storage), before);
}

/// A process that was killed while it sealed left its files behind, up to the size of a segment and
/// of its events, until the same segment was sealed again.
#[test]
fn files_that_were_to_become_segments_are_removed_by_the_next_writer() {
    let storage = rolled();
    let seen = read(&storage).unwrap();
    let before = dump(&storage);
    for name in [
        "0000000001.segment.new",
        "0000000001.segment.runs.new",
        "0000000003.segment.new",
    ] {
        put_file(&storage, &format!("shards/0000/{name}"), b"half of it");
    }
    let begun = dump(&storage);
    assert_eq!(read(&storage).unwrap(), seen);
    assert_eq!(dump(&storage), begun, "who only reads changes nothing");
    assert_eq!(recover(&storage).unwrap().1, seen);
    assert_eq!(dump(&storage), before);
}

#[test]
fn a_file_called_segment_0_is_left_alone_in_an_empty_shard() {
    let storage = MemoryStorage::default();
    make_store(&storage);
    put_file(&storage, "shards/0000/0000000000.segment", b"not ours");
    assert_eq!(recover(&storage).unwrap().0.tail, Tail::empty());
    let left = bytes_of(&storage, "shards/0000/0000000000.segment");
    assert_eq!(left, b"not ours");
}

#[test]
fn a_missing_segment_is_damage() {
    for missing in [FIRST_SEGMENT, SECOND_SEGMENT] {
        let storage = rolled();
        let (mut writer, _) = Writer::open(&storage).unwrap();
        writer.roll();
        writer.append(&deposits(9, 1));
        storage.remove(missing).unwrap();
        let before = dump(&storage);
        assert_eq!(damage(recover(&storage)), (storage.describe(missing), 0));
        assert_eq!(damage(read(&storage)), (storage.describe(missing), 0));
        assert_eq!(dump(&storage), before);
    }
}

/// The directory of a shard that was deleted or not copied looked like a shard without events.
#[test]
fn a_missing_directory_is_damage() {
    let storage = rolled();
    storage.remove_dir("shards/0000").unwrap();
    storage.create_dir("shards/000").unwrap();
    let shown = storage.describe("shards/0000");
    assert_eq!(damage(recover(&storage)), (shown.clone(), 0));
    assert_eq!(damage(read(&storage)), (shown.clone(), 0));
    let mut problems = Vec::new();
    let dir = shard_on(storage);
    dir.verify(&|| false, &mut problems, &mut |_, _, _| Ok(()))
        .unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].file, shown);
}

#[test]
fn a_last_segment_with_only_a_header_is_where_the_log_goes_on() {
    let storage = rolled();
    let (mut writer, _) = Writer::open(&storage).unwrap();
    writer.roll();
    drop(writer);
    let seen = read(&storage).unwrap();
    let (recovery, again) = recover(&storage).unwrap();
    let tail = recovery.tail;
    assert_eq!((tail.segment, tail.place), (3, FIRST_BLOCK));
    assert_eq!((tail.next_position, again), (16, seen));
    let (mut writer, _) = Writer::open(&storage).unwrap();
    writer.append(&deposits(9, 2));
    assert_eq!(read(&storage).unwrap().len(), 18);
}

#[test]
fn a_segment_that_is_short_of_its_header_is_damage() {
    let storage = rolled();
    let bytes = bytes_of(&storage, SECOND_SEGMENT);
    for length in [0, 1, 8, 127, 128, 4095] {
        put_file(&storage, SECOND_SEGMENT, &bytes[..length]);
        let before = dump(&storage);
        let (file, _) = damage(recover(&storage));
        assert_eq!(file, storage.describe(SECOND_SEGMENT), "{length}");
        assert_eq!(dump(&storage), before);
    }
}

#[test]
fn c2_a_segment_from_elsewhere_is_damage() {
    let storage = rolled();
    let first = bytes_of(&storage, FIRST_SEGMENT);
    let second = bytes_of(&storage, SECOND_SEGMENT);
    // Store, shard, number, first position, and the checksum before.
    for at in [40, 56, 64, 72, 80] {
        for (name, bytes) in [(FIRST_SEGMENT, &first), (SECOND_SEGMENT, &second)] {
            let copy = storage.copy();
            let mut other = bytes.clone();
            other[at] ^= 1;
            seal_header(&mut other);
            put_file(&copy, name, &other);
            let (file, _) = damage(recover(&copy));
            assert_eq!(file, copy.describe(name), "byte {at}");
        }
    }
    let copy = storage.copy();
    put_file(&copy, SECOND_SEGMENT, &first);
    damage(recover(&copy));
}

#[test]
fn reserved_bytes_of_a_segments_header_are_refused() {
    let storage = rolled();
    // The kind, and what has no meaning yet.
    for at in (60..64).chain(84..124) {
        let mut other = bytes_of(&storage, SECOND_SEGMENT);
        other[at] = 1;
        seal_header(&mut other);
        let copy = storage.copy();
        put_file(&copy, SECOND_SEGMENT, &other);
        assert_eq!(damage(read(&copy)), (copy.describe(SECOND_SEGMENT), 60));
    }
}

#[test]
fn c2_an_earlier_segment_must_end_where_the_next_begins() {
    let storage = rolled();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    for length in (FIRST_BLOCK as usize..whole.len()).step_by(64) {
        let copy = storage.copy();
        put_file(&copy, FIRST_SEGMENT, &whole[..length]);
        let before = dump(&copy);
        damage(recover(&copy));
        damage(read(&copy));
        assert_eq!(dump(&copy), before, "{length}");
    }
    // Zeros are room that was taken ahead, anything else is not.
    let copy = storage.copy();
    let file = copy.open(FIRST_SEGMENT, Open::Write).unwrap();
    file.set_len(whole.len() as u64 + 9000).unwrap();
    assert_eq!(read(&copy).unwrap().len(), 16);
    let copy = flipped(&copy, FIRST_SEGMENT, whole.len() + 8000, 1);
    let place = whole.len() as u64;
    assert_eq!(damage(read(&copy)), (copy.describe(FIRST_SEGMENT), place));
}

#[test]
fn s11_a_segment_of_a_newer_format_is_refused_and_nothing_is_touched() {
    let storage = rolled();
    let (mut writer, _) = Writer::open(&storage).unwrap();
    // A torn end that a recovery would cut off.
    let torn = writer.append(&deposits(9, 4)).place + 100;
    let file = storage.open(SECOND_SEGMENT, Open::Write).unwrap();
    file.set_len(torn).unwrap();
    for name in [FIRST_SEGMENT, SECOND_SEGMENT] {
        for at in [8, 16, 23] {
            let copy = storage.copy();
            let mut newer = bytes_of(&copy, name);
            newer[at] |= 4;
            seal_header(&mut newer);
            put_file(&copy, name, &newer);
            let before = dump(&copy);
            let error = recover(&copy).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NewerFormat, "{name} {at}");
            let error = read(&copy).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NewerFormat, "{name} {at}");
            assert_eq!(dump(&copy), before);
        }
    }
}

/// Only the manifest's word `write` was looked at, so a tail that a newer version had set
/// aside was cut and written to.
#[test]
fn s11_a_tail_that_must_not_be_written_is_read_and_left_alone() {
    let storage = rolled();
    let mut bytes = bytes_of(&storage, SECOND_SEGMENT);
    bytes[24] = 1;
    seal_header(&mut bytes);
    bytes.extend_from_slice(b"a torn write");
    put_file(&storage, SECOND_SEGMENT, &bytes);
    let before = dump(&storage);
    assert_eq!(
        recover(&storage).unwrap_err().kind(),
        ErrorKind::NewerFormat
    );
    assert_eq!(dump(&storage), before);
    assert_eq!(read(&storage).unwrap().len(), 16);
}

/// The disk may be found full in a sync as well. That is a failed sync all the same: it must
/// not be tried again, as an append to a full disk is.
#[test]
fn a_failed_sync_is_never_a_full_disk() {
    let disk = crate::disk::Disk::default();
    let mut writer = Writer::new(&disk);
    writer.append(&deposits(1, 1));
    disk.fail_next_sync(std::io::ErrorKind::StorageFull);
    assert_eq!(writer.try_sync().unwrap_err().kind(), ErrorKind::Io);
    writer.append(&deposits(2, 1));
    disk.fail_next_sync(std::io::ErrorKind::StorageFull);
    assert_eq!(writer.try_roll().unwrap_err().kind(), ErrorKind::Io);
}

/// Of blocks that are written together those are in the file that came before the one that there
/// was no room for. Written one by one they must find that room: what was ahead of them was once
/// given back with it, and others took it.
#[test]
fn f2_blocks_that_did_not_fit_together_keep_their_room_one_by_one() {
    let disk = crate::disk::Disk::default();
    make_store(&disk);
    let mut writer = SegmentWriter::open(shard_on(disk.clone()), &Tail::empty()).unwrap();
    writer = writer.with_runway();
    let new = NewSegment {
        number: 1,
        first_position: 0,
        previous_checksum: 0,
    };
    writer.roll(&new).unwrap();
    let blocks: [&[u8]; 3] = [&[1; 500], &[2; 500], &[3; 500]];
    disk.set_room(1_200);
    let error = writer.append(1, FIRST_BLOCK, &blocks).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);

    writer.append(1, FIRST_BLOCK, &blocks[..1]).unwrap();
    // Whatever is free is taken by somebody else.
    disk.set_room(0);
    writer.append(1, FIRST_BLOCK + 500, &blocks[1..2]).unwrap();
    let error = writer.append(1, FIRST_BLOCK + 1_000, &blocks[2..]);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::StorageFull);
    let file = disk.open(FIRST_SEGMENT, Open::Read).unwrap();
    assert_eq!(file.len().unwrap(), FIRST_BLOCK + 1_000);
}
