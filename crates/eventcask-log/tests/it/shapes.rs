//! Payloads with a shape: each starts where it can be read in place, and each rule about that broken
//! by itself.

use eventcask_event::{Encoding, NewEvent, PAYLOAD_ALIGN};
use eventcask_log::{Block, BlockHead, Codec, Digest, Fate, MemoryStorage, Payloads, SORT_BYTES};

use crate::forge::{ENCODINGS, Forged, PAYLOAD_STARTS, Part, SHAPES, TYPES};
use crate::groups::{
    PAYLOADS, block, block_with_gaps, bytes_of_u64, decode, encode, head, in_group, of_kind,
    refuses_of, seen, set_u32,
};
use crate::support::{
    FIRST_SEGMENT, Row, STORE, Writer, bytes_of, deposits, flipped, parts, problems_of, put_file,
    read, row, seal_clustered, seal_with, shard_on,
};

const ALIGN: u32 = PAYLOAD_ALIGN as u32;

/// Rows of one name with two shapes and with none, with payloads of all lengths.
fn rows(count: usize) -> Vec<Row> {
    let mut rows = deposits(5, count);
    for (at, row) in rows.iter_mut().enumerate() {
        row.shape = [0, 7, 7, u64::MAX][at % 4];
        if row.shape != 0 {
            row.payload = vec![b'0' + (at % 10) as u8; at * 7 % 50];
        }
    }
    rows
}

#[test]
fn payloads_with_a_shape_come_back_aligned_from_each_codec() {
    for count in [1, 2, 4, 255, 257, 1025, 4000] {
        for block in [block(&rows(count)), block_with_gaps(&rows(count))] {
            for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1)] {
                let (head, bytes) = encode(&block, codec);
                let back = Block::decode(head, &bytes, Payloads::All).unwrap();
                back.check_closely().unwrap();
                // That each is aligned is looked at there.
                assert_eq!(seen(&back), seen(&block), "{codec} {count}");
                assert_eq!(encode(&back, codec).1, bytes, "{codec} {count}");
            }
        }
    }
}

#[test]
fn each_payload_starts_at_a_multiple_of_16_of_its_chunk_with_zeros_before() {
    let block = block(&rows(4000));
    let (head, bytes) = encode(&block, Codec::None);
    let shapes = &block.events().columns().type_shapes;
    assert_eq!(shapes[..], [0, 7, u64::MAX]);
    for (event_type, shape) in shapes.iter().enumerate() {
        let chunks = of_kind(&head, PAYLOADS).into_iter();
        let chunks = chunks.filter(|chunk| usize::from(chunk.event_type) == event_type);
        let mut of_type = block
            .events()
            .iter()
            .filter(|event| event.shape.map_or(0, std::num::NonZeroU64::get) == *shape);
        let mut count = 0;
        for chunk in chunks {
            let mut rest = &bytes[chunk.start as usize..][..chunk.raw as usize];
            while !rest.is_empty() {
                let payload = of_type.next().unwrap().payload;
                let room = match shape {
                    0 => payload.len(),
                    _ => payload.len().next_multiple_of(PAYLOAD_ALIGN),
                };
                assert_eq!(&rest[..payload.len()], payload);
                assert!(rest[payload.len()..room].iter().all(|byte| *byte == 0));
                rest = &rest[room..];
            }
            count += 1;
        }
        assert!(count > 1 && of_type.all(|event| event.payload.is_empty()));
    }
}

#[test]
fn without_a_shape_there_is_no_column_and_nothing_between_payloads() {
    let block = block(&deposits(5, 300));
    let (head, bytes) = encode(&block, Codec::None);
    let lengths = block.events().iter().map(|event| event.payload.len());
    let of_payloads = of_kind(&head, PAYLOADS)
        .iter()
        .map(|one| one.raw)
        .sum::<u32>();
    assert_eq!(of_payloads as usize, lengths.sum::<usize>());
    let mut forged = Forged::of(&bytes);
    forged.change(TYPES, |columns| assert_eq!(columns[SHAPES], []));
}

/// Two deposits and two rows with a shape, and 16 bytes of payloads that take 32.
fn short_rows() -> Vec<Row> {
    let mut rows = deposits(5, 4);
    for (row, payload) in rows[2..].iter_mut().zip(["one", "thirteen more"]) {
        (row.shape, row.payload) = (9, payload.into());
    }
    rows
}

#[test]
fn a_payload_with_a_shape_that_starts_elsewhere_is_damage() {
    let elsewhere = "a group says that its payloads start elsewhere";
    for said in [1, 8, ALIGN - 1, ALIGN] {
        let change = in_group(0, |columns| set_u32(&mut columns[PAYLOAD_STARTS], 1, said));
        refuses_of(&block(&short_rows()), elsewhere, change);
    }
    // Nor may a later group say it as if there were nothing between.
    let many = block(&rows(600));
    for group in 1..3 {
        let less = in_group(group, |columns| {
            let said = u32::from_le_bytes(columns[PAYLOAD_STARTS][4..8].try_into().unwrap());
            set_u32(&mut columns[PAYLOAD_STARTS], 1, said - 3);
        });
        refuses_of(&many, elsewhere, less);
    }
}

/// Where the first chunk of the payloads with a shape is.
fn shaped(forged: &Forged) -> usize {
    let is_shaped = |part: &Part| (part.kind, part.event_type) == (PAYLOADS, 1);
    forged.parts.iter().position(is_shaped).unwrap()
}

