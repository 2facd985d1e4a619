//! Bytes that someone made up, with checksums that are right.

use std::sync::Arc;

use eventcask_log::{
    Block, Codec, Error, ErrorKind, Framed, MAX_BLOCK_BYTES, MAX_SECTION_BYTES, Manifest,
    MemoryStorage, Payloads, Storage,
};

use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, Seen, Writer, bytes_of, damage, deposits, put_file, read, recover,
    seal_head, seal_header, shard_on,
};

const BLOCK: usize = FIRST_BLOCK as usize;

/// A segment with one block, and nothing after it.
fn segment(codec: Codec) -> Vec<u8> {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.codec = codec;
    let mut rows = deposits(1, 40);
    rows[2].event_type = "Withdrawn".to_owned();
    rows[3].id = Some(7);
    rows[4].time = Some(-7);
    writer.append(&rows);
    bytes_of(&storage, FIRST_SEGMENT)
}

/// A store whose only segment has these bytes.
fn store_of(segment: &[u8]) -> MemoryStorage {
    let storage = MemoryStorage::default();
    crate::support::make_store(&storage);
    put_file(&storage, FIRST_SEGMENT, segment);
    storage
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn put_number(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// Where the entries of the section table are in a segment.
fn entries(segment: &[u8]) -> Vec<usize> {
    let count = usize::from(segment[BLOCK + 108]);
    (0..count).map(|index| BLOCK + 128 + 24 * index).collect()
}

/// Puts the checksums of all sections, then that of the head right.
fn seal_block(segment: &mut [u8]) {
    for entry in entries(segment) {
        let start = BLOCK + number(segment, entry + 16) as usize;
        let end = start + number(segment, entry + 4) as usize;
        if let Some(stored) = segment.get(start..end) {
            let checksum = eventcask_log::checksum(stored);
            put_number(segment, entry + 12, checksum);
        }
    }
    seal_head(&mut segment[BLOCK..]);
}

/// Opens and reads a store in every way there is; what comes out does not matter here.
fn use_it(storage: &MemoryStorage) -> Option<Vec<Seen>> {
    let mut problems = Vec::new();
    let dir = shard_on(storage.clone());
    let verified = dir.verify(&|| false, &mut problems, &mut |head, bytes, _| {
        if head.rows == 0 {
            return Ok(());
        }
        let block = Block::decode(head.clone(), bytes, Payloads::All)?;
        let seen: Vec<Seen> = block
            .events()
            .iter()
            .map(|event| Seen::of(&event))
            .collect();
        assert_eq!(seen.len(), head.rows as usize);
        Ok(())
    });
    assert!(matches!(verified, Ok(_) | Err(_)));
    let seen = read(storage).ok();
    let recovered = recover(storage).map(|(_, seen)| seen).ok();
    assert!(recovered.is_none() || seen == recovered);
    seen
}

#[test]
fn s1_random_bytes_in_every_decoder_never_panic() {
    let seed = 21;
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..3_000 {
        let length = random.usize(..600);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        for magic in [b"ECASKMAN", b"ECASKFRM", b"ECASKSEG"] {
            if length >= 128 && round % 2 == 0 {
                bytes[..8].copy_from_slice(magic);
                bytes[8..40].fill(0);
                bytes[8] = 2;
                bytes[12] = 128;
                seal_header(&mut bytes);
            }
            assert!(matches!(Manifest::decode("x", &bytes), Ok(_) | Err(_)));
            assert!(matches!(Framed::decode("x", &bytes), Ok(_) | Err(_)));
            let error = recover(&store_of(&bytes)).unwrap_err();
            let told = matches!(
                error.kind(),
                ErrorKind::Damaged | ErrorKind::NewerFormat | ErrorKind::OlderFormat
            );
            assert!(told, "seed {seed}: {error}");
        }
    }
}

#[test]
fn s1_random_bytes_after_the_header_of_a_segment_never_panic() {
    let whole = segment(Codec::None);
    let seed = 22;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let mut bytes = whole[..BLOCK].to_vec();
        bytes.extend((0..random.usize(..700)).map(|_| random.u8(..)));
        if bytes.len() >= BLOCK + 128 && random.bool() {
            bytes[BLOCK..BLOCK + 8].copy_from_slice(b"ECASKBLK");
            let length = (bytes.len() - BLOCK) / 64 * 64;
            put_number(&mut bytes, BLOCK + 8, random.u32(120..300));
            put_number(&mut bytes, BLOCK + 16, length as u32);
            seal_head(&mut bytes[BLOCK..]);
        }
        let events = use_it(&store_of(&bytes)).unwrap();
        assert_eq!(events, [], "seed {seed}");
    }
}

#[test]
fn s1_changed_heads_with_right_checksums_never_panic() {
    let whole = segment(Codec::None);
    let head = number(&whole, BLOCK + 8) as usize;
    let seed = 23;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..8_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..4) {
            bytes[BLOCK + random.usize(8..head)] = *random.choice(&[0, 1, 127, 128, 255]).unwrap();
        }
        seal_head(&mut bytes[BLOCK..]);
        use_it(&store_of(&bytes));
    }
}

