//! Reading beside a writer, and changing nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventcask_log::{Lock, Manifest, MemoryStorage, Open, ShardDir, Storage, StoredFile, Tail};

use crate::support::{
    FIRST_SEGMENT, STORE, Writer, bytes_of, deposits, dump, make_store, put_file, read,
};

fn follow(dir: &ShardDir, tail: &mut Tail) -> usize {
    let mut rows = 0;
    dir.follow(tail, &mut |block, at| {
        assert_eq!(block.events().len(), at.rows as usize);
        rows += block.events().len();
        Ok(())
    })
    .unwrap();
    rows
}

/// A storage on which every change fails, and which can hide what a writer is at.
#[derive(Clone, Default)]
struct Watched {
    inner: MemoryStorage,
    /// The byte of a file from which the next read that reaches it sees zeros; 0 for none.
    half_written: Arc<AtomicU64>,
}

struct WatchedFile {
    inner: Box<dyn StoredFile>,
    half_written: Arc<AtomicU64>,
}

fn refused<T>() -> io::Result<T> {
    Err(io::Error::other("a reader changed something"))
}

impl Storage for Watched {
    fn create_dir(&self, _name: &str) -> io::Result<()> {
        refused()
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        if how != Open::Read {
            return refused();
        }
        Ok(Box::new(WatchedFile {
            inner: self.inner.open(name, how)?,
            half_written: Arc::clone(&self.half_written),
        }))
    }
    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        refused()
    }
    fn remove(&self, _name: &str) -> io::Result<()> {
        refused()
    }
    fn remove_dir(&self, _name: &str) -> io::Result<()> {
        refused()
    }
    fn sync_dir(&self, _name: &str) -> io::Result<()> {
        refused()
    }
    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        refused()
    }
    fn is_locked(&self) -> io::Result<bool> {
        self.inner.is_locked()
    }
    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}

impl StoredFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let read = self.inner.read_at(buffer, place)?;
        let hidden = self.half_written.load(Ordering::Relaxed);
        if hidden > place && hidden < place + read as u64 {
            buffer[(hidden - place) as usize..].fill(0);
            self.half_written.store(0, Ordering::Relaxed);
        }
        Ok(read)
    }
    fn write_all_at(&self, _bytes: &[u8], _place: u64) -> io::Result<()> {
        refused()
    }
    fn sync(&self) -> io::Result<()> {
        refused()
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, _len: u64) -> io::Result<()> {
        refused()
    }
}

fn watch(storage: &MemoryStorage) -> (Watched, ShardDir) {
    let watched = Watched {
        inner: storage.clone(),
        ..Watched::default()
    };
    let manifest = Manifest::new(STORE, 1, 0).unwrap();
    (
        watched.clone(),
        ShardDir::new(Arc::new(watched), &manifest, 0),
    )
}

#[test]
fn f7_a_reader_changes_nothing_whatever_the_end_looks_like() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    writer.sync();
    let last = writer.append(&deposits(2, 3)).place as usize;
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let (_, dir) = watch(&storage);
    for length in last..=whole.len() {
        put_file(&storage, FIRST_SEGMENT, &whole[..length]);
        let before = dump(&storage);
        let rows = follow(&dir, &mut Tail::empty());
        assert_eq!(rows, if length == whole.len() { 6 } else { 3 });
        let mut problems = Vec::new();
        dir.verify(&|| true, &mut problems, &mut |_, _, _| Ok(()))
            .unwrap();
        assert_eq!(problems, []);
        assert_eq!(dump(&storage), before);
    }
}

#[test]
fn a_reader_picks_up_what_was_appended_since() {
    let storage = MemoryStorage::default();
    make_store(&storage);
    let (_, dir) = watch(&storage);
    let mut tail = Tail::empty();
    assert_eq!(follow(&dir, &mut tail), 0);
    let (mut writer, _) = Writer::open(&storage).unwrap();
    for seed in 0..6 {
        if seed % 3 == 2 {
            writer.append(&deposits(seed, 5));
            writer.roll();
        }
        if seed == 4 {
            writer.write_close();
        }
        writer.append(&deposits(seed, 2));
        let expected = if seed % 3 == 2 { 7 } else { 2 };
        assert_eq!(follow(&dir, &mut tail), expected, "{seed}");
        assert_eq!(follow(&dir, &mut tail), 0);
        assert_eq!(tail.place, writer.tail.place);
        assert_eq!(tail.next_position, writer.tail.next_position);
    }
}

#[test]
fn a_reader_leaves_a_half_written_block_for_the_next_time() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    writer.sync();
    let (_, dir) = watch(&storage);
    let mut tail = Tail::empty();
    assert_eq!(follow(&dir, &mut tail), 3);
    let last = writer.append(&deposits(2, 4)).place as usize;
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let before = tail.clone();
    for length in last..whole.len() {
        put_file(&storage, FIRST_SEGMENT, &whole[..length]);
        assert_eq!(follow(&dir, &mut tail), 0, "{length}");
        assert_eq!(tail, before);
        // Room may have been taken before the bytes arrive.
        let mut zeros = whole[..length].to_vec();
        zeros.resize(whole.len(), 0);
        let is_whole = zeros == whole;
        put_file(&storage, FIRST_SEGMENT, &zeros);
        let mut ahead = tail.clone();
        assert_eq!(follow(&dir, &mut ahead), if is_whole { 4 } else { 0 });
    }
    put_file(&storage, FIRST_SEGMENT, &whole);
    assert_eq!(follow(&dir, &mut tail), 4);
}

/// A writer that finishes a block, and the next, between two reads of a reader made the first
/// look damaged: the next one says that it was durable.
#[test]
fn c2_a_writer_at_work_is_no_damage() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    let blocks = [1, 2, 3].map(|seed| {
        let head = writer.append(&deposits(seed, 4));
        writer.sync();
        head
    });
    for head in &blocks {
        for half in [140, 300, head.length / 2] {
            let (watched, dir) = watch(&storage);
            let hide = || {
                let place = head.place + u64::from(half);
                watched.half_written.store(place, Ordering::Relaxed);
            };
            hide();
            let rows = follow(&dir, &mut Tail::empty());
            assert_eq!(rows, if head.place == blocks[2].place { 8 } else { 12 });
            for is_live in [true, false] {
                hide();
                let mut problems = Vec::new();
                dir.verify(&|| is_live, &mut problems, &mut |_, _, _| Ok(()))
                    .unwrap();
                assert_eq!(problems, [], "{half}");
            }
        }
    }
}

#[test]
fn a_reader_and_a_recovery_see_the_same() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for seed in 0..5 {
        writer.append(&deposits(seed, 3));
    }
    let seen = read(&storage).unwrap();
    assert_eq!(crate::support::recover(&storage).unwrap().1, seen);
}
