//! What a long history costs: `cargo run --release -p eventcask-benches --example history --
//! --events 1000000 --dir DIR`.
//!
//! 1. Events go in, all complete segments are sealed, the store is closed.
//! 2. It is opened again: time, memory, bytes read.
//! 3. One aggregate with 50 events, spread evenly over all, is read: time, reads, bytes.
//! 4. All sealed blocks are read and verified, in turn with the yardstick: plain decompression of
//!    the same sections, or a copy of the same bytes where nothing is compressed.
//!
//! Each figure is one JSON object a line.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use eventcask::inspect::{Inspection, Manifest};
use eventcask::storage::{FileStorage, Lock, Open, Storage, StoredFile};
use eventcask::{Codec, EventId, Options, Store};
use eventcask_benches::workload;
use eventcask_log::{BlockReader, Caches, ClosedSegment, Payloads, ShardDir, Tail};

/// Events of the aggregate that is read by itself.
const NEEDLE_EVENTS: u64 = 50;
/// Events for each other aggregate.
const EVENTS_AN_AGGREGATE: u64 = 100;
/// Payloads that are used again and again.
const PAYLOADS: usize = 1 << 16;
const ROUNDS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

fn main() -> Result<()> {
    let events: u64 = argument("--events").map_or(Ok(1_000_000), |text| text.parse())?;
    let dir = PathBuf::from(argument("--dir").ok_or("--dir DIR is missing")?);
    let codec: Codec = argument("--codec").map_or(Ok(Codec::Auto), |text| text.parse())?;
    let options = Store::options().shards(2).codec(codec);
    if !dir.exists() {
        fill(&options, &dir, events)?;
    }
    open(&options, &dir)?;
    read_needle(&options, &dir)?;
    read_all(&dir)
}

fn fill(options: &Options, dir: &Path, events: u64) -> Result<()> {
    let load = workload(PAYLOADS, 1 << 40);
    let store = options.open(dir)?;
    let started = Instant::now();
    let mut producer = store.producer();
    let (aggregates, spread) = (
        (events / EVENTS_AN_AGGREGATE).max(1),
        events / NEEDLE_EVENTS,
    );
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..events {
        let one = &load[number as usize % PAYLOADS];
        let id = EventId::from_u128((u128::from(number) + 1) << 64 | u128::from(random.u64(..)));
        let event = one.event().id(id);
        if number % spread == spread / 2 {
            producer.push("needle", &event)?;
        } else {
            producer.push(&format!("account-{:09}", random.u64(..aggregates)), &event)?;
        }
    }
    producer.flush()?.wait()?;
    let ingest = started.elapsed().as_secs_f64();
    store.seal()?;
    let sealed = started.elapsed().as_secs_f64();
    let stats = store.stats();
    println!(
        r#"{{"what":"fill","events":{events},"ingest_seconds":{ingest:.2},"until_sealed_seconds":{sealed:.2},"segments":{},"sealed":{},"disk_bytes":{},"bytes_per_event":{:.1},"rss_bytes":{}}}"#,
        stats.segments,
        stats.sealed_segments,
        stats.disk_bytes,
        stats.disk_bytes as f64 / events as f64,
        rss_bytes(),
    );
    drop(producer);
    Ok(store.close()?)
}

/// Memory of this process in pages of 4096 bytes, as Linux tells it.
fn rss_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * 4096)
}

fn open(options: &Options, dir: &Path) -> Result<()> {
    for _ in 0..ROUNDS {
        let counted = Counted::new(dir);
        let before = rss_bytes();
        let started = Instant::now();
        let store = options.open_read_only(Arc::new(counted.clone()))?;
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        let stats = store.stats();
        println!(
            r#"{{"what":"open","events":{},"segments":{},"milliseconds":{milliseconds:.2},"reads":{},"read_bytes":{},"rss_growth_bytes":{}}}"#,
            stats.events,
            stats.segments,
            counted.reads(),
            counted.bytes(),
            rss_bytes().saturating_sub(before),
        );
    }
    Ok(())
}

fn read_needle(options: &Options, dir: &Path) -> Result<()> {
    let counted = Counted::new(dir);
    let store = options.open_read_only(Arc::new(counted.clone()))?;
    for round in 0..ROUNDS {
        let (reads, bytes) = (counted.reads(), counted.bytes());
        let started = Instant::now();
        let found = store.aggregate("needle").events()?.count();
        let microseconds = started.elapsed().as_secs_f64() * 1e6;
        println!(
            r#"{{"what":"point read","events":{},"found":{found},"round":{round},"microseconds":{microseconds:.0},"reads":{},"read_bytes":{}}}"#,
            store.stats().events,
            counted.reads() - reads,
            counted.bytes() - bytes,
        );
    }
    Ok(())
}

