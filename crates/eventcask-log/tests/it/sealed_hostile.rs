//! Sealed segments that someone made up, with checksums that are right.

use eventcask_event::EventId;
use eventcask_log::{Codec, Error, ErrorKind, Fate, MemoryStorage};

use crate::sealed::{mark, mixed};
use crate::support::{
    FIRST_SEGMENT, Seen, Writer, bytes_of, find_id, problems_of, put_file, read, reader_of,
    recover, row, seal_header, seal_with, shard_on,
};

const TABLES: usize = 256;

/// A store with a small sealed segment and a tail.
fn store() -> MemoryStorage {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for block in 0..3 {
        let mut rows = mixed(block, 12);
        rows.push(row("account-3", "$truncated", 1u64.to_le_bytes()));
        writer.marks = vec![mark("a", block), mark("b", block)];
        writer.append(&rows);
    }
    writer.roll();
    writer.append(&mixed(9, 5));
    writer.sync();
    let dir = shard_on(storage.clone());
    seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept).unwrap();
    storage
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn put_u64(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// Puts the checksums of a sealed header right.
pub(crate) fn seal_page(bytes: &mut [u8]) {
    let checksum = eventcask_log::checksum(&bytes[128..4092]);
    bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
    seal_header(bytes);
}

/// Where a table is, as far as it is in the file: its entry, its kind, its bytes.
fn tables(bytes: &[u8]) -> Vec<(usize, u32, std::ops::Range<usize>)> {
    let count = (u32_at(bytes, 232) as usize).min(64);
    let entries = (0..count).map(|index| TABLES + 32 * index);
    let place = |at: usize| {
        let start = usize::try_from(u64_at(bytes, at + 8)).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(bytes, at + 16)).ok()?)?;
        (start >= 4096 && end <= bytes.len()).then(|| (at, u32_at(bytes, at), start..end))
    };
    entries.filter_map(place).collect()
}

/// Puts the checksums of pages, tables and the header right.
fn seal_all(bytes: &mut [u8]) {
    let all = tables(bytes);
    for (_, kind, place) in &all {
        let pages_of = match kind {
            5 => 6,
            8 => 12,
            _ => continue,
        };
        if let Some((_, _, pages)) = all.iter().find(|(_, kind, _)| *kind == pages_of) {
            seal_directory(bytes, place, pages);
        }
    }
    for (entry, kind, place) in all {
        let checksum = if kind == 6 || kind == 12 {
            0
        } else {
            eventcask_log::checksum(&bytes[place])
        };
        bytes[entry + 4..entry + 8].copy_from_slice(&checksum.to_le_bytes());
    }
    seal_page(bytes);
}

fn seal_directory(
    bytes: &mut [u8],
    directory: &std::ops::Range<usize>,
    pages: &std::ops::Range<usize>,
) {
    let mut start = 0;
    for page in 0..directory.len() / 8 {
        let at = directory.start + page * 8;
        let end = u32_at(bytes, at) as usize;
        if let Some(page) = bytes[pages.clone()].get(start..end) {
            let checksum = eventcask_log::checksum(page);
            bytes[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
        }
        start = end;
    }
}

fn is_fine<T>(result: Result<T, Error>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            let told = matches!(
                error.kind(),
                ErrorKind::Damaged | ErrorKind::NewerFormat | ErrorKind::OlderFormat
            );
            assert!(told, "{error}");
            false
        }
    }
}

/// Does with a store all that can be done with it; says whether it was opened.
fn use_it(whole: &MemoryStorage, bytes: &[u8], seen: &[Seen]) -> bool {
    let storage = whole.copy();
    put_file(&storage, FIRST_SEGMENT, bytes);
    problems_of(&storage);
    is_fine(read(&storage));
    let dir = shard_on(storage.clone());
    let Ok(recovery) = dir.recover(&mut |_, _| Ok(())) else {
        is_fine(dir.repair());
        return false;
    };
    for segment in &recovery.ended {
        // Each table is asked before a damaged one makes all answers come from the blocks.
        for question in 0..5 {
            let reader = reader_of(&dir);
            let segment = dir.sealed_segment(segment.number()).unwrap();
            match question {
                0 => is_fine(reader.marks(&segment)),
                1 => is_fine(reader.truncations(&segment)),
                2 => [0, 20, 38, 39, u64::MAX]
                    .into_iter()
                    .all(|position| is_fine(reader.place_from(&segment, position))),
                3 => seen
                    .iter()
                    .take(6)
                    .all(|one| is_fine(reader.find_key(&segment, &one.aggregate))),
                _ => (0..6)
                    .chain(seen.iter().take(6).map(|one| one.id.as_u128()))
                    .all(|id| is_fine(find_id(&reader, &segment, EventId::from_u128(id)))),
            };
            assert!(segment.blocks() < u64::MAX);
        }
    }
    is_fine(seal_with(&dir, 1, Codec::None, &|_, _| Fate::Kept));
    is_fine(dir.repair());
    true
}

