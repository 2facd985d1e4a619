//! Files of rows, plain and packed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Entry, entry};

const NDJSON: &str = concat!(
    r#"{"key":"N14228","type":"Flight","time":"2013-01-01T10:00:00Z","id":"a-1","delay":2}"#,
    "\n\n",
    r#"  {"key":7,"type":"Fl\u0069ght","time":1357034400,"id":"0191d3f0-0000-7000-8000-000000000001"} "#,
    "\r\n",
    r#"{"key":"NA","type":"Flight"}"#,
    "\n",
    r#"{"type":"Flight","deep":[[{"a":[]}]],"key":"x","id":"b","time":null}"#,
    "\n{not json}\n"
);
const CSV: &str = concat!(
    "key,type,time,id,\"delay, in minutes\"\r\n",
    "N14228,Flight,2013-01-01T10:00:00Z,a-1,2\r\n",
    "\"N 24\"\"211\",Flight,NA,a-2,\"two\nlines\"\n",
    "N619AA,Flight,1357034400,a-3\n",
    "\n",
    "N804JB,Landed,2013-01-01 10:00:00,0191d3f0-0000-7000-8000-000000000001,-1.5e3\n",
    "NA,Flight,,,NA\n",
    "\"never closed,Flight\n"
);

/// A row that is longer than the targets take, between two that are not.
fn with_a_long_row() -> String {
    let first = NDJSON.lines().next().unwrap_or_default();
    let long = format!(r#"{{"key":"{}","type":"T"}}"#, "k".repeat(7000));
    format!("{first}\n{long}\n{first}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).expect("memory can be written");
    packer.finish().expect("memory can be written")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("memory can be compressed")
}

/// A skippable frame, then one with rows: what parallel compressors write.
fn skippable(bytes: &[u8]) -> Vec<u8> {
    let skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip";
    [&skipped[..], &zstd(bytes)].concat()
}

pub(super) fn entries() -> Vec<Entry> {
    let csv_with_id = CSV.replacen("key", "\u{feff}key", 1);
    vec![
        entry("ndjson", "rows", NDJSON.as_bytes().to_vec()),
        entry("ndjson", "long-row", with_a_long_row().into_bytes()),
        entry("ndjson", "refused-depth", br#"{"a":"#.repeat(200)),
        entry("csv", "rows", CSV.as_bytes().to_vec()),
        entry("csv", "byte-order-mark", csv_with_id.into_bytes()),
        entry(
            "csv",
            "long-row",
            [CSV.as_bytes(), &b"x,".repeat(2500)].concat(),
        ),
        entry("csv", "refused-header", b"key,key\n1,2\n".to_vec()),
        entry("packed", "plain", NDJSON.as_bytes().to_vec()),
        entry("packed", "ndjson-gzip", gzip(NDJSON.as_bytes())),
        entry("packed", "csv-gzip", gzip(CSV.as_bytes())),
        entry("packed", "csv-zstd", zstd(CSV.as_bytes())),
        entry("packed", "skippable", skippable(NDJSON.as_bytes())),
    ]
}