#[test]
fn s4_changed_columns_with_right_checksums_never_panic() {
    let whole = segment(Codec::None);
    // Types, keys and the group of rows, each with the bytes of its root.
    let archive = |(entry, root): (usize, usize)| {
        let entry = entries(&whole)[entry];
        let start = BLOCK + number(&whole, entry + 16) as usize;
        let end = start + number(&whole, entry + 4) as usize;
        (start, end - root, end)
    };
    let archives = [(0, 32), (1, 16), (2, 80)].map(archive);
    let seed = 24;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut accepted = [0; 3];
    for round in 0..30_000 {
        let mut bytes = whole.clone();
        let (start, root, end) = archives[round % 3];
        // Every other time only the root, which says where the columns are.
        let from = if round % 2 == 0 { root } else { start };
        for _ in 0..random.usize(1..4) {
            bytes[random.usize(from..end)] = *random.choice(&[0, 1, 2, 8, 127, 255]).unwrap();
        }
        seal_block(&mut bytes);
        accepted[round % 3] += usize::from(use_it(&store_of(&bytes)).is_some());
    }
    // Some of it is valid: another version number is as good as the first. Most is not.
    let all_kinds = accepted.iter().all(|some| (1..7_500).contains(some));
    assert!(all_kinds, "seed {seed}: {accepted:?}");
}

#[test]
fn s4_changed_compressed_sections_with_right_checksums_never_panic() {
    for codec in [Codec::Lz4, Codec::Zstd(3)] {
        let whole = segment(codec);
        let seed = 25;
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..3_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(BLOCK + 128..whole.len());
                bytes[at] = random.u8(..);
            }
            seal_block(&mut bytes);
            use_it(&store_of(&bytes));
        }
    }
}

#[test]
fn s2_huge_lengths_take_no_memory() {
    let whole = segment(Codec::None);
    let head = number(&whole, BLOCK + 8) as usize;
    for field in (8..head - 3).step_by(2) {
        for huge in [u32::MAX, 1 << 31, 64 << 20, 16 << 20, 512 << 10, 1 << 16] {
            let mut bytes = whole.clone();
            put_number(&mut bytes, BLOCK + field, huge & !63);
            seal_head(&mut bytes[BLOCK..]);
            let storage = store_of(&bytes);
            let used = allocation_counter::measure(|| {
                use_it(&storage);
            });
            // The most is the room of a section that says it is 16 MiB large.
            let bound = u64::from(MAX_SECTION_BYTES) + (4 << 20);
            assert!(used.bytes_max < bound, "{field} {huge}: {}", used.bytes_max);
        }
    }
}

#[test]
fn s2_a_block_that_is_not_there_takes_no_memory() {
    let whole = segment(Codec::None);
    for length in [MAX_BLOCK_BYTES, 16 << 20] {
        let mut bytes = whole.clone();
        put_number(&mut bytes, BLOCK + 16, length);
        seal_head(&mut bytes[BLOCK..]);
        let storage = store_of(&bytes);
        let used = allocation_counter::measure(|| {
            use_it(&storage);
        });
        assert!(used.bytes_max < 4 << 20, "{length}: {}", used.bytes_max);
    }
}