/// Places of the numbers of a sealed header.
fn fields(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut fields = vec![(72, 8), (136, 4), (140, 4), (232, 4)];
    fields.push((128, 8));
    fields.extend((144..232).step_by(8).map(|at| (at, 8)));
    for (entry, ..) in tables(bytes) {
        fields.extend([(entry, 4), (entry + 4, 4), (entry + 8, 8), (entry + 16, 8)]);
    }
    fields
}

#[test]
fn s1_every_number_of_a_sealed_header_at_its_extremes_never_panics() {
    let storage = store();
    let seen = read(&storage).unwrap();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let mut opened = 0;
    let fields = fields(&whole);
    for (at, width) in &fields {
        let old = match width {
            4 => u64::from(u32_at(&whole, *at)),
            _ => u64_at(&whole, *at),
        };
        let near = [old.wrapping_sub(1), old + 1, old + 64, old.wrapping_sub(64)];
        let far = [
            0,
            1,
            63,
            64,
            65,
            4096,
            1 << 31,
            u64::MAX >> 1,
            1 << 63,
            u64::MAX - 63,
            u64::MAX,
        ];
        for value in near.into_iter().chain(far) {
            for seals_tables in [false, true] {
                let mut bytes = whole.clone();
                bytes[*at..at + width].copy_from_slice(&value.to_le_bytes()[..*width]);
                match seals_tables {
                    true => seal_all(&mut bytes),
                    false => seal_page(&mut bytes),
                }
                opened += usize::from(use_it(&storage, &bytes, &seen));
            }
        }
    }
    assert!(opened > 20 && opened < fields.len() * 30, "{opened}");
}

/// Some checks are about the sum of two fields: both are changed together.
#[test]
fn s1_numbers_of_a_sealed_header_that_go_together_never_panic() {
    let storage = store();
    let seen = read(&storage).unwrap();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let last = tables(&whole).last().unwrap().0;
    let near = u64::MAX - 63;
    let changes: &[&[(usize, u64)]] = &[
        // Next position, events, events with version 1, taken out, damaged.
        &[(128, u64::MAX), (144, u64::MAX)],
        &[(128, u64::MAX), (216, u64::MAX - 39)],
        &[(128, u64::MAX), (144, 0), (208, 0), (224, u64::MAX)],
        &[(128, 1), (144, 1), (208, 1)],
        &[(128, 0), (144, 0), (208, 0)],
        &[(144, 0), (208, 0), (216, 39)],
        &[(72, 39), (128, 39), (144, 0), (208, 0)],
        &[(72, u64::MAX), (128, u64::MAX), (144, 0), (208, 0)],
        // Where the blocks end, the length, the last table.
        &[(192, u64::MAX), (last + 8, near)],
        &[(192, u64::MAX), (last + 8, near), (last + 16, u64::MAX)],
        &[(192, u64::MAX), (last + 16, u64::MAX)],
        &[(184, u64::MAX), (192, u64::MAX), (200, u64::MAX), (232, 0)],
        &[(184, u64::MAX), (192, u64::MAX), (232, 0)],
        &[(200, u64::MAX), (192, u64::MAX)],
        &[(140, 0xffff_ffff)],
    ];
    for change in changes {
        for seals_tables in [false, true] {
            let mut bytes = whole.clone();
            for (at, value) in *change {
                match at {
                    140 | 232 => bytes[*at..at + 4].copy_from_slice(&value.to_le_bytes()[..4]),
                    _ => put_u64(&mut bytes, *at, *value),
                }
            }
            match seals_tables {
                true => seal_all(&mut bytes),
                false => seal_page(&mut bytes),
            }
            use_it(&storage, &bytes, &seen);
        }
    }
}

/// Tables with right checksums that say anything: the truth is in the blocks, so what is found is
/// that or an error, and room is made only for what is there.
#[test]
fn s1_changed_tables_with_right_checksums_never_panic() {
    let storage = store();
    let seen = read(&storage).unwrap();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let all = tables(&whole);
    let seed = 31;
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..6_000 {
        let mut bytes = whole.clone();
        let place = &all[round % all.len()].2;
        for _ in 0..random.usize(1..4) {
            let at = random.usize(place.clone());
            match random.u8(..3) {
                0 => bytes[at] = *random.choice(&[0, 1, 0x7f, 0x80, 0xff]).unwrap(),
                1 => bytes[at] ^= 1 << random.u8(..8),
                // Numbers that go on and on, and lengths of four thousand millions.
                _ => {
                    let end = place.end.min(at + random.usize(1..12));
                    bytes[at..end].fill(0xff);
                }
            }
        }
        seal_all(&mut bytes);
        let used = allocation_counter::measure(|| {
            use_it(&storage, &bytes, &seen);
        });
        assert!(used.bytes_max < 24 << 20, "seed {seed}: {}", used.bytes_max);
    }
}

#[test]
fn s1_a_table_that_is_not_a_whole_number_of_entries_never_panics() {
    let storage = store();
    let seen = read(&storage).unwrap();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    for (entry, _, place) in tables(&whole) {
        for length in (0..place.len()).chain([place.len() + 1, place.len() + 60]) {
            let mut bytes = whole.clone();
            put_u64(&mut bytes, entry + 16, length as u64);
            seal_all(&mut bytes);
            use_it(&storage, &bytes, &seen);
        }
    }
}

