//! A block on its way to bytes and back.

use eventcask_event::{Columns, Encoding, PayloadBytes};
use eventcask_log::{Block, BlockHead, Codec, Compressor, MAX_SECTION_BYTES, Payloads, SourceMark};

use crate::support::{Row, STORE, Seen, deposits, parts, row, seal_head};

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Lz4,
    Codec::Zstd(-7),
    Codec::Zstd(19),
    Codec::Auto,
];

fn head(rows: usize) -> BlockHead {
    BlockHead {
        store: STORE,
        segment: 1,
        place: 4096,
        durable_place: 4096,
        first_position: 40,
        rows: rows as u32,
        first_commit: 1_700_000_000_000_000_000,
        last_commit: 1_700_000_000_000_000_000,
        epoch: 3,
        previous_checksum: 9,
        ..BlockHead::default()
    }
}

fn block(rows: &[Row]) -> Block {
    let (columns, ids, payloads) = parts(rows);
    Block::new(head(rows.len()), columns, ids, payloads).unwrap()
}

fn encode(block: &Block, codec: Codec) -> (BlockHead, Vec<u8>) {
    let mut bytes = Vec::new();
    let head = block.encode(codec, &mut Compressor::default(), &mut bytes);
    (head, bytes)
}

fn seen(block: &Block) -> Vec<Seen> {
    block
        .events()
        .iter()
        .map(|event| Seen::of(&event))
        .collect()
}

/// Rows of two types and several aggregates, with whatever an event can have.
fn mixed(count: usize, has_ids: bool, has_times: bool) -> Vec<Row> {
    let mut rows = deposits(7, count);
    for (at, row) in rows.iter_mut().enumerate() {
        if at % 3 == 1 {
            row.event_type = "Überweisung".to_owned();
            row.payload = vec![b'0'; at];
        }
        row.id = (has_ids && at % 2 == 0).then_some(u128::MAX - at as u128);
        row.time = (has_times && at % 4 == 0).then_some(-(at as i64));
    }
    rows
}

#[test]
fn a_block_comes_back_as_it_was_from_each_codec_with_and_without_ids_and_times() {
    for codec in CODECS {
        for (has_ids, has_times) in [(false, false), (true, false), (false, true), (true, true)] {
            for count in [1, 2, 300, 2500] {
                let block = block(&mixed(count, has_ids, has_times));
                let (head, bytes) = encode(&block, codec);
                assert_eq!(bytes.len(), head.length as usize);
                assert!(bytes.len().is_multiple_of(64));
                let back = Block::decode(head.clone(), &bytes, Payloads::All).unwrap();
                assert_eq!(back.head(), &head);
                assert_eq!(seen(&back), seen(&block), "{codec} {count}");
                let ids = head.sections.iter().any(|section| section.kind == 4);
                assert_eq!(ids, has_ids);
            }
        }
    }
}

#[test]
fn each_codec_is_named_in_the_sections_that_it_compressed() {
    let block = block(&mixed(300, true, true));
    for (codec, number) in [(Codec::None, 0), (Codec::Lz4, 1), (Codec::Zstd(3), 2)] {
        let (head, bytes) = encode(&block, codec);
        for section in &head.sections {
            let expected = match section.kind {
                3 | 5 => number,
                4 => 0,
                _ if section.raw < 128 => 0,
                _ => number,
            };
            assert_eq!(section.codec, expected, "{codec} {section:?}");
        }
        if number != 0 {
            assert!(bytes.len() < block.raw_bytes());
        }
    }
}

#[test]
fn what_does_not_shrink_is_stored_as_it_is() {
    let mut random = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = (0..5000).map(|_| random.u8(..)).collect();
    for payload in [noise, b"short".to_vec()] {
        let block = block(&[row("a", "Noise", payload.clone())]);
        for codec in CODECS {
            let (head, bytes) = encode(&block, codec);
            let section = head.sections.last().unwrap();
            assert_eq!((section.codec, section.stored), (0, payload.len() as u32));
            let back = Block::decode(head, &bytes, Payloads::All).unwrap();
            assert_eq!(back.events().event(0).payload, payload);
        }
    }
}