/// The segment with its first section of payloads replaced by this one.
fn with_payloads(whole: &[u8], stored: &[u8], raw: u32, codec: u8) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let entry = entries(&bytes)[4];
    let start = number(&bytes, entry + 16);
    bytes.truncate(BLOCK + start as usize);
    bytes.extend_from_slice(stored);
    bytes[entry + 1] = codec;
    put_number(&mut bytes, entry + 4, stored.len() as u32);
    put_number(&mut bytes, entry + 8, raw);
    // The second section of payloads begins where the first ends.
    let rest = (bytes.len() - BLOCK).next_multiple_of(16);
    put_number(&mut bytes, entry + 24 + 16, rest as u32);
    put_number(&mut bytes, entry + 24 + 4, 0);
    put_number(&mut bytes, entry + 24 + 8, 0);
    let length = rest.next_multiple_of(64);
    bytes.resize(BLOCK + length, 0);
    put_number(&mut bytes, BLOCK + 16, length as u32);
    seal_block(&mut bytes);
    bytes
}

#[test]
fn s3_a_bomb_is_not_unpacked_beyond_its_declared_length() {
    let whole = segment(Codec::None);
    let bombs = [
        (2, zstd::bulk::compress(&vec![0; 256 << 20], 3).unwrap()),
        (1, lz4_flex::block::compress(&vec![0; 64 << 20])),
    ];
    for (codec, bomb) in bombs {
        for raw in [
            0,
            1,
            1000,
            MAX_SECTION_BYTES,
            MAX_SECTION_BYTES + 1,
            u32::MAX,
        ] {
            let storage = store_of(&with_payloads(&whole, &bomb, raw, codec));
            let used = allocation_counter::measure(|| {
                let seen = use_it(&storage);
                assert_eq!(seen.unwrap_or_default(), [], "{raw}");
            });
            let bound = u64::from(MAX_SECTION_BYTES) + (4 << 20);
            assert!(used.bytes_max < bound, "{raw}: {}", used.bytes_max);
        }
    }
}

/// Each section was held to 16 MiB, but nothing held their sum: four thousand small bombs in a
/// block of a few megabytes unpacked to 64 GiB.
#[test]
fn s3_many_small_bombs_in_one_block_are_refused_before_there_is_room_for_them() {
    let bomb = zstd::bulk::compress(&vec![0; MAX_SECTION_BYTES as usize], 3).unwrap();
    let whole = segment(Codec::None);
    for (bombs, is_refused) in [(3, false), (4, true), (64, true)] {
        let head = 128 + 24 * (bombs + 4);
        let mut bytes = whole[..BLOCK + head].to_vec();
        // What is no payload stays as it is, at another place.
        for entry in 0..4 {
            let at = BLOCK + 128 + 24 * entry;
            let start = BLOCK + number(&whole, at + 16) as usize;
            let stored = &whole[start..start + number(&whole, at + 4) as usize];
            let end = bytes.len().next_multiple_of(16);
            bytes.resize(end, 0);
            put_number(&mut bytes, at + 16, (end - BLOCK) as u32);
            bytes.extend_from_slice(stored);
        }
        for index in 0..bombs {
            let at = BLOCK + 128 + 24 * (index + 4);
            let end = bytes.len().next_multiple_of(16);
            bytes.resize(end, 0);
            bytes[at..at + 4].copy_from_slice(&[5, 2, index as u8, 0]);
            put_number(&mut bytes, at + 4, bomb.len() as u32);
            put_number(&mut bytes, at + 8, MAX_SECTION_BYTES);
            put_number(&mut bytes, at + 16, (end - BLOCK) as u32);
            put_number(&mut bytes, at + 20, 0);
            bytes.extend_from_slice(&bomb);
        }
        let length = (bytes.len() - BLOCK).next_multiple_of(64);
        bytes.resize(BLOCK + length, 0);
        put_number(&mut bytes, BLOCK + 8, head as u32);
        put_number(&mut bytes, BLOCK + 16, length as u32);
        put_number(&mut bytes, BLOCK + 108, bombs as u32 + 4);
        seal_block(&mut bytes);
        let mut problems = Vec::new();
        let used = allocation_counter::measure(|| {
            let dir = shard_on(store_of(&bytes));
            let verified = dir.verify(&|| false, &mut problems, &mut |head, bytes, _| {
                Block::decode(head.clone(), bytes, Payloads::All).map(|_| ())
            });
            assert!(verified.is_ok());
        });
        let refused = "a block's sections are too large together";
        assert_eq!(
            problems[0].reason == refused,
            is_refused,
            "{bombs}: {problems:?}"
        );
        assert!(used.bytes_max < 80 << 20, "{bombs}: {}", used.bytes_max);
    }
}

