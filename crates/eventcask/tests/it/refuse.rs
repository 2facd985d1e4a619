//! What can not be opened, and what is said then.

use std::fs;

use eventcask::{ErrorKind, Store};

use crate::support::put;

#[test]
fn a_directory_that_is_no_store_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.txt"), "dear").unwrap();
    let error = eventcask::open(directory.path()).expect_err("no store");
    assert_eq!(error.kind(), ErrorKind::NotAStore);
    assert!(error.to_string().contains("letter.txt"), "{error}");
    let error = Store::options()
        .open_read_only(directory.path())
        .expect_err("no store");
    assert_eq!(error.kind(), ErrorKind::NotAStore);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// "Not a directory (os error 20)" was an error of the disk.
#[test]
fn a_file_is_no_store_and_not_the_place_of_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("letter.txt");
    fs::write(&file, "dear").unwrap();
    let bank = eventcask::open(directory.path().join("bank")).unwrap();
    let options = Store::options();
    for refused in [
        options.open(&file).map(drop),
        options.clone().create(false).open(&file).map(drop),
        options.open_read_only(&file).map(drop),
        eventcask::verify(&file).map(drop),
        eventcask::repair(&file).map(drop),
        bank.backup(&file).map(drop),
    ] {
        let error = refused.expect_err("it is a file");
        assert_eq!(error.kind(), ErrorKind::NotAStore, "{error}");
        assert!(
            error.to_string().contains("letter.txt is a file"),
            "{error}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), b"dear");
}

#[test]
fn a_store_is_made_only_where_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none");
    let error = Store::options()
        .create(false)
        .open(&path)
        .expect_err("none");
    assert_eq!(error.kind(), ErrorKind::NotAStore);
    assert!(!path.exists());
}

#[test]
fn s8_a_second_writer_is_refused_and_told_who_has_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = eventcask::open(directory.path()).unwrap();
    for _ in 0..2 {
        let error = eventcask::open(directory.path()).expect_err("locked");
        assert_eq!(error.kind(), ErrorKind::Locked);
        let _ = fs::remove_file(directory.path().join("LOCK"));
    }
    put(&store, "a", "{}");
    drop(store);
    let store = eventcask::open(directory.path()).unwrap();
    let error = eventcask::open(directory.path()).expect_err("locked");
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(store);
}

#[test]
fn a_number_of_shards_is_a_power_of_two_and_fixed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    for shards in [0, 3, 12, 8192] {
        let error = Store::options()
            .shards(shards)
            .open(&path)
            .expect_err("no power of two");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("power of two"), "{error}");
        assert!(!path.exists());
    }
    Store::options()
        .shards(4)
        .open(&path)
        .unwrap()
        .close()
        .unwrap();
    let error = Store::options().shards(8).open(&path).expect_err("fixed");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("has 4 shards"), "{error}");
    assert_eq!(eventcask::open(&path).unwrap().shards(), 4);
}

#[test]
fn s11_a_store_of_a_newer_or_an_older_version_is_refused_politely() {
    let directory = tempfile::tempdir().unwrap();
    eventcask::open(directory.path()).unwrap().close().unwrap();
    let manifest = directory.path().join("MANIFEST");
    let mut bytes = fs::read(&manifest).unwrap();
    for (version, kind, advice) in [
        (3, ErrorKind::NewerFormat, "use a newer eventcask"),
        (1, ErrorKind::OlderFormat, "export the events with that one"),
    ] {
        bytes[8] = version;
        let checksum = crc32c::crc32c(&bytes[..124]);
        bytes[124..].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&manifest, &bytes).unwrap();
        let error = eventcask::open(directory.path()).expect_err("another format");
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(fs::read(&manifest).unwrap(), bytes);
    }
}

#[test]
fn a_store_of_a_file_or_of_nothing_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(eventcask::open(&file).is_err());
    assert!(
        Store::options()
            .open_read_only(directory.path().join("none"))
            .is_err()
    );
}
