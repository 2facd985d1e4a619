//! Parts that are written at once, past the cache or not, are the bytes of plain writes.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use eventcask_log::{FileStorage, Open, PAGE_BYTES, PageBuffer, Storage, in_page};
use fastrand::Rng;

const NAME: &str = "parts";
/// Writes that reach further than this begin at the front again.
const FILE_BYTES: u64 = 6 << 20;

/// Bytes of one part, and where in them it begins.
enum Part {
    Plain(Vec<u8>, usize),
    /// In a page of memory from this place on.
    Paged(PageBuffer, usize),
}

impl Part {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes, start) => &bytes[*start..],
            Self::Paged(bytes, start) => &bytes[*start..],
        }
    }

    /// A part that will lie at `place`: now and then in memory as in the file, as blocks do.
    fn draw(random: &mut Rng, place: u64) -> Self {
        let len = match random.u32(..6) {
            0 => random.usize(..64),
            1 => PAGE_BYTES * random.usize(..4),
            2 => random.usize(..3 * PAGE_BYTES),
            3 => (128 << 10) + random.usize(..2 * PAGE_BYTES) - PAGE_BYTES,
            4 => PAGE_BYTES * random.usize(30..80),
            _ => random.usize(..400_000),
        };
        let start = match random.u32(..4) {
            0 => random.usize(..PAGE_BYTES),
            // What follows a page of the file does so in memory.
            _ => in_page(place),
        };
        let seed = random.u8(..);
        let fill = |at: usize| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ seed;
        if random.u32(..4) == 0 {
            return Self::Plain((0..start + len).map(fill).collect(), start);
        }
        let mut pages = PageBuffer::new();
        pages.resize(start + len, 0);
        for (at, byte) in pages.iter_mut().enumerate() {
            *byte = fill(at);
        }
        Self::Paged(pages, start)
    }
}

/// A place that is that of a block, of a page, or any.
fn draw_place(random: &mut Rng) -> u64 {
    let place = random.u64(..FILE_BYTES / 2);
    match random.u32(..3) {
        0 => place / PAGE_BYTES as u64 * PAGE_BYTES as u64,
        1 => place / 64 * 64,
        _ => place,
    }
}

/// Writes the same to a file by parts, to another one plainly, and compares after each write both
/// what is read through the file and what is there for others.
fn check(directory: &Path, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let storage = FileStorage::new(directory);
    let by_parts = storage.open(NAME, Open::Create).unwrap();
    let plain_path = directory.join("plain");
    let plain = fs::File::create(&plain_path).unwrap();
    if random.bool() {
        by_parts.allocate(FILE_BYTES).unwrap();
        plain.set_len(FILE_BYTES).unwrap();
    }
    for write in 0..12 {
        let place = draw_place(&mut random);
        let mut end = place;
        let count = random.usize(1..12);
        let mut parts = Vec::new();
        for _ in 0..count {
            let part = Part::draw(&mut random, end);
            end += part.bytes().len() as u64;
            parts.push(part);
        }
        let slices: Vec<&[u8]> = parts.iter().map(Part::bytes).collect();
        by_parts.write_parts_at(&slices, place).unwrap();
        plain.write_all_at(&slices.concat(), place).unwrap();

        let wanted = fs::read(&plain_path).unwrap();
        let found = fs::read(directory.join(NAME)).unwrap();
        assert_eq!(found.len(), wanted.len(), "seed {seed}, write {write}");
        let differs = found.iter().zip(&wanted).position(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}, write {write}, {count} parts");
        let mut back = vec![0; slices.concat().len()];
        assert_eq!(by_parts.read_at(&mut back, place).unwrap(), back.len());
        assert_eq!(back, slices.concat(), "seed {seed}, write {write}");
        if random.u32(..4) == 0 {
            by_parts.sync().unwrap();
        }
    }
}

#[test]
fn parts_at_any_place_from_any_memory_are_what_plain_writes_are() {
    // Here the file system has direct writes, most likely.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    (0..25).for_each(|seed| check(directory.path(), seed));
}

#[test]
fn parts_are_what_plain_writes_are_where_direct_writes_are_refused() {
    // Older systems refuse them on a file system in memory; where there is none it is the same once
    // more, with other seeds.
    let memory = tempfile::tempdir_in("/dev/shm");
    let directory = memory.or_else(|_| tempfile::tempdir()).unwrap();
    (100..110).for_each(|seed| check(directory.path(), seed));
}

#[test]
fn more_parts_than_the_system_takes_at_once_are_all_written() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let storage = FileStorage::new(directory.path());
    let file = storage.open(NAME, Open::Create).unwrap();
    let mut pages = PageBuffer::new();
    pages.resize(2000 * PAGE_BYTES, 0);
    for (at, byte) in pages.iter_mut().enumerate() {
        *byte = (at / PAGE_BYTES) as u8 ^ at as u8;
    }
    let parts: Vec<&[u8]> = pages.chunks(PAGE_BYTES).collect();
    file.write_parts_at(&parts, 3 * PAGE_BYTES as u64).unwrap();
    let found = fs::read(directory.path().join(NAME)).unwrap();
    assert_eq!(found.len(), 2003 * PAGE_BYTES);
    assert!(found[..3 * PAGE_BYTES].iter().all(|byte| *byte == 0));
    assert!(found[3 * PAGE_BYTES..] == pages[..]);
}

#[test]
fn no_parts_and_empty_parts_write_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(directory.path());
    let file = storage.open(NAME, Open::Create).unwrap();
    file.write_parts_at(&[], 100).unwrap();
    file.write_parts_at(&[&[], &[]], 100).unwrap();
    assert_eq!(file.len().unwrap(), 0);
    file.write_parts_at(&[&[], b"a", &[], b"b"], 1).unwrap();
    assert_eq!(fs::read(directory.path().join(NAME)).unwrap(), b"\0ab");
}
