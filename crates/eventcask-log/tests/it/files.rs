//! The real file system.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use eventcask_log::{FileStorage, Manifest, Open, Storage};
use tempfile::TempDir;

use crate::support::{FIRST_SEGMENT, Writer, deposits, make_store, read, recover, shard_on};

/// A store on disk with one event, in a directory that goes with the first part.
fn store() -> (TempDir, PathBuf, FileStorage) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("deep/er/store");
    let storage = FileStorage::new(&root);
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 1));
    writer.close();
    (scratch, root, storage)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything below a directory.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(below(&path));
        }
        all.push(path);
    }
    all
}

fn make_fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}

/// Puts something else in the place of a file.
fn replace_by(path: &Path, what: &str) {
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).unwrap();
    match what {
        "link" => symlink(&aside, path).unwrap(),
        "link to nothing" => symlink(path.with_extension("nothing"), path).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        _ => make_fifo(path),
    }
}

const OTHERS: [&str; 4] = ["link", "link to nothing", "directory", "pipe"];

#[test]
fn s7_files_and_directories_are_for_the_owner_alone() {
    let (scratch, root, storage) = store();
    let _lock = storage.lock().unwrap().unwrap();
    for made in ["deep", "deep/er", "deep/er/store"] {
        assert_eq!(mode(&scratch.path().join(made)), 0o700, "{made}");
    }
    let all = below(&root);
    assert_eq!(all.len(), 5, "{all:?}");
    for path in all {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

#[test]
fn s7_anything_but_a_plain_file_is_refused_in_place_of_one() {
    for what in OTHERS {
        for how in [Open::Read, Open::Write, Open::Create] {
            let (_scratch, root, storage) = store();
            replace_by(&root.join("MANIFEST"), what);
            assert!(storage.open("MANIFEST", how).is_err(), "{what}");
            assert!(Manifest::read(&storage).is_err(), "{what}");

            replace_by(&root.join(FIRST_SEGMENT), what);
            assert!(storage.open(FIRST_SEGMENT, how).is_err(), "{what}");
            assert!(read(&storage).is_err(), "{what}");
            assert!(recover(&storage).is_err(), "{what}");
        }
    }
}

/// A link in place of a directory was followed, read and written through.
#[test]
fn s7_a_link_in_place_of_a_directory_of_the_store_is_refused() {
    for dir in ["shards", "shards/0000"] {
        let (_scratch, root, storage) = store();
        let path = root.join(dir);
        replace_by(&path, "link");
        let before = below(&path.with_extension("aside"));
        let file = format!("{dir}/letter");
        assert!(storage.list(dir).is_err(), "{dir}");
        assert!(storage.create_dir(dir).is_err(), "{dir}");
        assert!(storage.create_dir(&file).is_err(), "{dir}");
        assert!(storage.sync_dir(dir).is_err(), "{dir}");
        assert!(storage.remove_dir(dir).is_err(), "{dir}");
        assert!(storage.open(&file, Open::Create).is_err(), "{dir}");
        assert!(storage.open(FIRST_SEGMENT, Open::Read).is_err(), "{dir}");
        assert!(storage.remove(FIRST_SEGMENT).is_err(), "{dir}");
        assert!(storage.rename(FIRST_SEGMENT, "x").is_err(), "{dir}");
        assert!(storage.rename("MANIFEST", &file).is_err(), "{dir}");
        let refused = recover(&storage).unwrap_err().to_string();
        assert!(refused.contains("is a link, not a directory"), "{refused}");
        assert!(read(&storage).is_err(), "{dir}");
        assert_eq!(below(&path.with_extension("aside")), before, "{dir}");
    }
}

#[test]
fn s7_the_directory_of_a_store_may_be_reached_through_links() {
    let (scratch, root, _) = store();
    let link = scratch.path().join("link");
    symlink(&root, &link).unwrap();
    let storage = FileStorage::new(&link);
    storage.create_dir("").unwrap();
    assert!(recover(&storage).is_ok());
    let above = scratch.path().join("above");
    symlink(scratch.path().join("deep"), &above).unwrap();
    FileStorage::new(above.join("new/store"))
        .create_dir("")
        .unwrap();
    assert!(scratch.path().join("deep/new/store").is_dir());
}

/// The lock's note was opened without care: a pipe in its place kept the open waiting for ever.
#[test]
fn s7_nothing_that_stands_for_the_lock_file_is_followed_or_waited_for() {
    for what in OTHERS {
        let (_scratch, root, storage) = store();
        let note = root.join("LOCK");
        fs::write(&note, b"precious").unwrap();
        replace_by(&note, what);
        assert!(storage.lock().unwrap().is_some(), "{what}");
        assert_eq!(fs::read(root.join("LOCK.aside")).unwrap(), b"precious");
        assert!(!root.join("LOCK.nothing").exists());
    }
}

#[test]
fn s7_a_cut_does_not_write_through_a_link() {
    let (_scratch, root, storage) = store();
    let (writer, _) = Writer::open(&storage).unwrap();
    let place = writer.tail.place;
    drop(writer);
    let precious = root.join("precious");
    fs::write(&precious, b"precious").unwrap();
    let cut = format!("{}/shards/0000/0000000001.cut-{place}", root.display());
    symlink(&precious, &cut).unwrap();
    symlink(&precious, format!("{cut}.2.new")).unwrap();
    let segment = fs::OpenOptions::new()
        .append(true)
        .open(root.join(FIRST_SEGMENT));
    std::io::Write::write_all(&mut segment.unwrap(), b"torn").unwrap();
    assert!(recover(&storage).is_err());
    assert!(
        fs::read(root.join(FIRST_SEGMENT))
            .unwrap()
            .ends_with(b"torn")
    );
    fs::remove_file(format!("{cut}.2.new")).unwrap();
    assert!(recover(&storage).is_ok());
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    assert_eq!(fs::read(format!("{cut}.2")).unwrap(), b"torn");
}

#[test]
fn s8_a_second_writer_is_refused_also_after_the_lock_file_was_deleted() {
    let (_scratch, root, storage) = store();
    let other = FileStorage::new(&root);
    assert!(!other.is_locked().unwrap());
    let lock = storage.lock().unwrap().unwrap();
    let note = fs::read_to_string(root.join("LOCK")).unwrap();
    assert_eq!(note, format!("{}\n", std::process::id()));
    for _ in 0..2 {
        assert!(other.is_locked().unwrap());
        assert!(other.lock().unwrap().is_none());
        assert!(storage.lock().unwrap().is_none());
        let _ = fs::remove_file(root.join("LOCK"));
    }
    drop(lock);
    assert!(!other.is_locked().unwrap());
    assert!(other.lock().unwrap().is_some());
}

#[test]
fn s8_the_lock_is_the_same_by_whatever_name_the_store_is_reached() {
    let (scratch, root, storage) = store();
    let link = scratch.path().join("link");
    symlink(&root, &link).unwrap();
    let _lock = storage.lock().unwrap().unwrap();
    for name in [link, root.join("../store"), root.join(".")] {
        assert!(FileStorage::new(name).lock().unwrap().is_none());
    }
}

/// The open directory of this process that holds the lock, as a child has it that was forked
/// meanwhile.
fn forked(root: &Path) -> std::os::fd::OwnedFd {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let mut open = fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    let found = open.find(|entry| fs::read_link(entry.path()).is_ok_and(|path| path == root));
    let number = found.unwrap().file_name().into_string().unwrap();
    let myself = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    pidfd_getfd(myself, number.parse().unwrap(), PidfdGetfdFlags::empty()).unwrap()
}

/// A child that was forked and ran on kept the lock of a store that its parent had closed: the lock
/// belongs to the open directory, which both have. It is given up by name now.
#[test]
fn s8_a_lock_ends_when_it_is_given_up_also_where_a_child_was_forked_meanwhile() {
    let (_scratch, root, storage) = store();
    let lock = storage.lock().unwrap().unwrap();
    let child = forked(&root);
    assert!(storage.lock().unwrap().is_none());
    drop(lock);
    assert!(!storage.is_locked().unwrap());
    assert!(storage.lock().unwrap().is_some());
    drop(child);
}

/// Who asks whether a store is taken holds its lock for a moment. A writer that came in that
/// moment was told that another writer has the store.
#[test]
fn s8_whoever_asks_for_the_lock_does_not_keep_a_writer_out() {
    let (_scratch, root, storage) = store();
    for _ in 0..20 {
        let asking = fs::File::open(&root).unwrap();
        asking.try_lock_shared().unwrap();
        let (about_to, is_about_to) = mpsc::channel();
        let got_it = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                about_to.send(()).unwrap();
                storage.lock().unwrap().is_some()
            });
            is_about_to.recv().unwrap();
            drop(asking);
            writer.join().unwrap()
        });
        assert!(got_it);
    }
}

