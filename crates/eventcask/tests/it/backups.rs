//! Where a backup may go, and what becomes of one that is cut short.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::{ErrorKind, Store, ViewSpec, verify};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, all, put};

const EIO: i32 = 5;

/// A store with something of everything that is copied.
fn store() -> (Bank, Store) {
    let bank = Bank::new(2);
    let store = bank.open();
    let spec = ViewSpec::new("n", &["count"], None, None).unwrap();
    store.create_view("v", spec).unwrap();
    for number in 0..10 {
        put(&store, &format!("account-{number}"), r#"{"n":1}"#);
    }
    let mut letters = store.events().named("letters").unwrap();
    letters.try_next().unwrap();
    letters.checkpoint().unwrap();
    drop(letters);
    store
        .truncate_before(eventcask::Timestamp::from_nanos(0))
        .unwrap();
    (bank, store)
}

/// Everything below a directory.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(tree(&path));
        }
        found.insert(path.clone(), fs::read(&path).unwrap_or_default());
    }
    found
}

/// It was copied into the directory that was being copied, and the store held a store from then on.
#[test]
fn a_backup_into_the_store_itself_is_refused_by_whatever_name_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("store");
    let link = scratch.path().join("link");
    let store = Store::options().shards(1).pin(false).open(&path).unwrap();
    put(&store, "a", "{}");
    symlink(&path, &link).unwrap();
    symlink(path.join("shards"), scratch.path().join("deep")).unwrap();
    let before = tree(scratch.path());
    let names = [
        path.clone(),
        path.join("inner"),
        path.join("not/there/yet"),
        path.join("shards/0000"),
        path.join("../store/inner"),
        link.join("inner"),
        link,
        scratch.path().join("deep/inner"),
        scratch.path().join("none/../store/inner"),
    ];
    for store in [
        store.reader(),
        Store::options().open_read_only(&path).unwrap(),
    ] {
        for name in &names {
            let refused = store.backup(name).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{}", name.display());
            let sentence = refused.to_string();
            assert!(sentence.contains("lies in the store"), "{sentence}");
        }
    }
    assert_eq!(tree(scratch.path()), before);
    store.backup(scratch.path().join("beside")).unwrap();
}

fn check_copy(bank: &Bank, copy: &MemoryStorage, whole: &Store) {
    let to: Arc<dyn Storage> = Arc::new(copy.clone());
    let report = verify(&to).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    let store = bank.options.open(to).unwrap();
    assert_eq!(all(&store), all(whole));
    assert_eq!(store.stats().subscriptions.len(), 1);
    assert!(store.view("v").is_ok());
}

/// A backup that was cut short was called no event store, and could not be begun again.
#[test]
fn a_backup_that_was_cut_short_says_so_and_is_begun_again() {
    for cut_at in [
        "MANIFEST.unfinished",
        "shards",
        "views",
        "subscriptions",
        "RETENTION",
        "ENDS",
    ] {
        let (bank, store) = store();
        let copy = MemoryStorage::default();
        let disk = FaultyDisk::on(Arc::new(copy.clone()));
        disk.fails(Operation::Sync, cut_at, Fault::Errno(EIO));
        let to: Arc<dyn Storage> = Arc::new(disk.clone());
        assert_eq!(
            store.backup(&to).unwrap_err().kind(),
            ErrorKind::Io,
            "{cut_at}"
        );
        disk.is_well();
        if cut_at != "MANIFEST.unfinished" {
            for refused in [
                bank.options.open(Arc::clone(&to)).unwrap_err(),
                bank.options.open_read_only(Arc::clone(&to)).unwrap_err(),
            ] {
                assert_eq!(refused.kind(), ErrorKind::NotAStore, "{cut_at}");
                let sentence = refused.to_string();
                assert!(
                    sentence.contains("a copy that was not finished"),
                    "{sentence}"
                );
            }
        }
        store.backup(&to).unwrap();
        check_copy(&bank, &copy, &store);
        let again = store.backup(&to).unwrap_err();
        assert_eq!(
            again.kind(),
            ErrorKind::Invalid,
            "a finished one is left alone"
        );
    }
}

#[test]
fn a_backup_never_goes_over_anything_but_its_own_beginnings() {
    let (_, store) = store();
    let (_, other) = self::store();
    let copy = MemoryStorage::default();
    let disk = FaultyDisk::on(Arc::new(copy.clone()));
    disk.fails(Operation::Sync, "ENDS", Fault::Errno(EIO));
    let to: Arc<dyn Storage> = Arc::new(disk.clone());
    store.backup(&to).unwrap_err();
    disk.is_well();
    let before = copy.files();
    let refused = other.backup(&to).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "it is of another store");
    assert_eq!(copy.files(), before);
    to.open("letter", Open::Create).unwrap();
    let refused = store.backup(&to).unwrap_err();
    assert_eq!(
        refused.kind(),
        ErrorKind::Invalid,
        "somebody wrote a letter"
    );
    assert_eq!(copy.files().len(), before.len() + 1);
}

/// With the manifest gone, a new store was made over the files of the old one, and nothing of it
/// could be read any more.
#[test]
fn no_store_is_made_where_another_one_has_lost_its_manifest() {
    let (bank, store) = store();
    store.close().unwrap();
    bank.storage.remove("MANIFEST").unwrap();
    let before = bank.storage.files();
    for gone in ["", "views", "projections", "folds", "subscriptions"] {
        if !gone.is_empty() {
            bank.storage.remove_dir(gone).unwrap();
        }
        let storage = Arc::new(bank.storage.clone());
        let refused = bank.options.open(storage).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotAStore);
        let sentence = refused.to_string();
        assert!(sentence.contains("has lost its MANIFEST"), "{sentence}");
    }
    assert!(bank.storage.files().len() < before.len());
}
