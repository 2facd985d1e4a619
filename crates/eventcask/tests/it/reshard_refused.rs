//! What a store can not be written anew from, or to; one that was cut short; and what is known of the
//! store before, lost or damaged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventcask::inspect::{self, Inspection};
use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::upkeep::{ReshardOptions, reshard};
use eventcask::{Error, ErrorKind, Store, Timestamp, ViewSpec, verify};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::reshard::{
    BY_KEY, aggregates, anew, events, fill, is_whole, open, options, reader, send, write,
};
use crate::support::{bytes_of, copy_of, files, put};

const ENOSPC: i32 = 28;

/// Makes a copy of a store.
type Make<'m> = &'m dyn Fn(&Arc<dyn Storage>) -> Result<(), Error>;

#[test]
fn what_can_not_be_is_refused_and_leaves_nothing() {
    let from = MemoryStorage::default();
    let writer = fill(&from, (2, BY_KEY));
    let to = MemoryStorage::default();
    let how = |shards| ReshardOptions::new(Store::options().shards(shards));
    let refused = reshard(from.clone(), to.clone(), &how(4)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked, "somebody writes to it");
    writer.close().unwrap();
    for shards in [0, 3, 5, 8192] {
        let refused = reshard(from.clone(), to.clone(), &how(shards)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{shards}");
    }
    let nothing = reshard(MemoryStorage::default(), to.clone(), &how(4)).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotAStore);
    assert_eq!(files(&to), [""; 0]);
    let full = reshard(from.clone(), from.clone(), &how(4)).unwrap_err();
    assert!([ErrorKind::Invalid, ErrorKind::Locked].contains(&full.kind()));
    reshard(from.clone(), to.clone(), &how(4)).unwrap();
    let again = reshard(from, to, &how(4)).unwrap_err();
    assert_eq!(
        again.kind(),
        ErrorKind::Invalid,
        "a whole store is never gone over"
    );
}

#[test]
fn nobody_writes_to_the_source_meanwhile() {
    let from = MemoryStorage::default();
    fill(&from, (2, BY_KEY)).close().unwrap();
    let tried = Arc::new(AtomicU64::new(0));
    let how = ReshardOptions::new(Store::options().shards(4)).progress({
        let (from, tried) = (from.clone(), Arc::clone(&tried));
        move |copied, all| {
            assert!(copied <= all && all > 300);
            let refused = Store::options().open(from.clone()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Locked);
            tried.fetch_add(1, Ordering::Relaxed);
        }
    });
    reshard(from.clone(), MemoryStorage::default(), &how).unwrap();
    assert!(tried.load(Ordering::Relaxed) > 0);
    open(&from).close().unwrap();
}