#[test]
fn a_chunk_that_is_no_multiple_of_16_is_damage() {
    let reason = "a chunk of payloads with a shape is no multiple of 16 bytes long";
    for bytes in [1, 3, 15, 17, 29, 31] {
        refuses_of(&block(&short_rows()), reason, |forged| {
            let at = shaped(forged);
            forged.parts[at].bytes.truncate(bytes);
        });
        // Cut in two, the second one would start where no payload can.
        refuses_of(&block(&short_rows()), reason, |forged| {
            let at = shaped(forged);
            let rest = forged.parts[at].bytes.split_off(bytes);
            let rest = Part {
                bytes: rest,
                ..forged.parts[at].clone()
            };
            forged.parts.insert(at + 1, rest);
        });
    }
    let missing = "the payloads do not fill the sections of their types";
    refuses_of(&block(&short_rows()), missing, |forged| {
        let at = shaped(forged);
        forged.parts[at].bytes.truncate(16);
    });
}

#[test]
fn what_lies_between_payloads_with_a_shape_is_zero() {
    let block = block(&short_rows());
    let (head, bytes) = encode(&block, Codec::None);
    for at in 0..2 * PAYLOAD_ALIGN {
        let mut forged = Forged::of(&bytes);
        let part = shaped(&forged);
        forged.parts[part].bytes[at] ^= 0x80;
        let back = decode(&forged, &head).unwrap();
        let checked = back.check_closely();
        match at {
            0..3 | 16..29 => assert_eq!(checked, Ok(()), "{at} is of a payload"),
            _ => assert_eq!(
                checked,
                Err("what lies between payloads with a shape is not zero"),
                "{at}"
            ),
        }
    }
}

#[test]
fn a_store_with_something_between_payloads_is_damaged() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    let place = writer.append(&short_rows()).place as usize;
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    for at in [3, 15, 29, 31] {
        let mut forged = Forged::of(&whole[place..]);
        let part = shaped(&forged);
        forged.parts[part].bytes[at] = 1;
        let segment = [&whole[..place], &forged.block()].concat();
        put_file(&storage, FIRST_SEGMENT, &segment);
        let problems = problems_of(&storage);
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        assert_eq!(
            problem.reason,
            "what lies between payloads with a shape is not zero"
        );
        assert_eq!(problem.place, place as u64);
    }
}

#[test]
fn a_column_of_shapes_that_does_not_fit_is_damage() {
    let other = "a block has shapes of other types than it lists";
    let block = block(&short_rows());
    for shapes in [&[0, 0][..], &[9], &[0, 9, 9], &[9, 0, 0]] {
        refuses_of(&block, other, |forged| {
            forged.change(TYPES, |columns| columns[SHAPES] = bytes_of_u64(shapes));
        });
    }
    let of_text = "an event type of JSON text has a shape";
    refuses_of(&block, of_text, |forged| {
        forged.change(TYPES, |columns| columns[SHAPES] = bytes_of_u64(&[9, 9]));
    });
    refuses_of(&block, of_text, |forged| {
        forged.change(TYPES, |columns| {
            columns[ENCODINGS][1] = Encoding::Json as u8;
        });
    });
    // Without shapes the payloads would have other lengths than they take.
    let missing = "the payloads do not fill the sections of their types";
    refuses_of(&block, missing, |forged| {
        forged.change(TYPES, |columns| columns[SHAPES].clear());
    });
    let (mut columns, ids, payloads) = parts(&short_rows());
    columns.type_shapes = vec![9, 9];
    assert_eq!(
        Block::new(head(4), columns, ids, payloads).unwrap_err(),
        of_text
    );
}

#[test]
fn every_flipped_bit_of_the_section_of_types_is_found() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    let head: BlockHead = writer.append(&short_rows());
    writer.close();
    let types = &head.sections[TYPES];
    let start = head.place as usize + types.start as usize;
    for at in start..start + types.raw as usize {
        for bit in 0..8 {
            let damaged = flipped(&storage, FIRST_SEGMENT, at, 1 << bit);
            assert_eq!(problems_of(&damaged).len(), 1, "byte {at}, bit {bit}");
            assert!(read(&damaged).is_err());
        }
    }
}

#[test]
fn sealed_and_clustered_events_keep_their_shapes() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1)] {
        let storage = MemoryStorage::default();
        let mut writer = Writer::new(&storage);
        for at in 0..8 {
            writer.append(&rows(100 + at));
        }
        writer.roll();
        writer.append(&short_rows());
        writer.close();
        let truth = read(&storage).unwrap();
        let dir = shard_on(storage.clone());
        seal_with(&dir, 1, codec, &|_, _| Fate::Kept).unwrap();
        assert_eq!(read(&storage).unwrap(), truth, "{codec}");
        seal_clustered(&dir, 1, codec, SORT_BYTES);
        assert_eq!(read(&storage).unwrap(), truth, "{codec}");
        assert_eq!(problems_of(&storage), []);
    }
}

#[test]
fn a_digest_depends_on_the_shape() {
    let bytes = NewEvent::bytes("Deposited", b"500");
    let all = [bytes, bytes.shape(1), bytes.shape(2), bytes.shape(1 << 63)];
    let digests = all.map(|event| Digest::of(STORE, "a", &event));
    for (at, digest) in digests.iter().enumerate() {
        assert!(!digests[..at].contains(digest));
    }
    // No payload looks like a shape before it.
    let like = [&1u64.to_le_bytes()[..], b"500"].concat();
    let other = Digest::of(STORE, "a", &NewEvent::bytes("Deposited", &like));
    assert!(!digests.contains(&other));
}

#[test]
fn a_type_without_payloads_has_a_shape_as_well() {
    let mut nothing = row("a", "Nothing", "");
    nothing.shape = 3;
    let block = block(&[nothing]);
    let (head, bytes) = encode(&block, Codec::None);
    let back = Block::decode(head, &bytes, Payloads::All).unwrap();
    back.check_closely().unwrap();
    assert_eq!(seen(&back), seen(&block));
}
