//! A block that is taken apart, changed, and put together again with checksums that are right.

use crate::support::seal_head;

pub(crate) const TYPES: usize = 0;
pub(crate) const KEYS: usize = 1;
const GROUP: u8 = 3;
const IDS: u8 = 4;
pub(crate) const WORDS: u8 = 6;
pub(crate) const METADATA: u8 = 7;

/// Bytes of an element of each column of a group, in their order.
const GROUP_COLUMNS: [usize; 10] = [4, 2, 8, 4, 4, 8, 4, 8, 8, 8];
const TYPE_COLUMNS: [usize; 5] = [4, 1, 4, 1, 8];
const KEY_COLUMNS: [usize; 2] = [4, 1];
const METADATA_COLUMNS: [usize; 9] = [1, 1, 4, 4, 4, 1, 4, 4, 4];
/// Places of columns among those of the types.
pub(crate) const ENCODINGS: usize = 3;
pub(crate) const SHAPES: usize = 4;
/// Places of columns among those of a group.
pub(crate) const TYPE_OF: usize = 1;
pub(crate) const BACK: usize = 4;
pub(crate) const FAR_BACK: usize = 5;
pub(crate) const PAYLOAD_STARTS: usize = 6;
pub(crate) const TIMES: usize = 7;
pub(crate) const COMMIT_TIMES: usize = 9;

/// A section that is not compressed.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) kind: u8,
    pub(crate) event_type: u16,
    pub(crate) bytes: Vec<u8>,
}

/// A block in parts.
#[derive(Debug, Clone)]
pub(crate) struct Forged {
    /// The fixed part of its head.
    pub(crate) fixed: Vec<u8>,
    pub(crate) parts: Vec<Part>,
    marks: Vec<u8>,
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn put(bytes: &mut [u8], at: usize, number: usize) {
    bytes[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
}

impl Forged {
    /// Takes a block apart that is not compressed.
    pub(crate) fn of(block: &[u8]) -> Self {
        let sections = u16::from_le_bytes(block[108..110].try_into().unwrap());
        let marks = 128 + 24 * usize::from(sections);
        let part = |at: usize| {
            assert_eq!(block[at + 1], 0, "it is not compressed");
            let start = number(block, at + 16);
            Part {
                kind: block[at],
                event_type: u16::from_le_bytes(block[at + 2..at + 4].try_into().unwrap()),
                bytes: block[start..start + number(block, at + 4)].to_vec(),
            }
        };
        Self {
            fixed: block[..128].to_vec(),
            parts: (128..marks).step_by(24).map(part).collect(),
            marks: block[marks..number(block, 8)].to_vec(),
        }
    }

    /// The block of these parts.
    pub(crate) fn block(&self) -> Vec<u8> {
        let mut block = self.fixed.clone();
        block.resize(128 + 24 * self.parts.len(), 0);
        block.extend_from_slice(&self.marks);
        let head = block.len();
        for (index, part) in self.parts.iter().enumerate() {
            block.resize(block.len().next_multiple_of(16), 0);
            let (entry, start) = (128 + 24 * index, block.len());
            block[entry] = part.kind;
            block[entry + 2..entry + 4].copy_from_slice(&part.event_type.to_le_bytes());
            put(&mut block, entry + 4, part.bytes.len());
            put(&mut block, entry + 8, part.bytes.len());
            put(
                &mut block,
                entry + 12,
                eventcask_log::checksum(&part.bytes) as usize,
            );
            put(&mut block, entry + 16, start);
            block.extend_from_slice(&part.bytes);
        }
        block.resize(block.len().next_multiple_of(64), 0);
        let length = block.len();
        put(&mut block, 8, head);
        put(&mut block, 16, length);
        block[108..110].copy_from_slice(&(self.parts.len() as u16).to_le_bytes());
        seal_head(&mut block);
        block
    }

    /// Where the group with this index is among the parts.
    pub(crate) fn group(&self, index: usize) -> usize {
        let mut groups = (0..self.parts.len()).filter(|at| self.parts[*at].kind == GROUP);
        groups.nth(index).expect("the block has so many groups")
    }

    /// Where the first part of a kind is.
    pub(crate) fn first(&self, kind: u8) -> usize {
        let mut parts = self.parts.iter();
        let first = parts.position(|part| part.kind == kind);
        first.expect("the block has one")
    }

    /// Changes the columns of a part that is an archive.
    pub(crate) fn change(&mut self, part: usize, change: impl FnOnce(&mut [Vec<u8>])) {
        let part = &mut self.parts[part];
        let widths: &[usize] = match part.kind {
            1 => &TYPE_COLUMNS,
            2 | WORDS => &KEY_COLUMNS,
            METADATA => &METADATA_COLUMNS,
            _ => &GROUP_COLUMNS,
        };
        let mut columns = columns_of(&part.bytes, widths);
        change(&mut columns);
        part.bytes = archive_of(&columns, widths);
    }

    /// Cuts the ids out of all groups, or of the one with this index.
    pub(crate) fn cut_ids(&mut self, of: Option<usize>) {
        let mut group = 0;
        self.parts.retain(|part| {
            group += usize::from(part.kind == GROUP);
            part.kind != IDS || of.is_some_and(|of| of + 1 != group)
        });
    }
}

/// The bytes of each column of an archive.
fn columns_of(archive: &[u8], widths: &[usize]) -> Vec<Vec<u8>> {
    let root = archive.len() - 8 * widths.len();
    let column = |(index, width): (usize, &usize)| {
        let pair = root + 8 * index;
        let bytes = number(archive, pair + 4) * width;
        let start = pair.wrapping_add_signed(number(archive, pair) as u32 as i32 as isize);
        if bytes == 0 {
            Vec::new()
        } else {
            archive[start..start + bytes].to_vec()
        }
    };
    widths.iter().enumerate().map(column).collect()
}

/// The archive of these columns, in their order.
fn archive_of(columns: &[Vec<u8>], widths: &[usize]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut starts = Vec::new();
    for (column, width) in columns.iter().zip(widths) {
        archive.resize(archive.len().next_multiple_of(*width), 0);
        starts.push(archive.len());
        archive.extend_from_slice(column);
    }
    archive.resize(archive.len().next_multiple_of(4), 0);
    for ((start, column), width) in starts.into_iter().zip(columns).zip(widths) {
        let back = archive.len() - start;
        archive.extend_from_slice(&(-(back as i32)).to_le_bytes());
        archive.extend_from_slice(&((column.len() / width) as u32).to_le_bytes());
    }
    archive
}
