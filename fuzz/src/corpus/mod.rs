//! The inputs that mutation starts from, made by the real encoders.
//!
//! The files in `fuzz/corpus` are what [`entries`] returns: `cargo run -p eventcask-fuzz --example
//! corpus` writes them, and a test holds the two against each other. An entry is decoded well,
//! unless its name begins with [`REFUSED`].

mod log;
mod views;
mod rows;

use eventcask_log::{Codec, Fate};

pub(crate) use log::{
    FIRST_BLOCK, in_a_segment, manifest_file, manifest_of_another, segment_after,
};
use log::{Log, Row};
pub(crate) use views::{SPEC, definition, definition_file, segment_for_views, spec};

/// The names of entries that no decoder takes begin so.
pub const REFUSED: &str = "refused-";

/// One file of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The target that it is for.
    pub target: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

fn entry(target: &'static str, name: &'static str, bytes: Vec<u8>) -> Entry {
    Entry {
        target,
        name,
        bytes,
    }
}

/// All entries, the same each time.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let mut all = blocks();
    all.extend(segments());
    all.extend(sealed());
    all.extend(stores());
    all.extend(manifests());
    all.extend(views::entries());
    all.extend(rows::entries());
    all.extend(sections());
    all
}

/// The inputs of one target.
#[must_use]
pub fn inputs_of(target: &str) -> Vec<Vec<u8>> {
    let ours = entries().into_iter().filter(|entry| entry.target == target);
    ours.map(|entry| entry.bytes).collect()
}

/// A block of one event with an empty payload: types, keys, one group, one chunk.
pub(crate) fn one_event_block() -> Vec<u8> {
    let opened = Row::new("account-7", "Opened", "");
    Log::new().append(&[opened]).blocks()
}

fn blocks() -> Vec<Entry> {
    let deposits = log::deposits(1, 12);
    let with = |codec, rows: &[Row]| Log::new().with_codec(codec).append(rows).blocks();
    let mut marked = Log::new();
    marked.mark("flights-2013.csv", 400);
    marked.mark("topic/7", u64::MAX);
    let mut cut = with(Codec::None, &deposits);
    cut.truncate(cut.len() - 64);
    vec![
        entry(
            "block",
            "one-event",
            with(Codec::None, &log::deposits(2, 1)),
        ),
        entry("block", "plain", with(Codec::None, &deposits)),
        entry("block", "lz4", with(Codec::Lz4, &deposits)),
        entry("block", "zstd", with(Codec::Zstd(3), &deposits)),
        entry(
            "block",
            "ids-and-times",
            with(Codec::None, &log::deposits_with_ids(3, 6)),
        ),
        entry("block", "types", with(Codec::None, &log::many_types(9))),
        entry("block", "groups", with(Codec::None, &log::short(258))),
        entry("block", "metadata", with(Codec::None, &log::carrying(9))),
        entry(
            "block",
            "metadata-of-groups",
            with(Codec::Lz4, &log::carrying(1030)),
        ),
        entry("block", "chunks", with(Codec::Lz4, &log::large(3))),
        entry("block", "shapes", with(Codec::None, &log::shaped(9))),
        entry(
            "block",
            "shapes-of-groups",
            with(Codec::Lz4, &log::shaped(1030)),
        ),
        entry(
            "block",
            "own-places",
            Log::new().with_places().append(&deposits).blocks(),
        ),
        entry(
            "block",
            "marks",
            marked.append(&log::deposits(4, 3)).blocks(),
        ),
        entry("block", "refused-cut", cut),
    ]
}

/// Segments that show all that recovery tells apart.
fn segments() -> Vec<Entry> {
    let three = || {
        let mut log = Log::new();
        for seed in 0..3 {
            log.append(&log::deposits(seed, 4)).sync();
        }
        log
    };
    let mut torn = three().segment();
    torn.truncate(torn.len() - 70);
    let mut room = three().segment();
    room.resize(room.len() + 256, 0);
    let mut damaged = three().segment();
    damaged[4096 + 300] ^= 1;
    let mixed = Log::new()
        .append(&log::deposits(1, 5))
        .with_codec(Codec::Lz4)
        .append(&log::many_types(5))
        .with_codec(Codec::Zstd(1))
        .append(&log::deposits_with_ids(2, 8))
        .segment();
    vec![
        entry("segment", "refused-no-block", Log::new().segment()),
        entry("segment", "three-blocks", three().segment()),
        entry("segment", "closed", three().close().segment()),
        entry(
            "segment",
            "opened-again",
            three().close().append(&log::deposits(9, 2)).segment(),
        ),
        entry("segment", "codecs", mixed),
        entry("segment", "torn", torn),
        entry("segment", "room-ahead", room),
        entry("segment", "refused-damaged", damaged),
    ]
}

