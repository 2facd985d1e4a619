//! Blocks whose payloads are read where they lie.

use eventcask_log::{
    BlockHead, BlockPlace, BlockReader, Caches, Codec, ErrorKind, MemoryStorage, Payloads,
};

use crate::forge::{Forged, Part};
use crate::support::{FIRST_SEGMENT, Row, Writer, bytes_of, put_file, row, shard_on};

const PAYLOADS: u8 = 5;
const CODECS: [Codec; 4] = [Codec::None, Codec::Lz4, Codec::Zstd(1), Codec::TextZstd(1)];

/// Rows of three types, with payloads of all sizes, some larger than a chunk; one type has none.
fn rows(count: usize, seed: u64) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut of = |at: usize| {
        let bytes = match at % 50 {
            49 => 40_000,
            _ => random.usize(..300),
        };
        let event_type = ["Opened", "Scanned", "Empty"][at % 3];
        let payload: Vec<u8> = match event_type {
            "Opened" => std::iter::repeat_with(|| random.u8(..))
                .take(bytes)
                .collect(),
            "Scanned" => vec![b'0' + (at % 10) as u8; bytes],
            _ => Vec::new(),
        };
        row(&format!("account-{}", at % 7), event_type, payload)
    };
    (0..count).map(&mut of).collect()
}

/// Blocks of these rows, and their heads.
fn store(codec: Codec, blocks: &[Vec<Row>]) -> (MemoryStorage, Vec<BlockHead>) {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.codec = codec;
    let heads = blocks.iter().map(|rows| writer.append(rows)).collect();
    writer.close();
    (storage, heads)
}

fn reader_of(storage: MemoryStorage) -> BlockReader {
    BlockReader::new(shard_on(storage), Caches::default())
}

#[test]
fn payloads_in_place_are_those_that_are_copied() {
    for codec in CODECS {
        // A small block takes the room that a large one had.
        let blocks = [rows(1_500, 1), rows(3, 2), rows(300, 3), rows(1, 4)];
        let (storage, heads) = store(codec, &blocks);
        let reader = reader_of(storage);
        let names = ["Scanned".to_owned(), "Empty".to_owned()];
        let keys = Payloads::Keys {
            prefix: "account-3",
            types: None,
        };
        let wants = [Payloads::All, Payloads::Types(&names), keys, Payloads::Shut];
        for (head, want) in heads.iter().flat_map(|head| wants.map(|want| (head, want))) {
            let at = &BlockPlace::of(head);
            let (copied, in_place) = (reader.read(at, want), reader.read_in_place(at, want));
            let (copied, in_place) = (copied.unwrap(), in_place.unwrap());
            let (copied, in_place) = (copied.events(), in_place.events());
            assert_eq!(copied.len(), in_place.len());
            for row in 0..copied.len() {
                assert_eq!(copied.payload(row), in_place.payload(row), "{codec} {row}");
                assert_eq!(copied.event(row), in_place.event(row), "{codec} {row}");
            }
        }
    }
}

#[test]
fn a_changed_byte_of_a_payload_is_met_by_who_wants_it_and_by_nobody_else() {
    for codec in CODECS {
        let (storage, heads) = store(codec, &[rows(600, 5)]);
        let whole = bytes_of(&storage, FIRST_SEGMENT);
        let (head, at) = (&heads[0], BlockPlace::of(&heads[0]));
        let names = ["Scanned".to_owned()];
        for section in head.sections.iter().filter(|one| one.kind == PAYLOADS) {
            if section.stored == 0 {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[head.place as usize + section.start as usize] ^= 1;
            put_file(&storage, FIRST_SEGMENT, &bytes);
            let reader = reader_of(storage.clone());
            let error = reader.read_in_place(&at, Payloads::All).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            let of_type = reader.read_in_place(&at, Payloads::Types(&names));
            // Types are listed as they come up: that of the first row is "Opened".
            assert_eq!(of_type.is_err(), section.event_type == 1, "{codec}");
        }
    }
}

#[test]
fn a_payload_in_two_chunks_is_refused_where_it_would_be_read_in_place() {
    let (storage, heads) = store(Codec::None, &[rows(20, 6)]);
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let written = BlockPlace::of(&heads[0]);
    let place = written.place as usize;
    let length = reader_of(storage.clone())
        .read(&written, Payloads::All)
        .unwrap()
        .events()
        .payload_len(0);
    assert!(length > 1);
    for (cut, is_refused) in [(0, false), (1, true), (length - 1, true), (length, false)] {
        let mut forged = Forged::of(&whole[place..][..written.length as usize]);
        let first = forged.parts.iter().position(|part| part.kind == PAYLOADS);
        let first = first.unwrap();
        let bytes = forged.parts[first].bytes.split_off(cut);
        let rest = Part {
            bytes,
            ..forged.parts[first].clone()
        };
        forged.parts.insert(first + 1, rest);
        let block = forged.block();
        let at = BlockPlace {
            length: block.len() as u32,
            ..written
        };
        put_file(&storage, FIRST_SEGMENT, &[&whole[..place], &block].concat());
        let read = reader_of(storage.clone()).read_in_place(&at, Payloads::All);
        match read {
            Ok(_) => assert!(!is_refused, "{cut}"),
            Err(error) => {
                let problem = error.into_problem().unwrap();
                assert!(is_refused, "{cut}: {}", problem.reason);
                assert_eq!(problem.reason, "a payload lies in two chunks");
            }
        }
    }
}

#[test]
fn a_block_that_is_cut_short_is_no_block_though_its_room_held_another() {
    let (storage, heads) = store(Codec::None, &[rows(900, 7)]);
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let written = BlockPlace::of(&heads[0]);
    let reader = reader_of(storage.clone());
    reader.read_in_place(&written, Payloads::All).unwrap();
    let (from, length) = (written.place as usize, written.length as usize);
    for cut in (0..length).step_by(997).chain([length - 64]) {
        put_file(&storage, FIRST_SEGMENT, &whole[..from + cut]);
        let reader = reader_of(storage.clone());
        let error = reader.read_in_place(&written, Payloads::All).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{cut}");
    }
}