/// The length of a block came from the table of blocks, and room was made for it: up to 4 GiB.
#[test]
fn s2_a_table_of_blocks_makes_no_room_for_a_block_that_is_not_there() {
    let storage = store();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let (_, kind, place) = tables(&whole)[0].clone();
    assert_eq!(kind, 1);
    for length in [u32::MAX, 1 << 31, 65 << 20, 64 << 20, 1 << 20] {
        let mut bytes = whole.clone();
        bytes[place.start + 8..place.start + 12].copy_from_slice(&length.to_le_bytes());
        seal_all(&mut bytes);
        let copy = storage.copy();
        put_file(&copy, FIRST_SEGMENT, &bytes);
        let used = allocation_counter::measure(|| {
            // The blocks say where they are, so that is the answer all the same.
            assert_eq!(read(&copy).unwrap().len(), 44);
        });
        assert!(used.bytes_max < 4 << 20, "{length}: {}", used.bytes_max);
    }
}

/// Tables that lie in each other, or in the blocks, are refused with the header.
#[test]
fn s1_tables_in_each_others_places_are_refused() {
    let storage = store();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let all = tables(&whole);
    for (index, (entry, _, place)) in all.iter().enumerate().skip(1) {
        for start in [
            all[index - 1].2.start as u64,
            4096,
            0,
            place.start as u64 + 1,
        ] {
            let mut bytes = whole.clone();
            put_u64(&mut bytes, entry + 8, start);
            seal_all(&mut bytes);
            let copy = storage.copy();
            put_file(&copy, FIRST_SEGMENT, &bytes);
            assert_eq!(recover(&copy).unwrap_err().kind(), ErrorKind::Damaged);
        }
    }
}

/// Positions beyond the end that the header gives made the count of what is left go below zero.
#[test]
fn s1_blocks_with_positions_beyond_the_header_are_damage() {
    let storage = store();
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    put_u64(&mut bytes, 128, 20);
    put_u64(&mut bytes, 144, 20);
    put_u64(&mut bytes, 208, 0);
    seal_page(&mut bytes);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let problems = problems_of(&storage);
    assert_eq!(
        problems[0].reason,
        "a block goes beyond what the segment's header says"
    );
}

/// Whole pages of noise behind a good first part, with all checksums right.
#[test]
fn s1_random_sealed_headers_never_panic() {
    let storage = store();
    let seen = read(&storage).unwrap();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let seed = 32;
    let mut random = fastrand::Rng::with_seed(seed);
    let places = fields(&whole);
    for round in 0..6_000 {
        let mut bytes = whole.clone();
        if round % 4 == 0 {
            let from = [128, 236, TABLES][random.usize(..3)];
            let end = random.usize(from..600);
            bytes[from..end].fill_with(|| random.u8(..));
        }
        for _ in 0..random.usize(1..4) {
            let (at, width) = places[random.usize(..places.len())];
            let value = match random.u8(..4) {
                0 => random.u64(..),
                1 => random.u64(..64),
                2 => random.u64(..whole.len() as u64 + 9) & !63,
                _ => u64::MAX - random.u64(..200),
            };
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        seal_all(&mut bytes);
        use_it(&storage, &bytes, &seen);
    }
}

/// Ids that a reader can not look up would be taken for new ones. So it was with their pages of the
/// older layout, number 9, which this program passes over.
#[test]
fn s1_a_table_that_lacks_a_part_is_refused_with_the_header() {
    let storage = store();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let parts = tables(&whole).into_iter();
    let parts: Vec<_> = parts
        .filter(|(_, kind, _)| matches!(kind, 4..=8 | 12))
        .collect();
    assert_eq!(parts.len(), 6);
    for (entry, kind, _) in parts {
        let mut bytes = whole.clone();
        bytes[entry..entry + 4].copy_from_slice(&9u32.to_le_bytes());
        seal_all(&mut bytes);
        let copy = storage.copy();
        put_file(&copy, FIRST_SEGMENT, &bytes);
        assert_eq!(
            recover(&copy).unwrap_err().kind(),
            ErrorKind::Damaged,
            "{kind}"
        );
        assert_eq!(shard_on(copy.clone()).repair().unwrap().len(), 1);
        assert_eq!(problems_of(&copy), []);
    }
}

/// With the digest of another event, and right checksums, a repeat would cost a look at its
/// original.
#[test]
fn c6_a_digest_that_is_not_its_events_is_named_and_mended() {
    let storage = store();
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    let pages = tables(&bytes).into_iter().find(|(_, kind, _)| *kind == 12);
    let place = pages.unwrap().2.start;
    bytes[place + 16] ^= 1;
    seal_all(&mut bytes);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let problems = problems_of(&storage);
    let found: Vec<_> = problems.iter().map(|one| one.place as usize).collect();
    // Its directory has the checksum of the page.
    assert_eq!(found.last(), Some(&place), "{problems:?}");
    shard_on(storage.clone()).repair().unwrap();
    assert_eq!(problems_of(&storage), []);
}
