//! Each rule about a block, broken by itself, with checksums that are right.

use std::sync::Arc;

use eventcask_log::{
    BlockPlace, BlockReader, ErrorKind, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_SECTION_BYTES,
    MemoryStorage, Payloads, SourceMark,
};

use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, Writer, bytes_of, deposits, put_file, read, recover, seal_head,
    shard_on,
};

/// Two blocks, the second one with ids, two types and two source marks.
fn two_blocks() -> (MemoryStorage, usize) {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    let mut rows = deposits(2, 6);
    rows[1].event_type = "Withdrawn".to_owned();
    rows[2].id = Some(7);
    let mark = |source: &str| SourceMark {
        source: source.to_owned(),
        next: 1,
        check: 0,
    };
    writer.marks = vec![mark("a"), mark("b.csv")];
    let second = writer.append(&rows).place as usize;
    (storage, second)
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The sections of the second block: types, keys, a group of rows and its ids, then the payloads of
/// two types.
const KEYS: usize = 1;
const GROUP: usize = 2;
const IDS: usize = 3;
const FIRST_PAYLOADS: usize = 4;
const LAST: usize = 5;
const SECTIONS: usize = 6;

/// Where the entry of a section is in a block; behind the last one are the source marks.
fn entry(section: usize) -> usize {
    128 + 24 * section
}

/// Puts the checksum of a section right.
fn seal_section(block: &mut [u8], section: usize) {
    let start = number(block, entry(section) + 16) as usize;
    let end = start + number(block, entry(section) + 4) as usize;
    let checksum = eventcask_log::checksum(&block[start..end]);
    put(block, entry(section) + 12, checksum);
}

/// Breaks a rule in the second block: it must not be a block then, for this reason.
fn refuses(reason: &str, change: impl Fn(&mut Vec<u8>)) {
    refuses_if(true, reason, change);
}

/// Changes the second block, which is a block then or not.
fn refuses_if(is_refused: bool, reason: &str, change: impl Fn(&mut Vec<u8>)) {
    let (storage, second) = two_blocks();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let mut block = whole[second..].to_vec();
    change(&mut block);
    seal_head(&mut block);
    put_file(
        &storage,
        FIRST_SEGMENT,
        &[&whole[..second], &block].concat(),
    );
    let mut problems = Vec::new();
    let dir = shard_on(storage.clone());
    let verified = dir.verify(&|| false, &mut problems, &mut |_, _, _| Ok(()));
    // A block that goes on beyond the end of the file is a write that was not finished.
    problems.extend(verified.unwrap().unfinished);
    if !is_refused {
        assert_eq!((problems, read(&storage).unwrap().len()), (vec![], 9));
        return;
    }
    assert_eq!(problems.len(), 1, "{reason}");
    assert_eq!(problems[0].reason, reason);
    assert_eq!(problems[0].place, second as u64);
    assert_eq!(read(&storage).unwrap().len(), 3, "{reason}");
}

#[test]
fn c2_a_block_says_whose_it_is_where_it_stands_and_what_it_follows() {
    let elsewhere = "a block belongs to another store or shard";
    let place = "a block belongs to another place";
    let chain = "a block does not follow the one before it";
    for (at, reason) in [
        (24, elsewhere),
        (39, elsewhere),
        (40, elsewhere),
        (48, place),
        (56, place),
        (64, chain),
        (104, chain),
    ] {
        refuses(reason, |block| block[at] ^= 0x40);
    }
}

/// The write of the second block was lost, and what another life of the store had left there
/// is a block of the same place, with the same positions. Only the chain tells.
#[test]
fn c7_a_lost_write_over_an_older_block_is_found() {
    let write = |seed| {
        let storage = MemoryStorage::default();
        let mut writer = Writer::new(&storage);
        writer.append(&[crate::support::row("a", "A", format!("{seed}"))]);
        let second = writer.append(&deposits(3, 3)).place as usize;
        writer.close();
        (storage, second)
    };
    let (storage, second) = write(1);
    let (older, same_place) = write(2);
    assert_eq!(second, same_place);
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    let close = bytes.len() - 128;
    bytes[second..close].copy_from_slice(&bytes_of(&older, FIRST_SEGMENT)[second..close]);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let error = recover(&storage).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let reason = "a block does not follow the one before it";
    assert_eq!(error.into_problem().unwrap().reason, reason);
}

#[test]
fn s2_lengths_beyond_their_limits_are_refused() {
    let impossible = "a block's lengths are impossible";
    refuses(impossible, |block| put(block, 8, 127));
    refuses(impossible, |block| {
        put(block, 8, (512 << 10) + 1);
        put(block, 16, 1 << 20);
    });
    refuses(impossible, |block| put(block, 16, MAX_BLOCK_BYTES + 64));
    refuses(impossible, |block| put(block, 16, 0));
    refuses(impossible, |block| {
        let length = number(block, 16);
        put(block, 16, length - 1);
    });
    refuses(impossible, |block| {
        let head = number(block, 8);
        put(block, 16, head / 64 * 64);
    });
    let rows = "a block's rows or positions are impossible";
    refuses(rows, |block| put(block, 44, MAX_BLOCK_ROWS + 1));
    refuses("a block is cut short", |block| {
        put(block, 16, MAX_BLOCK_BYTES);
    });
}

#[test]
fn s2_sections_that_do_not_fit_are_refused() {
    let wrong = "a section does not fit into its block";
    refuses(wrong, |block| {
        let first = number(block, entry(0) + 16);
        put(block, entry(KEYS) + 16, first);
        seal_section(block, KEYS);
    });
    refuses(wrong, |block| put(block, entry(0) + 16, 0));
    refuses(wrong, |block| {
        let start = number(block, entry(LAST) + 16);
        put(block, entry(LAST) + 16, start + 8);
        seal_section(block, LAST);
    });
    refuses(wrong, |block| {
        let length = number(block, 16);
        put(block, entry(LAST) + 16, length);
    });
    refuses(wrong, |block| put(block, entry(LAST) + 4, u32::MAX));
    refuses(wrong, |block| {
        block[entry(LAST) + 1] = 2;
        put(block, entry(LAST) + 8, MAX_SECTION_BYTES + 1);
    });
    refuses(wrong, |block| {
        let raw = number(block, entry(LAST) + 8);
        put(block, entry(LAST) + 8, raw + 1);
    });
    refuses("a block's section table is longer than its head", |block| {
        put(block, 108, 0xffff);
    });
}

/// Says of four sections that they unpack to so much that all unpack to 64 MiB, and `more`.
fn unpack_to_the_limit(block: &mut [u8], more: u32) {
    let payloads = number(block, entry(FIRST_PAYLOADS) + 8) + number(block, entry(LAST) + 8);
    for section in 0..FIRST_PAYLOADS {
        block[entry(section) + 1] = 2;
        put(block, entry(section) + 8, MAX_SECTION_BYTES);
    }
    put(block, entry(IDS) + 8, MAX_SECTION_BYTES - payloads + more);
}

#[test]
fn s2_sections_that_unpack_to_more_than_a_block_may_are_refused() {
    let refused = "a block's sections are too large together";
    refuses(refused, |block| unpack_to_the_limit(block, 1));
    let not_refused = "a block's sections are not those of a block with events";
    is_damage(not_refused, |block| unpack_to_the_limit(block, 0));
}

#[test]
fn reserved_parts_of_a_block_are_refused() {
    let reserved = "a block's head uses reserved bytes";
    for at in [20, 21, 23, 124, 127] {
        refuses(reserved, |block| block[at] |= 2);
    }
    let unknown = "a section is of a kind that this program does not know";
    refuses(unknown, |block| block[entry(LAST)] = 8);
    refuses(unknown, |block| block[entry(LAST)] = 0);
    refuses(unknown, |block| block[entry(LAST) + 20] = 2);
    refuses(unknown, |block| block[entry(LAST) + 23] = 1);
    let zeros = "the bytes between the sections of a block are not zero";
    refuses(zeros, |block| *block.last_mut().unwrap() = 1);
}

#[test]
fn groups_have_a_power_of_two_of_rows_from_64_to_65536() {
    let impossible = "a block's groups are impossible";
    for rows in [0, 1, 32, 63, 65, 96, 257, 1 << 17, 1 << 31, u32::MAX] {
        refuses(impossible, |block| put(block, 120, rows));
    }
    for power in 6..=16 {
        refuses_if(false, impossible, |block| put(block, 120, 1 << power));
    }
    // A block without events has none.
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    let close = writer.close().place as usize;
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    put(&mut bytes[close..], 120, 256);
    seal_head(&mut bytes[close..]);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let problem = recover(&storage).unwrap().0.cut.unwrap();
    assert_eq!(problem.place, close as u64);
    assert!(problem.reason.contains(impossible), "{}", problem.reason);
}

#[test]
fn source_marks_that_do_not_fill_their_place_are_refused() {
    let malformed = "the source marks of a block are malformed";
    refuses(malformed, |block| block[110] = 1);
    refuses(malformed, |block| block[110] = 3);
    refuses(malformed, |block| {
        // Seventeen marks would fill the head.
        let end = entry(SECTIONS) + 17 * 19;
        block[entry(SECTIONS)..end].fill(b'a');
        for mark in 0..17 {
            let name = entry(SECTIONS) + mark * 19 + 16;
            block[name..name + 2].copy_from_slice(&[1, 0]);
        }
        put(block, 8, end as u32);
        block[110] = 17;
    });
    refuses(malformed, |block| block[entry(SECTIONS) + 16] = 2);
    refuses(malformed, |block| block[entry(SECTIONS) + 17] = 0xff);
    refuses(malformed, |block| block[entry(SECTIONS) + 18] = 0xff);
}

/// A name of a source has 1 to 1,024 bytes; readers took any.
#[test]
fn s2_source_marks_without_a_name_or_with_too_long_a_one_are_refused() {
    for (length, is_good) in [(0, false), (1, true), (1024, true), (1025, false)] {
        refuses_if(
            !is_good,
            "the source marks of a block are malformed",
            |block| {
                // A head that holds one mark only; the sections behind it move on.
                let head = number(block, 8) as usize;
                let sections = number(block, entry(0) + 16) as usize;
                let mut mark = vec![0; 16];
                mark.extend_from_slice(&(length as u16).to_le_bytes());
                mark.resize(18 + length, b'a');
                let end = entry(SECTIONS) + mark.len();
                let moved = end.next_multiple_of(16);
                mark.resize(moved - entry(SECTIONS), 0);
                block.splice(entry(SECTIONS)..sections, mark);
                for section in 0..SECTIONS {
                    let start = number(block, entry(section) + 16) as usize;
                    put(
                        block,
                        entry(section) + 16,
                        (start + moved - sections) as u32,
                    );
                }
                let last = number(block, entry(LAST) + 16) + number(block, entry(LAST) + 4);
                block.truncate(last as usize);
                block.resize(block.len().next_multiple_of(64), 0);
                let whole = block.len() as u32;
                put(block, 16, whole);
                put(block, 8, end as u32);
                block[110] = 1;
                assert!(head > entry(SECTIONS));
            },
        );
    }
}

/// A section could start at any later multiple of 16, so the same events had many forms.
#[test]
fn a_section_that_does_not_start_at_the_first_border_is_refused() {
    refuses("a section does not fit into its block", |block| {
        let start = number(block, entry(LAST) + 16);
        let length = number(block, entry(LAST) + 4);
        let payload = block[start as usize..(start + length) as usize].to_vec();
        block.extend_from_slice(&[0; 64]);
        block[start as usize..(start + length) as usize].fill(0);
        let moved = (start + 16) as usize;
        block[moved..moved + payload.len()].copy_from_slice(&payload);
        put(block, entry(LAST) + 16, start + 16);
        let whole = block.len() as u32;
        put(block, 16, whole);
    });
}

/// The mark of a clean close was believed on a block with events.
#[test]
fn c3_a_block_with_events_ends_no_clean_close() {
    let reason = "a block with events says that it ends a clean close";
    refuses(reason, |block| block[20] = 1);
}

/// Changes a block whose checksums are right then: opening says that it is damaged.
fn is_damage(reason: &str, change: impl Fn(&mut Vec<u8>)) {
    let (storage, second) = two_blocks();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let mut block = whole[second..].to_vec();
    change(&mut block);
    seal_head(&mut block);
    put_file(
        &storage,
        FIRST_SEGMENT,
        &[&whole[..second], &block].concat(),
    );
    let problem = read(&storage).unwrap_err().into_problem().unwrap();
    assert_eq!(
        (problem.reason.as_str(), problem.place),
        (reason, second as u64)
    );
}

#[test]
fn s4_sections_in_another_order_are_damage() {
    let wrong = "a block's sections are not those of a block with events";
    for (section, kind) in [
        (0, 2),
        (KEYS, 1),
        (KEYS, 3),
        (GROUP, 4),
        (GROUP, 5),
        (IDS, 3),
        (FIRST_PAYLOADS, 4),
        (LAST, 1),
        (LAST, 3),
        (LAST, 4),
    ] {
        is_damage(wrong, |block| block[entry(section)] = kind);
    }
    // Payloads are those of each type in order, and nothing else is of a type.
    for (section, event_type) in [(FIRST_PAYLOADS, 1), (LAST, 2)] {
        is_damage(wrong, |block| block[entry(section) + 2] = event_type);
    }
    for section in [0, KEYS, GROUP, IDS] {
        is_damage(wrong, |block| block[entry(section) + 2] = 1);
    }
    // Ids that say they are payloads are more than the rows have.
    let more = "the payloads do not fill the sections of their types";
    is_damage(more, |block| block[entry(IDS)] = 5);
    let few = "the columns of the block have different lengths";
    is_damage(few, |block| block[entry(LAST) + 2] = 0);
}

#[test]
fn ids_that_are_compressed_or_not_one_a_row_are_damage() {
    let wrong = "a block's sections are not those of a block with events";
    is_damage(wrong, |block| block[entry(IDS) + 1] = 1);
    is_damage(wrong, |block| {
        let bytes = number(block, entry(IDS) + 4) - 16;
        let start = number(block, entry(IDS) + 16) as usize;
        put(block, entry(IDS) + 4, bytes);
        put(block, entry(IDS) + 8, bytes);
        // So that the sections behind it stand where they should.
        let rest = number(block, entry(FIRST_PAYLOADS) + 16) as usize;
        let end = start + bytes as usize;
        block.copy_within(rest.., end);
        let length = block.len();
        block[length - 16..].fill(0);
        for section in [FIRST_PAYLOADS, LAST] {
            let moved = number(block, entry(section) + 16) - 16;
            put(block, entry(section) + 16, moved);
        }
        seal_section(block, IDS);
    });
}

#[test]
fn s3_a_section_that_unpacks_to_less_than_it_says_is_damage() {
    let wrong = "a section does not decompress to its length";
    for codec in [1, 2] {
        is_damage(wrong, |block| {
            let start = number(block, entry(LAST) + 16) as usize;
            let raw = number(block, entry(LAST) + 8);
            let room = block.len() - start;
            let stored = match codec {
                1 => lz4_flex::block::compress(&[0; 3]),
                _ => zstd::bulk::compress(&[0; 3], 1).unwrap(),
            };
            assert!(stored.len() < room && raw > 3);
            block[start..].fill(0);
            block[start..start + stored.len()].copy_from_slice(&stored);
            block[entry(LAST) + 1] = codec;
            put(block, entry(LAST) + 4, stored.len() as u32);
            seal_section(block, LAST);
        });
    }
    let unknown = "a section is compressed in a way that this program does not know";
    is_damage(unknown, |block| block[entry(LAST) + 1] = 3);
}

#[test]
fn another_block_in_the_place_that_is_asked_for_is_damage() {
    let (storage, second) = two_blocks();
    let dir = shard_on(storage);
    let mut places: Vec<BlockPlace> = Vec::new();
    dir.recover(&mut |_, at| {
        places.push(*at);
        Ok(())
    })
    .unwrap();
    let reader = BlockReader::new(dir, eventcask_log::Caches::default());
    let at = places[1];
    assert_eq!(at.place, second as u64);
    let block = reader.get(&at, Payloads::All).unwrap();
    assert!(Arc::ptr_eq(
        &block,
        &reader.get(&at, Payloads::All).unwrap()
    ));
    let others = [
        BlockPlace { rows: 5, ..at },
        BlockPlace {
            first_position: 4,
            ..at
        },
        BlockPlace {
            place: FIRST_BLOCK,
            ..at
        },
        BlockPlace {
            place: at.place + 64,
            ..at
        },
        BlockPlace {
            place: u64::MAX - 64,
            ..at
        },
        BlockPlace {
            length: at.length - 64,
            ..at
        },
        BlockPlace { length: 0, ..at },
    ];
    for other in others {
        let read = reader.read(&other, Payloads::All);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Damaged, "{other:?}");
    }
}
