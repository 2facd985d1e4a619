//! Files and pipes, plain and compressed.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use eventcask_cli::input::{RowSpec, Rows};

use crate::support::{Dripping, all_of, checks_of, checks_of_stream, rows_of, rows_of_stream};

const ROWS: &str = "{\"k\":1}\n{\"k\":2}\n";
const READ: [&str; 2] = ["0:1 1 {\"k\":1}", "1:2 2 {\"k\":2}"];

fn spec() -> RowSpec {
    RowSpec::new("k")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstd(text: &str) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory takes it");
    encoder
        .include_checksum(true)
        .expect("a checksum is possible");
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn many_rows() -> String {
    let row = |n: u64| {
        format!(
            "{{\"k\":{n},\"v\":{}}}\n",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    };
    (0..20_000).map(row).collect()
}

#[test]
fn compression_is_told_by_the_name_or_by_the_first_bytes() {
    for name in ["f.ndjson.gz", "f.ndjson", "f", "f.ndjson.zst"] {
        assert_eq!(rows_of(name, &gzip(ROWS), &spec()), READ, "{name}");
        assert_eq!(rows_of(name, &zstd(ROWS), &spec()), READ, "{name}");
    }
}

#[test]
fn the_format_is_told_by_the_name_or_by_the_first_byte() {
    assert_eq!(
        rows_of("f", format!("\n {ROWS}").as_bytes(), &spec())[0],
        "0:2 1 {\"k\":1}"
    );
    assert_eq!(
        rows_of("f", b"k,v\na,1\n", &spec()),
        ["0:2 a {\"k\":\"a\",\"v\":1}"]
    );
    for name in ["f.json", "f.JSONL", "f.jsonl.gz"] {
        let name = name.trim_end_matches(".gz");
        assert!(
            rows_of(name, b"x,y\n", &spec())[0].starts_with("0:1 NO"),
            "{name}"
        );
    }
    let csv = RowSpec {
        format: Some(eventcask_cli::input::Format::Csv),
        ..spec()
    };
    assert_eq!(rows_of("f.json", b"k\n5\n", &csv), ["0:2 5 {\"k\":5}"]);
}

#[test]
fn members_and_frames_one_after_the_other_are_read_through() {
    let (one, two) = ROWS.split_at(8);
    assert_eq!(
        rows_of("f.gz", &[gzip(one), gzip(two)].concat(), &spec()),
        READ
    );
    assert_eq!(
        rows_of("f.zst", &[zstd(one), zstd(two)].concat(), &spec()),
        READ
    );
}

#[test]
fn a_truncated_file_gives_its_whole_rows_and_then_one_error() {
    for packed in [gzip(&many_rows()), zstd(&many_rows())] {
        let cut = &packed[..packed.len() / 2];
        let mut rows = rows_of("f.ndjson", cut, &spec());
        let error = rows.pop().expect("there is an error");
        let line = rows.len() + 1;
        let expected = format!(
            "exit 2: f.ndjson:{line}: the compressed data ends too early: the file is cut off"
        );
        assert_eq!(error, expected);
        assert!(
            (2_000..18_000).contains(&rows.len()),
            "{} rows were read",
            rows.len()
        );
        assert!(rows.iter().all(|row| !row.contains("NO")), "no row is cut");
    }
}

#[test]
fn a_truncated_csv_file_gives_its_whole_rows_and_then_one_error() {
    let text: String = (0..20_000u64)
        .map(|n| format!("{n},{}\n", n * 7919))
        .collect();
    let packed = gzip(&format!("k,v\n{text}"));
    let mut rows = rows_of("f.csv.gz", &packed[..packed.len() / 2], &spec());
    let error = rows.pop().expect("there is an error");
    assert!(
        error.starts_with(&format!("exit 2: f.csv.gz:{}: ", rows.len() + 2)),
        "{error}"
    );
    let last = rows.last().expect("there are rows");
    let n: u64 = rows.len() as u64 - 1;
    assert_eq!(
        *last,
        format!("{n}:{} {n} {{\"k\":{n},\"v\":{}}}", n + 2, n * 7919)
    );
}

#[test]
fn a_damaged_file_is_an_error_with_file_and_line() {
    let mut packed = zstd(&many_rows());
    let middle = packed.len() / 2;
    packed[middle..middle + 64].fill(0x55);
    let rows = rows_of("f.zst", &packed, &spec());
    let error = rows.last().expect("there is an error");
    assert!(error.starts_with("exit 2: f.zst:"), "{error}");
    assert!(error.contains("the zstd data is damaged"), "{error}");
    let mut packed = gzip(ROWS);
    let len = packed.len();
    packed[len - 8] ^= 1;
    let rows = rows_of("f.gz", &packed, &spec());
    assert_eq!(rows[..2], READ);
    assert!(
        rows[2].contains("f.gz:3: the gzip data is damaged"),
        "{}",
        rows[2]
    );
}

#[test]
fn an_empty_file_with_the_name_of_a_compressed_one_is_cut_off() {
    for name in ["f.csv.gz", "f.ndjson.zst"] {
        let error = "the compressed data ends too early: the file is cut off";
        assert_eq!(
            rows_of(name, b"", &spec()),
            [format!("exit 2: {name}:1: {error}")]
        );
    }
}

#[test]
fn a_file_that_only_has_the_name_of_a_compressed_one_is_an_error() {
    for name in ["f.ndjson.gz", "f.ndjson.zst"] {
        let rows = rows_of(name, ROWS.as_bytes(), &spec());
        assert_eq!(rows.len(), 1);
        assert!(
            rows[0].starts_with(&format!("exit 2: {name}:1: the ")),
            "{}",
            rows[0]
        );
    }
}

#[test]
fn a_compressed_stream_may_come_a_byte_at_a_time() {
    for packed in [gzip(ROWS), zstd(ROWS)] {
        assert_eq!(
            rows_of_stream("stdin", Dripping::new(&packed), &spec()),
            READ
        );
    }
}

/// Tapes and disks fill a file up with zeros, which `gzip -d` passes over.
#[test]
fn zeros_after_the_end_of_gzip_data_are_passed_over() {
    for zeros in [1, 7, 512, 300_000] {
        let packed = [gzip(ROWS), vec![0; zeros]].concat();
        assert_eq!(rows_of("f.ndjson.gz", &packed, &spec()), READ);
        assert_eq!(
            rows_of_stream("stdin", Dripping::new(&packed), &spec()),
            READ
        );
    }
    let two = [gzip(ROWS), gzip("")].concat();
    assert_eq!(rows_of("f.ndjson.GZ", &two, &spec()), READ);
    let more = [gzip(ROWS), vec![0; 9], gzip(ROWS)].concat();
    let rows = rows_of("f.ndjson.gz", &more, &spec());
    let said = "exit 2: f.ndjson.gz:3: the gzip data is damaged: something follows the zeros after its end";
    assert_eq!(rows.last().map(String::as_str), Some(said));
    let cut = &gzip(ROWS)[..gzip(ROWS).len() - 3];
    let rows = rows_of("f.ndjson.gz", &[cut, &[0; 2]].concat(), &spec());
    assert!(
        rows.last().is_some_and(|row| row.contains("cut off")),
        "{rows:?}"
    );
}

#[test]
fn files_are_opened_by_their_path() {
    let dir = tempfile::tempdir().expect("there is room for a directory");
    let path = dir.path().join("rows.ndjson.zst");
    fs::write(&path, zstd(ROWS)).expect("it can be written");
    let rows = Rows::open(&path, spec()).expect("it can be opened");
    assert_eq!(rows.bytes_total(), Some(zstd(ROWS).len() as u64));
    assert_eq!(all_of(rows), READ);
}

#[test]
fn what_can_not_be_opened_is_said_in_a_sentence() {
    let said = |path: &Path| match Rows::open(path, spec()) {
        Ok(_) => "it opened".to_owned(),
        Err(failure) => failure.to_string(),
    };
    let dir = tempfile::tempdir().expect("there is room for a directory");
    let missing = dir.path().join("no.csv");
    let shown = missing.display();
    assert_eq!(
        said(&missing),
        format!("{shown}: can not be opened: no such file or directory")
    );
    let shown = dir.path().display();
    assert_eq!(
        said(dir.path()),
        format!("{shown}: is a directory; name the files in it instead")
    );
}

/// A row over the limit was hashed whole where its end came in the same read, and by its length
/// where it did not. So the check of a piped file was another one by chance, and the file was
/// taken for another file when it was ingested again.
#[test]
fn a_row_over_the_limit_is_the_same_however_its_bytes_arrive() {
    let spec = RowSpec {
        payload_bytes_max: 100,
        ..spec()
    };
    let long = "x".repeat(5000);
    let files = [
        (
            "f.ndjson",
            format!("{{\"k\":1}}\n{{\"k\":\"{long}\"}}\r\n{{\"k\":2}}\n"),
        ),
        ("f.ndjson", format!("{{\"k\":1}}\n\n{{\"k\":\"{long}\"}}")),
        ("f.ndjson", format!("{}{{\"k\":1}}\n", " ".repeat(5000))),
        (
            "f.csv",
            format!("k,v\r\n1,2\r\n\r\n{long},3\r\n2,{long}\n3,4"),
        ),
        ("f.csv", format!("k,v\n1,{long}")),
        ("f.csv", format!("k,v\n1,\"{long}\n\n")),
        ("f.csv", format!("k,v\n1,\"{}", "\n".repeat(5000))),
        ("f.csv", format!("k,{long}\n1,2\n")),
    ];
    for (name, file) in files {
        let dripping = || Dripping::new(file.as_bytes());
        let whole = rows_of(name, file.as_bytes(), &spec);
        assert_eq!(whole, rows_of_stream(name, dripping(), &spec), "{name}");
        if !whole.iter().any(|row| row.starts_with("exit")) {
            let dripped = checks_of_stream(name, dripping(), &spec);
            assert_eq!(checks_of(name, file.as_bytes(), &spec), dripped, "{name}");
        }
    }
}

/// The limit is on the row alone: not on blank lines before it, nor on the end of its line.
#[test]
fn a_csv_row_of_just_the_limit_is_taken() {
    let limit = 100;
    let spec = RowSpec {
        payload_bytes_max: limit,
        ..spec()
    };
    let over = |bytes: usize| {
        let file = format!("k\r\n\r\n\r\n{}\r\n", "x".repeat(bytes));
        let rows = rows_of("f.csv", file.as_bytes(), &spec);
        rows[0].contains("over the limit")
    };
    let largest = limit - r#"{"k":""}"#.len();
    assert!(!over(largest) && over(largest + 1) && over(limit) && over(limit + 1));
}
