//! What the header of a sealed segment says: all that is needed to open it without reading on.

use eventcask_event::EventId;

use crate::FIRST_BLOCK;
use crate::format::checksum::checksum;
use crate::format::head::FIXED_HEAD_BYTES;
use crate::format::wire::{FILE_HEADER_BYTES, Fields, put};
use crate::{Error, MAX_BLOCK_BYTES};

/// Where this part of the header starts and what it ends with.
pub(crate) const START: usize = FILE_HEADER_BYTES;
const CHECKSUM_AT: usize = FIRST_BLOCK as usize - 4;
const LOWEST_ID_AT: usize = CHECKSUM_AT - 16;
const TABLES_AT: usize = 256;
const TABLE_BYTES: usize = 32;
/// Tables that a header has room for, and more than there are kinds.
const MAX_TABLES: usize = 64;
/// No sealed segment is larger: a store ends one at 1 GiB at most and a block, and sealing adds its
/// tables and its events once more. So lengths of many can be added.
const MAX_BYTES: u64 = 1 << 40;
/// No block is shorter than its head.
const LEAST_BLOCK_BYTES: u64 = FIXED_HEAD_BYTES as u64;
/// A table starts at a multiple of this.
pub(crate) const TABLE_ALIGN: u64 = 64;

/// What a table of a sealed segment holds; the number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum TableKind {
    /// Where the blocks are, and what each holds.
    Blocks = 1,
    /// How far sources were consumed.
    Marks = 2,
    /// Aggregates whose beginning was given up.
    Truncations = 3,
    /// Which keys are certainly not here.
    KeyFilter = 4,
    /// Where the pages of keys end.
    KeyDirectory = 5,
    /// Version and newest position of each aggregate, in pages by the hash of its key.
    KeyPages = 6,
    /// Which ids are certainly not here.
    IdFilter = 7,
    /// Where the pages of ids end.
    IdDirectory = 8,
    /// The events once more, those of an aggregate side by side.
    Clusters = 10,
    /// Where the clusters end, and what each begins with.
    ClusterDirectory = 11,
    /// Position, version and digest of each event that came with an id, in pages by the hash of the
    /// id. Its older layout, without versions and digests, was number 9.
    IdPages = 12,
}

impl TableKind {
    /// All kinds, in the order in which they are written.
    pub(crate) const ALL: [Self; 11] = [
        Self::Blocks,
        Self::Marks,
        Self::Truncations,
        Self::KeyFilter,
        Self::KeyDirectory,
        Self::KeyPages,
        Self::IdFilter,
        Self::IdDirectory,
        Self::IdPages,
        Self::Clusters,
        Self::ClusterDirectory,
    ];

    fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    /// Pages are covered by the checksums in their directory: a question reads one of them.
    pub(crate) fn is_covered_by_its_directory(self) -> bool {
        matches!(self, Self::KeyPages | Self::IdPages)
    }
}

/// A table of a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// What it holds.
    pub kind: TableKind,
    /// Where it starts in the file.
    pub place: u64,
    /// Its bytes.
    pub length: u64,
    /// Checksum of its bytes; 0 for pages, whose directory has the checksum of each.
    pub checksum: u32,
}

/// What is known of a sealed segment from its header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Position after the last event that was ever in the segment.
    pub next_position: u64,
    /// Head checksum of its last block as it was first written: the next segment names it.
    pub last_checksum: u32,
    /// How many times the segment was written anew; 1 when it was sealed first.
    pub rewrite: u32,
    /// Events that it holds.
    pub events: u64,
    /// Commit time of its first event; the highest number of all without one.
    pub first_commit: i64,
    /// Commit time of its last event; the lowest number of all without one.
    pub last_commit: i64,
    /// Commit time of the newest event that was ever in it.
    pub newest_commit: i64,
    /// Epoch of its last block.
    pub epoch: u64,
    /// Where its blocks end.
    pub blocks_end: u64,
    /// Bytes of the file.
    pub length: u64,
    /// Bytes of its blocks' sections before compression.
    pub raw_bytes: u64,
    /// Events with version 1 that were ever in it: aggregates that began in it.
    pub first_events: u64,
    /// Events that were taken out because they had been truncated.
    pub removed: u64,
    /// Events that a repair had to give up.
    pub lost: u64,
    /// The highest id in it that [rises with time](EventId::rises_with_time), 0 without one; `None`
    /// where its writer did not say.
    pub highest_id: Option<u128>,
    /// The lowest such id, 0 without one.
    pub lowest_id: u128,
    /// Its tables.
    pub tables: Vec<Table>,
}

