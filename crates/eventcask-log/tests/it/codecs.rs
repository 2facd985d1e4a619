//! Which sections a codec compresses, and blocks that end at pages.

use eventcask_event::Encoding;
use eventcask_log::{
    Block, BlockHead, Codec, Compressor, PAGE_BYTES, PageBuffer, Payloads, in_page,
};

use crate::support::{Row, STORE, Seen, parts, row};

const STORED: u8 = 0;
const LZ4: u8 = 1;
const ZSTD: u8 = 2;
/// A block from this size on ends at a page.
const PAGED_BLOCK_BYTES: usize = 64 << 10;

fn head(rows: usize, place: u64) -> BlockHead {
    BlockHead {
        store: STORE,
        segment: 1,
        place,
        durable_place: 4096,
        rows: rows as u32,
        epoch: 1,
        ..BlockHead::default()
    }
}

/// JSON, bytes that would compress as well, and JSON that would not.
fn rows(count: usize) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(3);
    let noise = |_| random.alphanumeric().to_string() + &random.u64(..).to_string();
    let noise: Vec<String> = (0..count).map(noise).collect();
    let of = |at: usize| {
        let key = format!("account-{}", at % 5);
        let (name, payload) = match at % 3 {
            0 => ("Deposited", format!(r#"{{"cents":{at},"by":"teller"}}"#)),
            1 => ("Scanned", "scan".repeat(6)),
            _ => ("Signed", noise[at].clone()),
        };
        Row {
            id: Some(at as u128 + 1),
            ..row(&key, name, payload)
        }
    };
    (0..count).map(of).collect()
}

/// A block at this place whose types are JSON, bytes and JSON.
fn block_at(place: u64, rows: &[Row]) -> Block {
    let (mut columns, ids, payloads) = parts(rows);
    let encodings = [Encoding::Json, Encoding::Bytes, Encoding::Json];
    let encodings = encodings.iter().map(|one| *one as u8);
    columns.type_encodings = encodings.take(payloads.len()).collect();
    Block::new(head(rows.len(), place), columns, ids, payloads).unwrap()
}

fn seen(block: &Block) -> Vec<Seen> {
    let events = block.events();
    events.iter().map(|event| Seen::of(&event)).collect()
}

/// Codecs of the sections of these kinds.
fn codecs(head: &BlockHead, kinds: &[u8]) -> Vec<u8> {
    let sections = head.sections.iter();
    let sections = sections.filter(|section| kinds.contains(&section.kind));
    sections.map(|section| section.codec).collect()
}

fn encode(block: &Block, codec: Codec) -> (BlockHead, Vec<u8>) {
    let mut bytes = Vec::new();
    let head = block.encode(codec, &mut Compressor::default(), &mut bytes);
    (head, bytes)
}

#[test]
fn codecs_of_text_compress_json_payloads_and_nothing_else() {
    let block = block_at(4096, &rows(600));
    let (head, _) = encode(&block, Codec::Zstd(1));
    assert_eq!(codecs(&head, &[1, 2, 3]), [STORED, STORED, ZSTD]);
    assert_eq!(codecs(&head, &[4]), [STORED]);
    assert_eq!(codecs(&head, &[5]), [ZSTD, ZSTD, ZSTD], "bytes would gain");
    for (codec, number) in [
        (Codec::TextLz4, LZ4),
        (Codec::TextZstd(1), ZSTD),
        (Codec::TextZstd(-7), ZSTD),
        (Codec::TextZstd(19), ZSTD),
    ] {
        let (head, bytes) = encode(&block, codec);
        let others = codecs(&head, &[1, 2, 3, 4]);
        assert_eq!(others, [STORED; 8], "{codec}: three groups with ids");
        let of_payloads = codecs(&head, &[5]);
        assert_eq!(of_payloads[..2], [number, STORED], "{codec}");
        assert!(bytes.len() < encode(&block, Codec::None).1.len());
        let back = Block::decode(head, &bytes, Payloads::All).unwrap();
        assert_eq!(seen(&back), seen(&block), "{codec}");
        assert_eq!(encode(&back, codec).1, bytes, "{codec}");
    }
}

#[test]
fn a_codec_of_text_is_parsed_from_what_it_is_shown_as() {
    for codec in [
        Codec::None,
        Codec::Lz4,
        Codec::Zstd(-7),
        Codec::TextLz4,
        Codec::TextZstd(-7),
        Codec::TextZstd(19),
        Codec::Auto,
    ] {
        assert_eq!(codec.to_string().parse(), Ok(codec));
    }
    let wrong = [
        "text",
        "text-",
        "text-lz4:1",
        "text-none",
        "text-auto",
        "text-zstd",
        "text-zstd:",
        "text-zstd:20",
        "text-zstd:-8",
        "TEXT-LZ4",
    ];
    for text in wrong {
        let codec: Result<Codec, String> = text.parse();
        let refused = codec.unwrap_err();
        assert!(refused.contains(&format!("{text:?}")), "{refused}");
    }
}

/// A block of one type of which `payload` is the only payload.
fn of_one(name: &str, payload: Vec<u8>) -> Block {
    block_at(4096, &[row("a", name, payload)])
}

#[test]
fn a_type_that_gained_nothing_is_left_alone_for_a_while_and_tried_again() {
    let mut random = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = (0..4000).map(|_| random.u8(..)).collect();
    let text = b"0123456789".repeat(400);
    for codec in [Codec::Lz4, Codec::Zstd(1), Codec::TextZstd(1)] {
        let mut compressor = Compressor::default();
        let mut codec_of = |name: &str, payload: &[u8]| {
            let block = of_one(name, payload.to_vec());
            let mut bytes = Vec::new();
            let head = block.encode(codec, &mut compressor, &mut bytes);
            let back = Block::decode(head.clone(), &bytes, Payloads::All).unwrap();
            assert_eq!(seen(&back), seen(&block));
            head.sections.last().unwrap().codec
        };
        assert_ne!(codec_of("Text", &text), STORED);
        assert_eq!(codec_of("Text", &noise), STORED, "nothing to gain");
        let alone = (0..500).take_while(|_| codec_of("Text", &text) == STORED);
        let alone = alone.count();
        assert!((1..500).contains(&alone), "{alone} blocks were left alone");
        assert_ne!(codec_of("Text", &text), STORED, "it pays again");
        assert_eq!(codec_of("Noise", &noise), STORED);
        assert_ne!(codec_of("Text", &text), STORED, "another type suffers not");
    }
}

#[test]
fn large_blocks_end_at_a_page_of_their_file_and_small_ones_where_they_end() {
    for place in [4096, 4096 + 64, 4096 + 4032, 10 * 4096 + 2048] {
        for count in [1, 10, 1000, 3000, 9000] {
            for codec in [Codec::None, Codec::TextLz4, Codec::Zstd(1)] {
                check_paged(&block_at(place, &rows(count)), codec);
            }
        }
    }
}

fn check_paged(block: &Block, codec: Codec) {
    let place = block.head().place;
    let mut bytes = PageBuffer::new();
    bytes.resize(in_page(place), 0);
    let head = block.encode_paged(codec, &mut Compressor::default(), &mut bytes);
    let written = &bytes[in_page(place)..];
    assert_eq!(head.length as usize, written.len());
    assert!(written.len().is_multiple_of(64));

    let (plain_head, plain) = encode(block, codec);
    let what = format!("{codec}, {} bytes at {place}", plain.len());
    let ends_at_page = (place as usize + written.len()).is_multiple_of(PAGE_BYTES);
    if plain.len() >= PAGED_BLOCK_BYTES + PAGE_BYTES {
        assert!(ends_at_page, "{what}");
        assert!(written.len() < plain.len() + PAGE_BYTES, "{what}");
    } else if plain.len() < PAGED_BLOCK_BYTES {
        assert_eq!(written, plain, "{what}");
    }
    // What was added is zeros, and the sections are the same.
    assert_eq!(head.sections, plain_head.sections, "{what}");
    let end = plain_head.sections.iter().map(|one| one.start + one.stored);
    let rest = &written[end.max().unwrap() as usize..];
    assert!(rest.iter().all(|byte| *byte == 0), "{what}");

    let back = Block::decode(head.clone(), written, Payloads::All).unwrap();
    assert_eq!(back.head(), &head);
    assert_eq!(seen(&back), seen(block), "{what}");
}
