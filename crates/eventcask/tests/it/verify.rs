//! `verify` says yes to what is whole and no, with the place, to what is not.

use std::fs;
use std::path::{Path, PathBuf};

use eventcask::upkeep::VerifyReport;
use eventcask::{ErrorKind, NewEvent, Store, ViewSpec, verify};

use crate::support::{id, put};

fn small_store(path: &Path) {
    let store = Store::options().shards(2).open(path).unwrap();
    let spec = ViewSpec::new("n", &["count"], None, None).unwrap();
    store.create_view("counts", spec).unwrap();
    let mut producer = store.producer();
    for number in 0..30 {
        let payload = format!(r#"{{"n":{}}}"#, number % 3);
        let event = NewEvent::json("Counted", payload.as_bytes()).id(id(number + 1));
        producer
            .push(&format!("key-{}", number % 4), &event)
            .unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    put(&store, "key-0", "{}");
    drop(producer);
    store.close().unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn check(path: &Path) -> Result<VerifyReport, ErrorKind> {
    verify(path).map_err(|error| error.kind())
}

#[test]
fn c6_a_whole_store_is_said_to_be_whole() {
    let directory = tempfile::tempdir().unwrap();
    small_store(directory.path());
    let report = check(directory.path()).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    assert_eq!((report.events, report.aggregates), (31, 4));
    assert!(report.bytes > 0);
}

#[test]
fn c6_a_store_that_is_being_written_to_is_said_to_be_whole() {
    let directory = tempfile::tempdir().unwrap();
    small_store(directory.path());
    let store = eventcask::open(directory.path()).unwrap();
    put(&store, "key-1", "{}");
    let report = check(directory.path()).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    assert_eq!(report.events, 32);
}

#[test]
fn c6_any_flipped_byte_is_found_with_its_file() {
    let directory = tempfile::tempdir().unwrap();
    small_store(directory.path());
    let mut flips = 0;
    for file in files(directory.path()) {
        // Neither is part of the data.
        if file.ends_with("LOCK") || file.ends_with("RESERVE") {
            continue;
        }
        let whole = fs::read(&file).unwrap();
        // Every byte of every block; of the zeros in a segment's header a sample.
        for place in
            (0..whole.len()).filter(|place| *place >= 4096 || place % 37 == 0 || *place < 128)
        {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&file, &bytes).unwrap();
            flips += 1;
            // A version or feature word of the future may be refused before anything is read.
            match check(directory.path()) {
                Ok(report) => {
                    let problem = report.problems.first();
                    let problem = problem
                        .unwrap_or_else(|| panic!("{} byte {place} is missed", file.display()));
                    assert_eq!(
                        problem.file,
                        file.display().to_string(),
                        "byte {place}: {}",
                        problem.reason
                    );
                }
                Err(kind) => assert_eq!(kind, ErrorKind::NewerFormat, "{} {place}", file.display()),
            }
        }
        fs::write(&file, &whole).unwrap();
    }
    assert!(flips > 2000, "{flips}");
    assert!(check(directory.path()).unwrap().is_ok());
}

#[test]
fn c2_damage_behind_durable_events_is_told_from_a_torn_end() {
    let directory = tempfile::tempdir().unwrap();
    small_store(directory.path());
    let segment = directory.path().join("shards/0000/0000000001.segment");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[4096 + 300] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let error = eventcask::open(directory.path())
        .map(|_| ())
        .expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let sentence = error.to_string();
    assert!(
        sentence.contains("0000000001.segment") && sentence.contains("4096"),
        "{sentence}"
    );
    assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing was touched");
}

#[test]
fn c5_a_torn_end_is_cut_and_kept_beside() {
    let directory = tempfile::tempdir().unwrap();
    small_store(directory.path());
    let segment = directory.path().join("shards/0000/0000000001.segment");
    let whole = fs::read(&segment).unwrap();
    let torn = [whole.as_slice(), b"half a block"].concat();
    fs::write(&segment, &torn).unwrap();
    assert!(!check(directory.path()).unwrap().is_ok());
    let store = eventcask::open(directory.path()).unwrap();
    assert!(
        store.stats().recovered[0].contains("12 bytes"),
        "{:?}",
        store.stats().recovered
    );
    assert_eq!(store.stats().events, 31);
    store.close().unwrap();
    let kept = directory
        .path()
        .join(format!("shards/0000/0000000001.cut-{}", whole.len()));
    assert_eq!(fs::read(kept).unwrap(), b"half a block");
    assert!(check(directory.path()).unwrap().is_ok());
}

#[test]
fn verify_of_something_else_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(check(directory.path()), Err(ErrorKind::NotAStore));
}

#[test]
fn c2_a_write_that_ended_with_its_process_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    small_store(directory.path());
    let segment = directory.path().join("shards/0000/0000000001.segment");
    let whole = fs::read(&segment).unwrap();
    // Without the mark of the clean close, and cut in the middle of the block before it.
    fs::write(&segment, &whole[..whole.len() - 128 - 64]).unwrap();
    // Nor was it noted by then that the log went further.
    fs::remove_file(directory.path().join("ENDS")).unwrap();
    let report = check(directory.path()).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    assert_eq!(report.unfinished.len(), 1);
    eventcask::open(directory.path()).unwrap().close().unwrap();
    let report = check(directory.path()).unwrap();
    assert!(report.is_ok() && report.unfinished.is_empty());
}