#[test]
fn f7_reading_changes_no_file_and_no_time() {
    let (_scratch, root, storage) = store();
    let state = || {
        let mut all: Vec<_> = below(&root)
            .into_iter()
            .map(|path| {
                let about = fs::metadata(&path).unwrap();
                let bytes = fs::read(&path).unwrap_or_default();
                (path, about.modified().unwrap(), about.len(), bytes)
            })
            .collect();
        all.sort();
        all
    };
    let before = state();
    assert_eq!(read(&storage).unwrap().len(), 1);
    Manifest::read(&storage).unwrap();
    storage.is_locked().unwrap();
    let mut problems = Vec::new();
    let dir = shard_on(storage);
    dir.verify(&|| false, &mut problems, &mut |_, _, _| Ok(()))
        .unwrap();
    assert_eq!(problems, []);
    assert_eq!(state(), before);
}

#[test]
fn a_store_on_disk_is_what_it_is_in_memory() {
    let memory = eventcask_log::MemoryStorage::default();
    let scratch = tempfile::tempdir().unwrap();
    let files = FileStorage::new(scratch.path());
    make_store(&memory);
    make_store(&files);
    for life in 0..3 {
        let (mut in_memory, _) = Writer::open(&memory).unwrap();
        let (mut on_disk, _) = Writer::open(&files).unwrap();
        for seed in 0..4 {
            for rows in [deposits(seed + life, 3), deposits(seed, 70)] {
                in_memory.append(&rows);
                on_disk.append(&rows);
            }
        }
        in_memory.roll();
        on_disk.roll();
        if life == 1 {
            in_memory.close();
            on_disk.close();
        }
    }
    for name in memory.files() {
        let expected = crate::support::bytes_of(&memory, &name);
        assert_eq!(
            fs::read(scratch.path().join(&name)).unwrap(),
            expected,
            "{name}"
        );
    }
    assert_eq!(read(&files).unwrap(), read(&memory).unwrap());
}

#[test]
fn a_directory_that_is_not_there_has_no_files_and_no_store() {
    let scratch = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(scratch.path().join("nothing"));
    assert_eq!(storage.list("").unwrap(), [""; 0]);
    assert!(!Manifest::exists(&storage).unwrap());
    assert_eq!(storage.lock().err().unwrap().kind(), ErrorKind::NotFound);
    assert!(!storage.root().exists());
}

#[test]
fn making_a_directory_again_is_fine_and_a_file_in_its_place_is_not() {
    let (_scratch, root, storage) = store();
    for _ in 0..2 {
        storage.create_dir("").unwrap();
        storage.create_dir("shards/0000").unwrap();
    }
    fs::write(root.join("shards/0001"), b"").unwrap();
    assert!(storage.create_dir("shards/0001").is_err());
    assert!(storage.create_dir("shards/0000/a/b").is_err());
}