impl Sealed {
    /// Whether its events are there once more, those of an aggregate side by side.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.table(TableKind::ClusterDirectory).is_some()
    }

    /// Whether an id lies between the lowest and the highest, or is none of those that rise with
    /// time.
    #[must_use]
    pub fn may_have_id(&self, id: EventId) -> bool {
        let Some(highest) = self.highest_id.filter(|_| id.rises_with_time()) else {
            return true;
        };
        (self.lowest_id..=highest).contains(&id.as_u128())
    }

    /// The table of a kind, if the segment has it.
    pub(crate) fn table(&self, kind: TableKind) -> Option<&Table> {
        self.tables.iter().find(|table| table.kind == kind)
    }

    /// Writes this part of a header page.
    pub(crate) fn encode(&self, page: &mut [u8]) {
        put(page, START, self.next_position.to_le_bytes());
        put(page, 136, self.last_checksum.to_le_bytes());
        put(page, 140, self.rewrite.to_le_bytes());
        put(page, 144, self.events.to_le_bytes());
        put(page, 152, self.first_commit.to_le_bytes());
        put(page, 160, self.last_commit.to_le_bytes());
        put(page, 168, self.newest_commit.to_le_bytes());
        put(page, 176, self.epoch.to_le_bytes());
        put(page, 184, self.blocks_end.to_le_bytes());
        put(page, 192, self.length.to_le_bytes());
        put(page, 200, self.raw_bytes.to_le_bytes());
        put(page, 208, self.first_events.to_le_bytes());
        put(page, 216, self.removed.to_le_bytes());
        put(page, 224, self.lost.to_le_bytes());
        put(page, 232, (self.tables.len() as u32).to_le_bytes());
        put(page, 236, self.highest_id.unwrap_or(0).to_le_bytes());
        put(
            page,
            252,
            u32::from(self.highest_id.is_some()).to_le_bytes(),
        );
        for (index, table) in self.tables.iter().enumerate() {
            let at = TABLES_AT + index * TABLE_BYTES;
            put(page, at, (table.kind as u32).to_le_bytes());
            put(page, at + 4, table.checksum.to_le_bytes());
            put(page, at + 8, table.place.to_le_bytes());
            put(page, at + 16, table.length.to_le_bytes());
        }
        put(page, LOWEST_ID_AT, self.lowest_id.to_le_bytes());
        let checksum = checksum(&page[START..CHECKSUM_AT]);
        put(page, CHECKSUM_AT, checksum.to_le_bytes());
    }

    /// Reads this part of a header page; what is before it was checked.
    pub(crate) fn decode(name: &str, page: &[u8], first_position: u64) -> Result<Self, Error> {
        let damaged = |at: usize, reason| Err(Error::damaged(name, at as u64, reason));
        let fields = Fields(page);
        if fields.u32(CHECKSUM_AT) != checksum(&page[START..CHECKSUM_AT]) {
            return damaged(START, "the checksum of what it says when sealed is wrong");
        }
        let count = fields.u32(232) as usize;
        let ends = (0..count.min(MAX_TABLES)).map(|index| tables_end(index + 1));
        let unused = ends.into_iter().all(|end| fields.is_zero(end - 8, end));
        let highest_id = match (fields.u32(252), fields.u128(236)) {
            (0, 0) => None,
            (1, id) if id == 0 || EventId::from_u128(id).rises_with_time() => Some(id),
            _ => return damaged(236, "the highest id of its header can not be one"),
        };
        if count > MAX_TABLES || !unused {
            return damaged(232, "reserved bytes of its header are in use");
        }
        let sealed = Self {
            next_position: fields.u64(START),
            last_checksum: fields.u32(136),
            rewrite: fields.u32(140),
            events: fields.u64(144),
            first_commit: fields.i64(152),
            last_commit: fields.i64(160),
            newest_commit: fields.i64(168),
            epoch: fields.u64(176),
            blocks_end: fields.u64(184),
            length: fields.u64(192),
            raw_bytes: fields.u64(200),
            first_events: fields.u64(208),
            removed: fields.u64(216),
            lost: fields.u64(224),
            highest_id,
            lowest_id: fields.u128(LOWEST_ID_AT),
            tables: decode_tables(fields, count),
        };
        if !sealed.is_possible(first_position) || !fields.is_zero(tables_end(count), LOWEST_ID_AT) {
            return damaged(START, "what it says when sealed can not be");
        }
        Ok(sealed)
    }

    /// Whether the numbers go together: nothing else relies on them unchecked.
    fn is_possible(&self, first_position: u64) -> bool {
        let span = self.next_position.checked_sub(first_position);
        let gone = self.removed.checked_add(self.lost);
        let counted = gone.and_then(|gone| gone.checked_add(self.events));
        // It can be written anew once more.
        let rewrites = 1..u32::MAX;
        span.is_some()
            && span == counted
            && rewrites.contains(&self.rewrite)
            && span >= Some(self.first_events)
            && self.blocks_end >= FIRST_BLOCK
            && self.blocks_end <= self.length
            && self.length <= MAX_BYTES
            && self.raw_bytes / u64::from(MAX_BLOCK_BYTES) <= self.blocks_end / LEAST_BLOCK_BYTES
            && self.tables_follow()
            && self.are_lookups_whole()
            && self.lowest_id <= self.highest_id.unwrap_or(0)
    }

    /// Whether a table that is looked up by hash is there with all its parts. A reader for which
    /// one of them has a layout that it does not know would take every id for a new one.
    fn are_lookups_whole(&self) -> bool {
        use TableKind::{IdDirectory, IdFilter, IdPages, KeyDirectory, KeyFilter, KeyPages};
        let parts = [
            [KeyFilter, KeyDirectory, KeyPages],
            [IdFilter, IdDirectory, IdPages],
        ];
        let has = |kind| self.table(kind).is_some();
        parts.iter().all(|[filter, directory, pages]| {
            has(*filter) == has(*directory) && has(*directory) == has(*pages)
        })
    }

    /// Whether the tables lie behind the blocks and within the file, one after the other.
    fn tables_follow(&self) -> bool {
        let mut before = self.blocks_end;
        self.tables.iter().all(|table| {
            let end = table.place.checked_add(table.length);
            let follows = table.place >= before && table.place.is_multiple_of(TABLE_ALIGN);
            before = end.unwrap_or(u64::MAX);
            follows && end.is_some_and(|end| end <= self.length)
        })
    }
}

fn tables_end(count: usize) -> usize {
    TABLES_AT + count * TABLE_BYTES
}

/// Tables of kinds that this program does not know are left out: they only make reading faster.
fn decode_tables(fields: Fields<'_>, count: usize) -> Vec<Table> {
    let table = |index: usize| {
        let at = TABLES_AT + index * TABLE_BYTES;
        Some(Table {
            kind: TableKind::of(fields.u32(at))?,
            checksum: fields.u32(at + 4),
            place: fields.u64(at + 8),
            length: fields.u64(at + 16),
        })
    };
    (0..count).filter_map(table).collect()
}