/// A byte of each part of the source is changed: the command says which file, or does without.
#[test]
fn a_damaged_source_is_an_error_by_name_and_leaves_nothing() {
    let from = MemoryStorage::default();
    let store = fill(&from, (2, BY_KEY));
    let expected = events(&store);
    store.close().unwrap();
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let mut refused = 0;
    for path in files(&from)
        .into_iter()
        .filter(|path| path.ends_with(".segment"))
    {
        let length = bytes_of(&from, &path).len() as u64;
        for place in (0..length).step_by(211) {
            let damaged = copy_of(&from);
            let file = damaged.open(&path, Open::Write).unwrap();
            let byte = bytes_of(&from, &path)[place as usize];
            file.write_all_at(&[byte ^ 0x20], place).unwrap();
            let to = MemoryStorage::default();
            match reshard(damaged, to.clone(), &how) {
                Ok(_) => assert_eq!(events(&reader(&to)), expected, "{path} {place}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{path} {place}: {error}");
                    assert!(error.to_string().contains(&path), "{error}");
                    assert_eq!(files(&to), ["LOCK"; 0], "{path} {place}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn c7_a_source_that_has_lost_the_end_of_a_log_is_an_error_by_name() {
    let from = MemoryStorage::default();
    fill(&from, (1, BY_KEY)).close().unwrap();
    let segments = files(&from)
        .into_iter()
        .filter(|path| path.ends_with(".segment"));
    let newest = segments.max().unwrap();
    from.remove(&newest).unwrap();
    let to = MemoryStorage::default();
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let refused = reshard(from, to.clone(), &how).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(
        refused.to_string().contains("has lost its end"),
        "{refused}"
    );
    assert_eq!(files(&to), [""; 0]);
}

/// A source that a repair had to give events of up: their versions are missing, and stay so.
#[test]
fn a_source_that_was_repaired_is_copied_with_its_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let store = options((1, BY_KEY)).seal(false).open(&from).unwrap();
    write(&store, 0..300);
    store.close().unwrap();
    let segment = from.join("shards/0000/0000000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let Inspection::Segment(inspected) = inspect::file(&segment).unwrap() else {
        panic!("it is a segment");
    };
    let block = &inspected.blocks[1];
    bytes[(block.place + u64::from(block.length) / 2) as usize] ^= 0x55;
    std::fs::write(&segment, bytes).unwrap();
    assert!(eventcask::repair(&from).unwrap().lost() > 0);
    reshard(&from, &to, &ReshardOptions::new(options((4, BY_KEY)))).unwrap();
    let report = verify(&to).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    let open = |path| Store::options().open_read_only(path).unwrap();
    assert_eq!(events(&open(&to)), events(&open(&from)));
    assert_eq!(aggregates(&open(&to)), aggregates(&open(&from)));
}

/// Each operation of the disk fails once, whatever it is: the place is no store, says so, and the
/// same call begins it again.
#[test]
fn l14_one_that_is_cut_short_anywhere_is_no_store_and_is_begun_again() {
    let from = MemoryStorage::default();
    let store = fill(&from, (2, BY_KEY));
    let spec = ViewSpec::new("n", &["count"], None, None).unwrap();
    store.create_view("v", spec).unwrap();
    let mut letters = store.events().named("letters").unwrap();
    while letters.try_next().unwrap().is_some() {}
    letters.checkpoint().unwrap();
    drop(letters);
    store.truncate_before(Timestamp::from_nanos(0)).unwrap();
    let expected = events(&store);
    store.close().unwrap();
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let places = [
        "MANIFEST.unfinished",
        "shards/0001",
        "ORIGIN",
        "RETENTION",
        "views",
        "subscriptions",
        "ENDS",
    ];
    for (operation, fault) in [(Operation::Sync, 5), (Operation::Write, ENOSPC)] {
        for place in places {
            let copy = MemoryStorage::default();
            let disk = FaultyDisk::on(Arc::new(copy.clone()));
            disk.fails(operation, place, Fault::Errno(fault));
            let to: Arc<dyn Storage> = Arc::new(disk.clone());
            let failed = reshard(from.clone(), &to, &how).map(drop);
            disk.is_well();
            if place == "ENDS" && fault == ENOSPC {
                // It is noted when the store is opened.
                failed.unwrap();
                continue;
            }
            let kind = failed.unwrap_err().kind();
            let is_full = fault == ENOSPC;
            let expected_kind = if is_full {
                ErrorKind::StorageFull
            } else {
                ErrorKind::Io
            };
            assert_eq!(kind, expected_kind, "{place}");
            let refused = Store::options().create(false).open(&to).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotAStore, "{place}");
            reshard(from.clone(), &to, &how).unwrap();
            is_whole(&copy);
            assert_eq!(events(&reader(&copy)), expected, "{place}");
        }
    }
}

/// The manifest had its name, and nobody knew whether that was durable: all but the manifest was
/// taken away, and what was left could neither be opened nor begun again.
#[test]
fn l14_one_whose_last_sync_fails_is_no_store_and_is_begun_again() {
    let from = MemoryStorage::default();
    fill(&from, (2, BY_KEY)).close().unwrap();
    let source = reader(&from);
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let resharded = |to: &Arc<dyn Storage>| reshard(from.clone(), to, &how).map(drop);
    let backed_up = |to: &Arc<dyn Storage>| source.backup(to).map(drop);
    let ways: [Make<'_>; 2] = [&resharded, &backed_up];
    for make in ways {
        let copy = MemoryStorage::default();
        let disk = FaultyDisk::on(Arc::new(copy.clone()));
        let to: Arc<dyn Storage> = Arc::new(disk.clone());
        disk.fails(Operation::SyncStore, "", Fault::Errno(5));
        assert_eq!(make(&to).unwrap_err().kind(), ErrorKind::Io);
        disk.is_well();
        let refused = Store::options().create(false).open(&to).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotAStore, "{refused}");
        make(&to).unwrap();
        is_whole(&copy);
        assert_eq!(events(&reader(&copy)), events(&source));
    }
}

#[test]
fn an_unfinished_one_is_gone_over_by_its_own_source_only() {
    let (from, other) = (MemoryStorage::default(), MemoryStorage::default());
    fill(&from, (1, BY_KEY)).close().unwrap();
    fill(&other, (1, BY_KEY)).close().unwrap();
    let whole = anew(&from, (4, BY_KEY)).0;
    // As a process leaves it that was killed.
    whole.rename("MANIFEST", "MANIFEST.unfinished").unwrap();
    for refused in [
        Store::options().open(whole.clone()).unwrap_err(),
        Store::options().open_read_only(whole.clone()).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::NotAStore);
        assert!(
            refused.to_string().contains("was not finished"),
            "{refused}"
        );
    }
    let how = ReshardOptions::new(options((2, BY_KEY)));
    let refused = reshard(other, whole.clone(), &how).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    reshard(from.clone(), whole.clone(), &how).unwrap();
    is_whole(&whole);
    assert_eq!(events(&reader(&whole)), events(&reader(&from)));
}

/// What is needed of the store before is in a file of its own.
#[test]
fn a_lost_or_damaged_origin_is_named_and_mended_and_a_backup_has_it() {
    for is_lost in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let store = options((4, BY_KEY)).open(&from).unwrap();
        send(&store, 0..50);
        put(&store, "lovely-ada", "{}");
        store.delete_aggregate("lovely-ada").unwrap();
        store.reclaim().unwrap();
        store.close().unwrap();
        reshard(&from, &to, &ReshardOptions::new(options((2, BY_KEY)))).unwrap();
        let copy = directory.path().join("copy");
        Store::options()
            .open_read_only(&to)
            .unwrap()
            .backup(&copy)
            .unwrap();
        assert_eq!(
            send(&Store::options().open(&copy).unwrap(), 0..60),
            (10, 50)
        );
        let origin = to.join("ORIGIN");
        match is_lost {
            true => std::fs::remove_file(&origin).unwrap(),
            false => std::fs::write(&origin, "ECASKFRM").unwrap(),
        }
        let refused = Store::options().open(&to).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged);
        assert!(refused.to_string().contains("ORIGIN"), "{refused}");
        let problems = verify(&to).unwrap().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].file.ends_with("ORIGIN"));
        let repaired = eventcask::repair(&to).unwrap();
        assert!(
            repaired.verified.is_ok(),
            "{:?}",
            repaired.verified.problems
        );
        assert!(repaired.files.iter().any(|line| line.contains("ORIGIN")));
        let store = Store::options().open(&to).unwrap();
        assert_eq!(
            store.aggregate("lovely-ada").version().unwrap(),
            2,
            "what is in the manifest stays"
        );
        assert_eq!(send(&store, 0..50), (50, 0), "as it is said");
    }
}

#[test]
fn a_store_that_lost_its_manifest_has_its_origin_again() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let store = options((4, BY_KEY)).open(&from).unwrap();
    send(&store, 0..50);
    store.close().unwrap();
    reshard(&from, &to, &ReshardOptions::new(options((2, BY_KEY)))).unwrap();
    let manifest = to.join("MANIFEST");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    assert!(eventcask::repair(&to).unwrap().verified.is_ok());
    assert_eq!(send(&Store::options().open(&to).unwrap(), 0..60), (10, 50));
}