/// A block that was read kept its table of sections and got a second one behind it when it was
/// written again, over the first bytes of its columns.
#[test]
fn a_block_that_was_read_encodes_to_the_same_bytes() {
    for codec in CODECS {
        let (head, bytes) = encode(&block(&mixed(300, true, true)), codec);
        let back = Block::decode(head, &bytes, Payloads::All).unwrap();
        assert_eq!(encode(&back, codec).1, bytes, "{codec}");
    }
}

#[test]
fn a_filter_leaves_other_types_shut() {
    let rows = mixed(30, false, false);
    let block = block(&rows);
    let (head, bytes) = encode(&block, Codec::None);
    let all = seen(&block);
    for (wanted, other) in [("Deposited", "Überweisung"), ("Überweisung", "Deposited")] {
        let names = [wanted.to_owned(), "Unheard".to_owned()];
        let back = Block::decode(head.clone(), &bytes, Payloads::Types(&names)).unwrap();
        let expected: Vec<Seen> = all
            .iter()
            .filter(|event| event.event_type == wanted)
            .cloned()
            .collect();
        assert_eq!(seen(&back), expected);
        for row in 0..rows.len() {
            let is_shut = back.events().payload(row).is_none();
            assert_eq!(is_shut, back.events().event_type(row) == other);
        }
    }
    let shut = Block::decode(head, &bytes, Payloads::Shut).unwrap();
    assert_eq!(seen(&shut), []);
    assert_eq!(shut.events().len(), rows.len());
    assert_eq!(
        shut.events().event(29).version,
        block.events().event(29).version
    );
}

#[test]
fn a_key_prefix_leaves_types_shut_that_have_no_such_key() {
    let mut rows = mixed(30, false, false);
    for row in &mut rows {
        if row.event_type == "Deposited" {
            row.key = format!("card-{}", row.key);
        }
    }
    let (head, bytes) = encode(&block(&rows), Codec::Zstd(1));
    let open = |prefix, types| {
        let want = Payloads::Keys { prefix, types };
        let back = Block::decode(head.clone(), &bytes, want).unwrap();
        let mut names: Vec<_> = seen(&back).into_iter().map(|one| one.event_type).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(open("card-", None), ["Deposited"]);
    assert_eq!(open("account-", None), ["Überweisung"]);
    assert_eq!(open("", None), ["Deposited", "Überweisung"]);
    assert_eq!(open("cards", None), [""; 0]);
    let names = ["Überweisung".to_owned()];
    assert_eq!(open("card-", Some(&names)), [""; 0]);
    assert_eq!(open("a", Some(&names)), ["Überweisung"]);
}

#[test]
fn payloads_that_are_shut_are_not_looked_at() {
    let block = block(&mixed(30, true, true));
    let (head, mut bytes) = encode(&block, Codec::None);
    let payloads = head.sections.iter().filter(|section| section.kind == 5);
    let payloads: Vec<_> = payloads.copied().collect();
    bytes.truncate(payloads[1].start as usize + 1);
    bytes[payloads[1].start as usize] ^= 1;
    let names = ["Deposited".to_owned()];
    for want in [Payloads::Shut, Payloads::Types(&names)] {
        assert!(Block::decode(head.clone(), &bytes, want).is_ok());
    }
    assert!(Block::decode(head.clone(), &bytes, Payloads::All).is_err());
    bytes[payloads[0].start as usize] ^= 1;
    assert!(Block::decode(head, &bytes, Payloads::Types(&names)).is_err());
}

/// What makes parts of a block that do not fit of those that do.
type Change<'c> = &'c dyn Fn(&mut BlockHead, &mut Columns, &mut Vec<u8>, &mut Vec<PayloadBytes>);

#[test]
fn parts_that_do_not_fit_each_other_are_refused() {
    let rows = deposits(1, 3);
    let check = |change: Change<'_>| {
        let (mut columns, mut ids, mut payloads) = parts(&rows);
        let mut head = head(rows.len());
        change(&mut head, &mut columns, &mut ids, &mut payloads);
        Block::new(head, columns, ids, payloads).unwrap_err()
    };
    check(&|head, _, _, _| head.rows += 1);
    check(&|_, columns, _, _| columns.versions.truncate(2));
    check(&|_, columns, _, _| columns.aggregates[1] = 77);
    check(&|_, columns, _, _| columns.types[1] = 1);
    check(&|_, columns, _, _| columns.times.push(0));
    check(&|_, columns, _, _| columns.positions.push(0));
    check(&|_, columns, _, _| columns.commit_times.push(0));
    check(&|_, columns, _, _| columns.previous.push(0));
    check(&|_, columns, _, _| columns.type_encodings[0] = 2);
    check(&|_, columns, _, _| columns.keys.push('x'));
    check(&|_, columns, _, _| columns.key_ends[0] = 0);
    check(&|_, columns, _, _| *columns.key_ends.last_mut().unwrap() = u32::MAX);
    check(&|_, columns, _, _| columns.payload_lengths[0] += 1);
    check(&|_, columns, _, _| columns.payload_lengths[0] = u32::MAX);
    check(&|_, _, ids, _| ids.resize(16, 0));
    check(&|_, _, ids, _| ids.resize(16 * 3 + 1, 0));
    check(&|_, _, _, payloads| payloads[0].push(&[0], None));
    check(&|_, _, _, payloads| payloads.push(PayloadBytes::default()));
}

