//! Files of rows that people bring: NDJSON and CSV, plain and packed.

use std::io::Read;

use eventcask_cli::input::{Next, Row, RowSpec, Rows, TypeFrom};
use eventcask_event::{check_key, check_type};
use serde::de::IgnoredAny;

use crate::bound::bounded;

/// Small, so that rows beyond it come by.
const PAYLOAD_BYTES_MAX: usize = 2048;
/// The window over the file, twice while it grows, and what was read, twice.
const BYTES_MAX: usize = 2 << 20;
const BYTES_A_BYTE: usize = 64;
/// A row of the largest size, unpacked.
const PACKED_BYTES_MAX: usize = 64 << 20;
/// A packed file is longer unpacked, by up to 32,000 times.
const PACKED_INPUT_MAX: usize = 1024;

/// Reads rows of JSON.
pub fn ndjson(bytes: &[u8]) -> bool {
    read_both("rows.ndjson", bytes, BYTES_MAX + BYTES_A_BYTE * bytes.len())
}

/// Reads rows of comma-separated values.
pub fn csv(bytes: &[u8]) -> bool {
    read_both("rows.csv", bytes, BYTES_MAX + BYTES_A_BYTE * bytes.len())
}

/// Reads rows of a format and compression that the content tells.
pub fn packed(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(PACKED_INPUT_MAX)];
    let whole = bounded(PACKED_BYTES_MAX, || read("rows", Box::new(owned(bytes))));
    whole.taken > 0
}

fn owned(bytes: &[u8]) -> std::io::Cursor<Vec<u8>> {
    std::io::Cursor::new(bytes.to_vec())
}

/// Whole and in drops the same rows come out.
fn read_both(name: &str, bytes: &[u8], bytes_max: usize) -> bool {
    let whole = bounded(bytes_max, || read(name, Box::new(owned(bytes))));
    let drops = Drops {
        bytes: bytes.to_vec(),
        at: 0,
    };
    let in_drops = bounded(bytes_max, || read(name, Box::new(drops)));
    assert_eq!(whole, in_drops, "it does not matter how the bytes arrive");
    let rows_max = bytes.len() + 1;
    assert!(whole.lines.len() <= rows_max, "{} rows", whole.lines.len());
    whole.taken > 0
}

/// All that came out of a file.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    lines: Vec<String>,
    taken: usize,
}

fn spec() -> RowSpec {
    RowSpec {
        event_type: TypeFrom::Field("type".to_owned()),
        time: Some("time".to_owned()),
        id: Some("id".to_owned()),
        null: Some("NA".to_owned()),
        payload_bytes_max: PAYLOAD_BYTES_MAX,
        ..RowSpec::new("key")
    }
}

fn read(name: &str, stream: Box<dyn Read + Send>) -> Outcome {
    let mut all = Outcome::default();
    let mut rows = match Rows::of_stream(name, stream, spec()) {
        Ok(rows) => rows,
        Err(failure) => {
            all.lines.push(failure.to_string());
            return all;
        }
    };
    let mut next_ordinal = 0;
    loop {
        let (ordinal, line) = match rows.next() {
            Ok(None) => return all,
            Ok(Some(Next::Waiting)) => continue,
            Ok(Some(Next::Row(row))) => {
                check_row(&row);
                all.taken += 1;
                (row.ordinal, shown(&row))
            }
            Ok(Some(Next::Rejected(row))) => (
                row.ordinal,
                format!("{}: {} {}", row.line, row.reason, row.check),
            ),
            Err(failure) => (next_ordinal, failure.to_string()),
        };
        assert_eq!(ordinal, next_ordinal, "rows are counted one by one");
        next_ordinal += 1;
        // Unpacked there may be millions; a comparison needs only those of plain files.
        if all.lines.len() <= crate::MAX_INPUT_BYTES {
            all.lines.push(line);
        }
    }
}

fn check_row(row: &Row<'_>) {
    check_key(&row.key).expect("the key can be stored");
    check_type(&row.event_type).expect("the type can be stored");
    assert!(row.payload.len() <= PAYLOAD_BYTES_MAX);
    assert!(row.payload.starts_with(b"{"), "the payload is an object");
    serde_json::from_slice::<IgnoredAny>(row.payload).expect("the payload is JSON");
}

fn shown(row: &Row<'_>) -> String {
    let payload = String::from_utf8_lossy(row.payload);
    let (time, id) = (row.time, row.id);
    format!(
        "{}: {:?} {time:?} {id:?} {payload} {}",
        row.line,
        (&row.key, &row.event_type),
        row.check
    )
}

/// A stream that gives a few bytes at a time.
struct Drops {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = &self.bytes[self.at..];
        // Primes, so that drops end at every place of a row sooner or later.
        let drop = if self.at.is_multiple_of(2) { 31 } else { 113 };
        let count = left.len().min(buffer.len()).min(drop);
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}