/// A head whose durable place lies behind the block itself vouched for bytes that it could not
/// know, and made a torn end look like damage.
#[test]
fn c2_a_block_can_not_vouch_for_what_comes_after_it() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    let torn = writer.append(&deposits(2, 3)).place;
    let liar = writer.append(&deposits(3, 3)).place as usize;
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    bytes[torn as usize + 300] ^= 1;
    bytes[liar + 72..liar + 80].copy_from_slice(&(liar as u64 + 1).to_le_bytes());
    seal_head(&mut bytes[liar..]);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let (recovery, seen) = recover(&storage).unwrap();
    assert_eq!((recovery.tail.place, seen.len()), (torn, 3));
}

/// What a block has to say of damage counts only if the block is of this very place.
#[test]
fn c2_only_a_block_of_this_place_vouches() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    let torn = writer.append(&deposits(2, 3)).place;
    writer.sync();
    let later = writer.append(&deposits(3, 3)).place as usize;
    let mut whole = bytes_of(&storage, FIRST_SEGMENT);
    whole[torn as usize + 300] ^= 1;
    // Store, shard, segment, place; then the head's checksum itself.
    for at in [24, 40, 48, 56, 100] {
        let mut bytes = whole.clone();
        bytes[later + at] ^= 64;
        if at != 100 {
            seal_head(&mut bytes[later..]);
        }
        let copy = storage.copy();
        put_file(&copy, FIRST_SEGMENT, &bytes);
        assert_eq!(recover(&copy).unwrap().1.len(), 3, "byte {at}");
    }
    put_file(&storage, FIRST_SEGMENT, &whole);
    assert_eq!(damage(recover(&storage)).1, torn);
}

#[test]
fn s1_a_file_full_of_beginnings_of_blocks_is_read_to_its_end() {
    let mut bytes = segment(Codec::None);
    let end = bytes.len();
    let mut false_head = [0; 64];
    false_head[..8].copy_from_slice(b"ECASKBLK");
    false_head[8..12].copy_from_slice(&4096u32.to_le_bytes());
    false_head[16..20].copy_from_slice(&8192u32.to_le_bytes());
    for _ in 0..(3 << 20) / 64 {
        bytes.extend_from_slice(&false_head);
    }
    let (recovery, seen) = recover(&store_of(&bytes)).unwrap();
    assert_eq!((recovery.tail.place, seen.len()), (end as u64, 40));
}

/// Positions are counted up to the end of the numbers and not beyond it.
#[test]
fn s1_positions_at_the_end_of_the_numbers_do_not_overflow() {
    let whole = segment(Codec::None);
    for first in [u64::MAX, u64::MAX - 39, u64::MAX - 40] {
        let mut bytes = whole.clone();
        bytes[BLOCK + 64..BLOCK + 72].copy_from_slice(&first.to_le_bytes());
        seal_head(&mut bytes[BLOCK..]);
        bytes[72..80].copy_from_slice(&first.to_le_bytes());
        seal_header(&mut bytes);
        let storage = store_of(&bytes);
        damage(recover(&storage));
        use_it(&storage);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.segment");
        std::fs::write(&file, &bytes).unwrap();
        assert!(eventcask_log::inspect(&file).is_ok());
    }
}

#[test]
fn s1_every_error_is_a_sentence_for_a_person() {
    let error: Error = recover(&store_of(b"nonsense")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(FIRST_SEGMENT) && text.contains("is damaged at byte 0"),
        "{text}"
    );
    assert!(!text.contains('{') && !text.contains("Error"), "{text}");
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    assert!(storage.open("x", eventcask_log::Open::Read).is_err());
}