#[test]
fn s2_a_block_that_could_not_be_read_back_is_not_made() {
    let mark = |bytes: usize| SourceMark {
        source: "s".repeat(bytes),
        next: 1,
        check: 2,
    };
    let make = |marks: Vec<SourceMark>, rows: &[Row]| {
        let (columns, ids, payloads) = parts(rows);
        let head = BlockHead {
            marks,
            ..head(rows.len())
        };
        let block = Block::new(head, columns, ids, payloads)?;
        let (head, bytes) = encode(&block, Codec::None);
        let back = Block::decode(head, &bytes, Payloads::All);
        assert_eq!(seen(&back.unwrap()), seen(&block));
        Ok::<(), String>(())
    };
    let one = deposits(1, 1);
    assert_eq!(make(vec![mark(1024); 16], &one), Ok(()));
    assert!(make(vec![mark(1); 17], &one).is_err());
    assert!(make(vec![mark(1025)], &one).is_err());

    let limit = MAX_SECTION_BYTES as usize;
    let large = |types: usize, bytes: usize| -> Vec<Row> {
        let large = |at| row("a", &format!("Type{at}"), vec![b'x'; bytes]);
        (0..types).map(large).collect()
    };
    assert_eq!(make(Vec::new(), &large(1, limit)), Ok(()));
    assert!(make(Vec::new(), &large(1, limit + 1)).is_err());
    assert_eq!(make(Vec::new(), &large(3, limit)), Ok(()));
    // Four of the largest sections are 64 MiB, and there would be no room for the head.
    assert!(make(Vec::new(), &large(4, limit)).is_err());

    assert_eq!(make(vec![mark(1024); 16], &large(4096, 1)), Ok(()));
    assert!(make(Vec::new(), &large(6000, 1)).is_err());
}

/// Each group says of each type where its payloads start: of many types in many groups that is more
/// than all rows take. Such a block was made, and no reader took it.
#[test]
fn s2_a_block_whose_groups_list_too_many_types_is_not_made() {
    let (rows, types) = (1 << 20, 4096);
    let mut columns = Columns::default();
    let aggregate = columns.add_aggregate("a", eventcask_event::NO_POSITION);
    for number in 0..types {
        columns.add_type(&format!("Type{number}"), 1, 0, None);
    }
    columns.aggregates = vec![aggregate; rows];
    columns.types = (0..rows).map(|row| (row % types) as u16).collect();
    columns.versions = (1..=rows as u64).collect();
    columns.payload_lengths = vec![0; rows];
    let made = Block::new(
        head(rows),
        columns,
        Vec::new(),
        vec![PayloadBytes::default(); types],
    );
    assert_eq!(made.unwrap_err(), "the block would pass 64 MiB");
}

#[test]
#[should_panic(expected = "no payloads were left shut")]
fn a_block_with_shut_payloads_is_not_written() {
    let (head, bytes) = encode(&block(&deposits(1, 3)), Codec::None);
    let shut = Block::decode(head, &bytes, Payloads::Shut).unwrap();
    encode(&shut, Codec::None);
}

#[test]
#[should_panic(expected = "can not know bytes after it durable")]
fn a_block_that_knows_more_durable_than_there_is_is_not_written() {
    let (columns, ids, payloads) = parts(&deposits(1, 3));
    let mut head = head(3);
    head.durable_place = head.place + 1;
    encode(
        &Block::new(head, columns, ids, payloads).unwrap(),
        Codec::None,
    );
}

