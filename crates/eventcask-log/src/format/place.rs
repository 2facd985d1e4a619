//! Places in the log of a shard: of a block, of a segment, of the end.

use crate::BlockHead;

/// Where the first block of a segment starts.
pub const FIRST_BLOCK: u64 = 4096;

/// A segment that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSegment {
    /// Its number.
    pub number: u64,
    /// Position of its first event.
    pub first_position: u64,
    /// Head checksum of the last block before it.
    pub previous_checksum: u32,
}

impl NewSegment {
    /// Whether it begins where another one ends: with this position, after a block with this
    /// checksum.
    pub(crate) fn follows(&self, next_position: u64, last_checksum: u32) -> bool {
        (self.first_position, self.previous_checksum) == (next_position, last_checksum)
    }
}

/// Where a block is, and which events it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BlockPlace {
    /// Number of the segment.
    pub segment: u64,
    /// How many times the segment had been written anew; 0 for one that is as written.
    pub rewrite: u32,
    /// Place in the segment's file.
    pub place: u64,
    /// Bytes of the block.
    pub length: u32,
    /// Number of events.
    pub rows: u32,
    /// Rows of each of its groups but the last; 0 where that is not known.
    pub group_rows: u32,
    /// Position of the first event.
    pub first_position: u64,
    /// Position after the last event.
    pub next_position: u64,
    /// Commit time of the first event, in nanoseconds.
    pub first_commit: i64,
    /// Commit time of the last event, in nanoseconds.
    pub last_commit: i64,
}

impl BlockPlace {
    /// The place of the block with this head, in a segment that is as written.
    #[must_use]
    pub fn of(head: &BlockHead) -> Self {
        Self {
            segment: head.segment,
            rewrite: 0,
            place: head.place,
            length: head.length,
            rows: head.rows,
            group_rows: head.group_rows,
            first_position: head.first_position,
            next_position: head.next_position(),
            first_commit: head.first_commit,
            last_commit: head.last_commit,
        }
    }
}

/// Where the next block of a shard goes, and what it follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// Number of the last segment; 0 where there is none yet.
    pub segment: u64,
    /// Place of the next block in it.
    pub place: u64,
    /// Position of the next event.
    pub next_position: u64,
    /// Head checksum of the last block.
    pub previous_checksum: u32,
    /// Epoch of the last block.
    pub epoch: u64,
    /// Commit time of the newest event, in nanoseconds; the lowest number of all without one.
    pub last_commit: i64,
    /// Whether the log ends with a clean close.
    pub closed: bool,
    /// The durable place that the last block knew.
    pub durable_place: u64,
    /// Whether nothing can be added to the last segment: the next block begins a new one.
    pub ended: bool,
}

impl Tail {
    /// The tail of a log without a block.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            last_commit: i64::MIN,
            ..Self::default()
        }
    }
}