/// Sealed segments: whole ones, and what is left where events were taken out.
fn sealed() -> Vec<Entry> {
    let bank = || {
        let mut bank = Log::new();
        bank.mark("flights-2013.csv", 400);
        for seed in 0..3 {
            bank.append(&log::deposits_with_ids(seed, 6));
        }
        bank.append(&[Row::new("account-1", "$truncated", "\u{3}\0\0\0\0\0\0\0")]);
        bank
    };
    let mut carrying = Log::new();
    carrying.append(&log::carrying(9)).append(&log::carrying(7));
    let mut shaped = Log::new();
    shaped.append(&log::shaped(9)).append(&log::shaped(7));
    let mut damaged = bank().sealed(Codec::None, &|_| Fate::Kept);
    damaged[130] ^= 1;
    let thin = |position| match position {
        2..=7 => Fate::Removed,
        9 => Fate::Emptied,
        _ => Fate::Kept,
    };
    vec![
        entry(
            "sealed",
            "plain",
            bank().sealed(Codec::None, &|_| Fate::Kept),
        ),
        entry(
            "sealed",
            "zstd",
            bank().sealed(Codec::Zstd(3), &|_| Fate::Kept),
        ),
        entry("sealed", "thinned", bank().sealed(Codec::Lz4, &thin)),
        entry(
            "sealed",
            "emptied",
            bank().sealed(Codec::Lz4, &|_| Fate::Removed),
        ),
        entry("sealed", "clustered", bank().clustered(Codec::None)),
        entry("sealed", "metadata", carrying.clustered(Codec::None)),
        entry("sealed", "shapes", shaped.clustered(Codec::None)),
        entry("sealed", "refused-damaged", damaged),
    ]
}

fn stores() -> Vec<Entry> {
    let mut bank = Log::new();
    for seed in 0..4 {
        bank.append(&log::deposits_with_ids(seed, 5)).sync();
    }
    vec![
        entry("store", "bank", bank.close().segment()),
        entry("store", "flights", segment_for_views()),
        entry(
            "store",
            "own-places",
            Log::new()
                .with_places()
                .append(&log::deposits(1, 9))
                .segment(),
        ),
    ]
}

fn manifests() -> Vec<Entry> {
    vec![
        entry("manifest", "one-shard", manifest_file()),
        entry("manifest", "many-shards", log::manifest_of(4096, i64::MIN)),
        entry("manifest", "of-another", manifest_of_another()),
    ]
}

/// A byte for the codec, four for the raw length, then what is stored.
fn sections() -> Vec<Entry> {
    let text = br#"{"cents":500,"by":"teller"}"#.repeat(12);
    let section = |codec, raw: usize, stored: &[u8]| {
        [&[codec][..], &(raw as u32).to_le_bytes(), stored].concat()
    };
    let lz4 = |raw: &[u8]| lz4_flex::block::compress(raw);
    let zstd = |raw: &[u8]| zstd::bulk::compress(raw, 3).expect("memory can be compressed");
    let bomb = vec![0; 1 << 20];
    vec![
        entry("sections", "plain", section(0, text.len(), &text)),
        entry("sections", "lz4", section(1, text.len(), &lz4(&text))),
        entry("sections", "zstd", section(2, text.len(), &zstd(&text))),
        entry(
            "sections",
            "zstd-dense",
            section(2, bomb.len(), &zstd(&bomb)),
        ),
        entry(
            "sections",
            "refused-lz4-bomb",
            section(1, 1000, &lz4(&bomb)),
        ),
        entry(
            "sections",
            "refused-zstd-bomb",
            section(2, 1000, &zstd(&bomb)),
        ),
        entry("sections", "refused-codec", section(3, 4, b"none")),
    ]
}
