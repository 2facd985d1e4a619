//! The example of `docs/FORMAT.md`, byte for byte.

use std::fmt::Write as _;

use eventcask_event::EventId;
use eventcask_log::{
    Block, BlockHead, Codec, Compressor, Manifest, MemoryStorage, NewSegment, Payloads,
    SegmentWriter, ShardDir, SourceMark, Tail,
};

use crate::carried::Carried;
use crate::support::{FIRST_BLOCK, FIRST_SEGMENT, STORE, Seen, bytes_of, parts, put_file, row};

const DOCUMENT: &str = include_str!("../../../../docs/FORMAT.md");
const COMMIT_TIME: i64 = 1_767_225_600_000_000_000;

/// The store of the example, as the code writes it.
fn write_example() -> MemoryStorage {
    let storage = MemoryStorage::default();
    let manifest = Manifest::new(STORE, 1, COMMIT_TIME - 1_000_000_000).unwrap();
    let dir = ShardDir::new(std::sync::Arc::new(storage.clone()), &manifest, 0);
    dir.create().unwrap();
    manifest.create(&storage).unwrap();
    let mut writer = SegmentWriter::open(dir, &Tail::empty()).unwrap();
    let segment = NewSegment {
        number: 1,
        first_position: 0,
        previous_checksum: 0,
    };
    writer.roll(&segment).unwrap();
    writer.append(1, FIRST_BLOCK, &[&example_block()]).unwrap();
    storage
}

fn example_block() -> Vec<u8> {
    let mut opened = row("account-7", "Opened", r#"{"owner":"Ada"}"#);
    opened.time = Some(COMMIT_TIME - 3_600_000_000_000);
    let mut deposited = row("account-7", "Deposited", r#"{"cents":500}"#);
    deposited.id = Some(EventId::from_name("transfer 1").as_u128());
    let (columns, ids, payloads) = parts(&[opened, deposited]);
    let mark = SourceMark {
        source: "transfers.ndjson".to_owned(),
        next: 2,
        check: 0,
    };
    let head = BlockHead {
        store: STORE,
        segment: 1,
        place: FIRST_BLOCK,
        durable_place: FIRST_BLOCK,
        rows: 2,
        first_commit: COMMIT_TIME,
        last_commit: COMMIT_TIME,
        epoch: 1,
        marks: vec![mark],
        ..BlockHead::default()
    };
    let block = Block::new(head, columns, ids, payloads).unwrap();
    let mut bytes = Vec::new();
    block.encode(Codec::None, &mut Compressor::default(), &mut bytes);
    bytes
}

/// Lines of sixteen bytes with their place; lines like the one before are left out, and `*`
/// stands for them.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut before: Option<&[u8]> = None;
    let mut is_left_out = false;
    for (index, line) in bytes.chunks(16).enumerate() {
        if before == Some(line) {
            if !is_left_out {
                text.push_str("*\n");
            }
            is_left_out = true;
            continue;
        }
        (before, is_left_out) = (Some(line), false);
        write!(text, "{:08x} ", index * 16).unwrap();
        for byte in line {
            write!(text, " {byte:02x}").unwrap();
        }
        let shown = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        let letters: String = line.iter().map(shown).collect();
        writeln!(text, "  |{letters}|").unwrap();
    }
    writeln!(text, "{:08x}", bytes.len()).unwrap();
    text
}

/// The bytes that a dump shows.
fn bytes_shown(dump: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut line_before = Vec::new();
    let mut repeats = false;
    for line in dump.lines() {
        if line == "*" {
            repeats = true;
            continue;
        }
        let numbers = line.split('|').next().unwrap();
        let mut numbers = numbers.split_whitespace();
        let place = usize::from_str_radix(numbers.next().unwrap(), 16).unwrap();
        while repeats && bytes.len() < place {
            bytes.extend_from_slice(&line_before);
        }
        repeats = false;
        assert_eq!(bytes.len(), place, "{line}");
        line_before = numbers
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        bytes.extend_from_slice(&line_before);
    }
    bytes
}

/// The dumps of the document's worked example: the manifest and the segment.
fn dumps() -> Vec<&'static str> {
    let section = DOCUMENT.split("\n## A worked example\n").nth(1);
    let section = section.expect("the document has a worked example");
    let section = section.split("\n## ").next().unwrap();
    let fences = section.split("```\n").skip(1).step_by(2);
    fences
        .filter(|text| text.starts_with("00000000 "))
        .collect()
}

#[test]
fn the_document_shows_the_bytes_that_the_code_writes() {
    let storage = write_example();
    let written = [
        hex(&bytes_of(&storage, "MANIFEST")),
        hex(&bytes_of(&storage, FIRST_SEGMENT)),
    ];
    assert_eq!(dumps(), written, "\n{}\n{}", written[0], written[1]);
}

#[test]
fn the_bytes_of_the_document_are_read_as_it_says() {
    let storage = MemoryStorage::default();
    let [manifest, segment] = [0, 1].map(|index| bytes_shown(dumps()[index]));
    put_file(&storage, "MANIFEST", &manifest);
    put_file(&storage, FIRST_SEGMENT, &segment);
    let manifest = Manifest::read(&storage).unwrap();
    assert_eq!((manifest.store, manifest.shards), (STORE, 1));
    let seen = crate::support::read(&storage).unwrap();
    let expected = [
        Seen {
            aggregate: "account-7".to_owned(),
            version: 1,
            position: 0,
            event_type: "Opened".to_owned(),
            id: "019b76da-a800-7000-a677-000000000000".parse().unwrap(),
            commit_time: COMMIT_TIME,
            time: Some(COMMIT_TIME - 3_600_000_000_000),
            shape: None,
            payload: br#"{"owner":"Ada"}"#.to_vec(),
            carried: Carried::default(),
        },
        Seen {
            aggregate: "account-7".to_owned(),
            version: 2,
            position: 1,
            event_type: "Deposited".to_owned(),
            id: EventId::from_name("transfer 1"),
            commit_time: COMMIT_TIME,
            time: None,
            shape: None,
            payload: br#"{"cents":500}"#.to_vec(),
            carried: Carried::default(),
        },
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_bytes_of_the_document_are_written_again_as_they_are() {
    let segment = bytes_shown(dumps()[1]);
    let bytes = &segment[FIRST_BLOCK as usize..];
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("segment");
    std::fs::write(&path, &segment).unwrap();
    let Ok(eventcask_log::Inspection::Segment(found)) = eventcask_log::inspect(&path) else {
        panic!("the document shows no segment");
    };
    let head = found.blocks[0].clone();
    assert_eq!(head.marks[0].source, "transfers.ndjson");
    let block = Block::decode(head, bytes, Payloads::All).unwrap();
    let mut again = Vec::new();
    block.encode(Codec::None, &mut Compressor::default(), &mut again);
    assert_eq!(again, bytes);
}
