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

/// Entries on their way into pages.
#[derive(Debug, Default)]
pub(crate) struct PageBuilder {
    bytes: Vec<u8>,
    /// Hash, start and end of each entry in `bytes`.
    entries: Vec<(u64, u32, u32)>,
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
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        let count = self.bytes.len().div_ceil(PAGE_BYTES);
        // By the bytes as well, so that the same entries always give the same pages.
        let bytes = &self.bytes;
        let text = |start: u32, end: u32| &bytes[start as usize..end as usize];
        self.entries
            .sort_unstable_by(|a, b| (a.0, text(a.1, a.2)).cmp(&(b.0, text(b.1, b.2))));
        let mut directory = Vec::with_capacity(count * ENTRY_BYTES);
        let mut pages = Vec::with_capacity(bytes.len());
        let mut entries = self.entries.iter().peekable();
        for page in 0..count {
            let begin = pages.len();
            while let Some((_, start, end)) =
                entries.next_if(|(hash, ..)| page_of(*hash, count) == page)
            {
                pages.extend_from_slice(text(*start, *end));
            }
            directory.extend_from_slice(&(pages.len() as u32).to_le_bytes());
            directory.extend_from_slice(&checksum(&pages[begin..]).to_le_bytes());
        }
        (directory, pages)
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
