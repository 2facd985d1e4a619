//! A table on disk that is looked up by a hash.
//!
//! 1. Entries are sorted by hash and cut into pages: entry `hash` goes to page
//!    `hash * pages >> 64`, so the pages are about equally long.
//! 2. A directory says where each page ends and what its checksum is.
//! 3. A question reads the one page in which the answer is, if there is one.

use crate::format::checksum::checksum;
use crate::format::wire::Fields;

/// Bytes that a page is meant to have. A quarter of what a disk reads at once: most look-ups are
/// answered from memory, where reading, checking and searching a page costs by its length.
const PAGE_BYTES: usize = 1024;
/// Bytes of the directory for each page: its end and its checksum.
const ENTRY_BYTES: usize = 8;

/// Hash, start and end of an entry among the bytes of all.
type Entry = (u64, u32, u32);

/// Entries on their way into pages.
#[derive(Debug, Default)]
pub(crate) struct PageBuilder {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl PageBuilder {
    /// With room for so many entries of so many bytes: to make it longer bit by bit would take as
    /// long as all else.
    pub(crate) fn with_room(entries: usize, bytes_each: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(entries * bytes_each),
            entries: Vec::with_capacity(entries),
        }
    }

    /// Adds an entry; `write` appends its bytes.
    pub(crate) fn add(&mut self, hash: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len() as u32;
        write(&mut self.bytes);
        self.entries.push((hash, start, self.bytes.len() as u32));
    }

    pub(crate) fn hashes(&self) -> impl ExactSizeIterator<Item = u64> {
        self.entries.iter().map(|(hash, ..)| *hash)
    }

    /// The directory and the pages.
    pub(crate) fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let count = self.bytes.len().div_ceil(PAGE_BYTES);
        let (mut pages, mut entries, ends) = self.deal_out(count);
        let mut directory = Vec::with_capacity(count * ENTRY_BYTES);
        let (mut page, mut from) = (Vec::new(), (0, 0));
        for to in ends {
            let begin = from.0 as usize;
            let bytes = &mut pages[begin..to.0 as usize];
            sort_page(
                bytes,
                &mut entries[from.1 as usize..to.1 as usize],
                begin,
                &mut page,
            );
            directory.extend_from_slice(&to.0.to_le_bytes());
            directory.extend_from_slice(&checksum(bytes).to_le_bytes());
            from = to;
        }
        (directory, pages)
    }

    /// Puts the entries into their pages, in the order in which they came: their bytes, where those
    /// are, and where the bytes and the entries of each page end. They are read once, in order, and
    /// nobody waits for what is written.
    fn deal_out(self, count: usize) -> (Vec<u8>, Vec<Entry>, Vec<(u32, u32)>) {
        let mut next = vec![(0, 0); count];
        for (hash, start, end) in &self.entries {
            let page = &mut next[page_of(*hash, count)];
            *page = (page.0 + (end - start), page.1 + 1);
        }
        let mut sum = (0, 0);
        for page in &mut next {
            let begin = sum;
            sum = (sum.0 + page.0, sum.1 + page.1);
            *page = begin;
        }
        let mut pages = vec![0; self.bytes.len()];
        let mut entries = vec![(0, 0, 0); self.entries.len()];
        for (hash, start, end) in self.entries {
            let page = &mut next[page_of(hash, count)];
            let (at, to) = (page.0, page.0 + (end - start));
            pages[at as usize..to as usize]
                .copy_from_slice(&self.bytes[start as usize..end as usize]);
            entries[page.1 as usize] = (hash, at, to);
            *page = (to, page.1 + 1);
        }
        (pages, entries, next)
    }
}

/// Orders the entries of a page, whose bytes begin at `begin` of all; `room` is memory for it. By
/// the bytes as well as the hash, so that the same entries always give the same page.
fn sort_page(bytes: &mut [u8], entries: &mut [Entry], begin: usize, room: &mut Vec<u8>) {
    room.clear();
    room.extend_from_slice(bytes);
    let text = |entry: &Entry| &room[entry.1 as usize - begin..entry.2 as usize - begin];
    entries.sort_unstable_by(|a, b| (a.0, text(a)).cmp(&(b.0, text(b))));
    let mut at = 0;
    for entry in entries.iter() {
        let text = text(entry);
        bytes[at..at + text.len()].copy_from_slice(text);
        at += text.len();
    }
}

fn page_of(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}

/// Where a page lies in the table of pages, and its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) checksum: u32,
}

/// The page in which an entry with this hash would be; `None` where there are no pages, or the
/// directory is none.
pub(crate) fn find(directory: &[u8], hash: u64) -> Option<Page> {
    let count = directory.len() / ENTRY_BYTES;
    page(directory, (count > 0).then(|| page_of(hash, count))?)
}

fn page(directory: &[u8], index: usize) -> Option<Page> {
    let fields = Fields(directory);
    let start = match index.checked_sub(1) {
        None => 0,
        Some(before) => fields.u32(before * ENTRY_BYTES),
    };
    let (end, checksum) = (
        fields.u32(index * ENTRY_BYTES),
        fields.u32(index * ENTRY_BYTES + 4),
    );
    (start <= end).then_some(Page {
        start,
        end,
        checksum,
    })
}

/// Appends a number in groups of seven bits, the lowest first (LEB128).
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Passes over a number at the front of `bytes`.
pub(crate) fn skip_varint(bytes: &mut &[u8]) -> Option<()> {
    /// The bit that all bytes of a number have but the last.
    const GOES_ON: u64 = 0x8080_8080_8080_8080;
    let ends = |word: &[u8; 8]| !u64::from_le_bytes(*word) & GOES_ON;
    let length = match bytes.first_chunk().map(ends) {
        Some(ends) if ends != 0 => ends.trailing_zeros() as usize / 8 + 1,
        _ => bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1,
    };
    *bytes = &bytes[length..];
    Some(())
}

/// Takes a number from the front of `bytes`.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