#[test]
fn an_encoding_that_is_not_known_is_refused() {
    let (mut columns, ids, payloads) = parts(&deposits(1, 1));
    columns.type_encodings[0] = Encoding::Bytes as u8;
    assert!(Block::new(head(1), columns.clone(), ids.clone(), payloads.clone()).is_ok());
    columns.type_encodings[0] = 2;
    assert!(Block::new(head(1), columns, ids, payloads).is_err());
}

#[test]
fn a_codec_is_named_by_its_text() {
    for (text, codec) in [
        ("none", Codec::None),
        ("lz4", Codec::Lz4),
        ("zstd:-7", Codec::Zstd(-7)),
        ("zstd:19", Codec::Zstd(19)),
        ("auto", Codec::Auto),
    ] {
        assert_eq!(text.parse(), Ok(codec));
        assert_eq!(codec.to_string(), text);
    }
    for text in ["", "zstd", "zstd:", "zstd:20", "zstd:-8", "zstd:1x", "LZ4"] {
        assert!(text.parse::<Codec>().is_err(), "{text:?}");
    }
}

#[test]
fn auto_compresses_unless_batches_wait() {
    assert_eq!(Codec::Auto.resolve(true), Codec::None);
    assert_eq!(Codec::Auto.resolve(false), Codec::Zstd(1));
    assert_eq!(Codec::Lz4.resolve(true), Codec::Lz4);
}

#[test]
fn a_section_that_may_be_skipped_is_skipped() {
    use crate::support::{FIRST_BLOCK, FIRST_SEGMENT, Writer, bytes_of, put_file, read};
    let storage = eventcask_log::MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    let seen = read(&storage).unwrap();
    let bytes = bytes_of(&storage, FIRST_SEGMENT);
    let (header, old) = bytes.split_at(FIRST_BLOCK as usize);
    for (flags, is_skipped) in [(1, true), (0, false), (2, false)] {
        let block = with_section(old, [9, 0, flags]);
        put_file(&storage, FIRST_SEGMENT, &[header, &block].concat());
        let expected = if is_skipped { &seen[..] } else { &[] };
        assert_eq!(read(&storage).unwrap(), expected, "flags {flags}");
    }
}

/// A block with one more section, without bytes, at its end: kind, codec and flags.
fn with_section(block: &[u8], [kind, codec, flags]: [u8; 3]) -> Vec<u8> {
    let mut block = block.to_vec();
    let head = u32::from_le_bytes(block[8..12].try_into().unwrap());
    let sections = u16::from_le_bytes(block[108..110].try_into().unwrap());
    // The entry takes the place of zeros and of the columns' first bytes, which move on.
    let columns = u32::from_le_bytes(block[128 + 16..128 + 20].try_into().unwrap());
    let shift = (head + 24).next_multiple_of(16) - columns;
    let zeros = vec![0; shift as usize];
    block.splice(columns as usize..columns as usize, zeros);
    let last = 128 + (usize::from(sections) - 1) * 24;
    let number = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
    let end = (number(last + 16) + number(last + 4) + shift).next_multiple_of(16);
    block.truncate(end as usize);
    block.resize(block.len().next_multiple_of(64), 0);
    let length = block.len() as u32;
    let mut entry = [0; 24];
    entry[0] = kind;
    entry[1] = codec;
    entry[12..16].copy_from_slice(&eventcask_log::checksum(&[]).to_le_bytes());
    entry[16..20].copy_from_slice(&end.to_le_bytes());
    entry[20] = flags;
    let at = head as usize;
    block[at..at + 24].copy_from_slice(&entry);
    for entry in 0..usize::from(sections) {
        let start = 128 + entry * 24 + 16;
        let old = u32::from_le_bytes(block[start..start + 4].try_into().unwrap());
        block[start..start + 4].copy_from_slice(&(old + shift).to_le_bytes());
    }
    block[8..12].copy_from_slice(&(head + 24).to_le_bytes());
    block[16..20].copy_from_slice(&length.to_le_bytes());
    block[108..110].copy_from_slice(&(sections + 1).to_le_bytes());
    seal_head(&mut block);
    block
}