/// Reads all sealed blocks in turn with the yardstick.
fn read_all(dir: &Path) -> Result<()> {
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(dir));
    let manifest = Manifest::read(&*storage)?;
    let mut segments = Vec::new();
    for shard in 0..manifest.shards {
        let shard_dir = ShardDir::new(Arc::clone(&storage), &manifest, shard);
        let ended = shard_dir.follow(&mut Tail::empty(), &mut |_, _| Ok(()))?;
        let reader = Arc::new(BlockReader::new(shard_dir.clone(), Caches::default()));
        segments.extend(ended.into_iter().map(|segment| {
            let path = shard_dir.describe(segment.number());
            (path, Arc::clone(&reader), segment)
        }));
    }
    // One segment at a time stays in the page cache, whatever the history.
    for (path, reader, segment) in segments.iter().take(2) {
        let sections = Sections::of(Path::new(path))?;
        let mut room = vec![1; sections.raw_bytes as usize];
        for _ in 0..ROUNDS {
            let (events, verified) = timed(|| read_segment(reader, segment))?;
            let (_, plain) = timed(|| sections.unpack(&mut room))?;
            let megabytes = sections.raw_bytes as f64 / 1e6;
            println!(
                r#"{{"what":"sequential read","codec":"{}","events":{events},"raw_bytes":{},"verified_mb_per_second":{:.0},"yardstick_mb_per_second":{:.0},"ratio":{:.3}}}"#,
                if sections.compressed { "zstd" } else { "none" },
                sections.raw_bytes,
                megabytes / verified,
                megabytes / plain,
                plain / verified,
            );
        }
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let started = Instant::now();
    let done = work()?;
    Ok((done, started.elapsed().as_secs_f64()))
}

fn read_segment(reader: &BlockReader, segment: &ClosedSegment) -> Result<u64> {
    let (mut events, mut next) = (0, segment.first_position());
    while let Some(at) = reader.place_from(segment, next)? {
        let block = reader.read(&at, Payloads::All)?;
        events += black_box(block.events()).len() as u64;
        next = at.next_position;
    }
    Ok(events)
}

/// The stored sections of a segment, in memory.
struct Sections {
    file: Vec<u8>,
    /// Place, stored and raw length, and whether it is compressed.
    sections: Vec<(usize, usize, usize, bool)>,
    raw_bytes: u64,
    compressed: bool,
}

impl Sections {
    fn of(path: &Path) -> Result<Self> {
        let Inspection::Segment(segment) = eventcask::inspect::file(path)? else {
            return Err("it is no segment".into());
        };
        let mut sections = Vec::new();
        for block in &segment.blocks {
            for section in &block.sections {
                let place = block.place as usize + section.start as usize;
                let is_zstd = section.codec == 2;
                sections.push((
                    place,
                    section.stored as usize,
                    section.raw as usize,
                    is_zstd,
                ));
            }
        }
        Ok(Self {
            file: fs::read(path)?,
            raw_bytes: sections.iter().map(|(_, _, raw, _)| *raw as u64).sum(),
            compressed: sections.iter().any(|(.., is_zstd)| *is_zstd),
            sections,
        })
    }

    /// Unpacks each section into the same room, or copies it to a place of its own in memory,
    /// where that has been used before.
    fn unpack(&self, room: &mut [u8]) -> Result<()> {
        let mut zstd = zstd::bulk::Decompressor::new()?;
        let mut next = 0;
        for (place, stored, raw, is_zstd) in &self.sections {
            let bytes = &self.file[*place..place + stored];
            if *is_zstd {
                zstd.decompress_to_buffer(bytes, &mut room[..*raw])?;
            } else {
                room[next..next + raw].copy_from_slice(bytes);
                next += raw;
            }
            black_box(&room);
        }
        Ok(())
    }
}

/// Files that count what is read of them.
#[derive(Clone)]
struct Counted {
    files: FileStorage,
    counts: Arc<(AtomicU64, AtomicU64)>,
}

impl Counted {
    fn new(dir: &Path) -> Self {
        Self {
            files: FileStorage::new(dir),
            counts: Arc::default(),
        }
    }

    fn reads(&self) -> u64 {
        self.counts.0.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.counts.1.load(Ordering::Relaxed)
    }
}

struct CountedFile {
    file: Box<dyn StoredFile>,
    counts: Arc<(AtomicU64, AtomicU64)>,
}

impl StoredFile for CountedFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, place)?;
        self.counts.0.fetch_add(1, Ordering::Relaxed);
        self.counts.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, place)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

impl Storage for Counted {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.files.create_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.files.list(dir)
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        let (file, counts) = (self.files.open(name, how)?, Arc::clone(&self.counts));
        Ok(Box::new(CountedFile { file, counts }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.files.remove_dir(name)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.files.sync_dir(name)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        self.files.lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.files.is_locked()
    }

    fn describe(&self, name: &str) -> String {
        self.files.describe(name)
    }
}
