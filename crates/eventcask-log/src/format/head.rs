//! The head of a block: who it is, where it stands, and what its sections are.

use eventcask_event::MAX_SOURCE_BYTES;

use crate::format::checksum::head_checksum;
use crate::format::group::GROUP_ROWS;
use crate::format::wire::{Fields, put};

/// The part of a head that each block has; what its rows need comes behind it.
pub(crate) const FIXED_HEAD_BYTES: usize = 128;
pub(crate) const SECTION_ENTRY_BYTES: usize = 24;
const MAGIC: [u8; 8] = *b"ECASKBLK";
const CLUSTER_MAGIC: [u8; 8] = *b"ECASKCLU";
const FLAG_CLOSE: u32 = 1;
const SECTION_MAY_BE_SKIPPED: u32 = 1;
/// A block starts and ends at a multiple of this.
pub(crate) const BLOCK_ALIGN: usize = 64;
/// A section starts at a multiple of this, which suffices for every archived number.
pub(crate) const SECTION_ALIGN: usize = 16;

/// The most events of a block.
pub const MAX_BLOCK_ROWS: u32 = 1 << 20;
/// The most event types of a block.
pub const MAX_BLOCK_TYPES: usize = 4096;
/// The most bytes of a section before compression.
pub const MAX_SECTION_BYTES: u32 = 16 << 20;
/// The most bytes of a block, as it is stored, and of its sections before compression.
pub const MAX_BLOCK_BYTES: u32 = 64 << 20;
/// The most bytes of a head: the table of as many sections as rows and payloads can have, and 16
/// marks with the longest names.
pub(crate) const MAX_HEAD_BYTES: usize = 512 << 10;
const MAX_MARKS: usize = 16;

/// How far an upstream was consumed by a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMark {
    /// Name of the source.
    pub source: String,
    /// The lowest offset that was not taken.
    pub next: u64,
    /// The upstream's own word for all it delivered before `next`; 0 if it has none.
    pub check: u64,
}

/// One section of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// What it holds: 1 = types, 2 = keys, 3 = a group of rows, 4 = their ids, 5 = payloads of one
    /// type, 6 = names of headers and tags, 7 = metadata of a group.
    pub kind: u8,
    /// How it is compressed: 0 = not, 1 = LZ4, 2 = zstd.
    pub codec: u8,
    /// For payloads the index of the type.
    pub event_type: u16,
    /// Bytes in the file.
    pub stored: u32,
    /// Bytes before compression.
    pub raw: u32,
    /// Checksum of the stored bytes.
    pub checksum: u32,
    /// Where it starts, from the start of the block.
    pub start: u32,
}

impl Section {
    pub(crate) const TYPES: u8 = 1;
    pub(crate) const KEYS: u8 = 2;
    pub(crate) const GROUP: u8 = 3;
    pub(crate) const IDS: u8 = 4;
    pub(crate) const PAYLOADS: u8 = 5;
    pub(crate) const WORDS: u8 = 6;
    pub(crate) const METADATA: u8 = 7;

    /// What it holds, in a word or two.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Self::TYPES => "types",
            Self::KEYS => "keys",
            Self::GROUP => "group",
            Self::IDS => "ids",
            Self::PAYLOADS => "payloads",
            Self::WORDS => "words",
            Self::METADATA => "metadata",
            _ => "unknown",
        }
    }

    /// The index of the type whose payloads it holds.
    #[must_use]
    pub fn payloads_of(&self) -> Option<u16> {
        (self.kind == Self::PAYLOADS).then_some(self.event_type)
    }

    pub(crate) fn end(&self) -> usize {
        self.start as usize + self.stored as usize
    }
}

/// The head of a block, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockHead {
    /// The store's id.
    pub store: u128,
    /// The shard.
    pub shard: u32,
    /// Number of the segment.
    pub segment: u64,
    /// Place of the block in the segment's file.
    pub place: u64,
    /// Position of the first event, or of the next one where there is none.
    pub first_position: u64,
    /// Number of events.
    pub rows: u32,
    /// Positions between the first and the last event whose events are gone; only sealed
    /// segments have such blocks.
    pub gaps: u64,
    /// All bytes of the segment before this place, and all segments before, were durable when
    /// the block was written.
    pub durable_place: u64,
    /// Commit time of the first event, in nanoseconds.
    pub first_commit: i64,
    /// Commit time of the last event, in nanoseconds.
    pub last_commit: i64,
    /// How many times the shard was opened and written to.
    pub epoch: u64,
    /// Head checksum of the block before.
    pub previous_checksum: u32,
    /// Whether it is a cluster: events of a sealed segment once more, ordered by aggregate. No
    /// part of the log.
    pub is_cluster: bool,
    /// Whether it ends a clean close.
    pub close: bool,
    /// How far upstreams were consumed.
    pub marks: Vec<SourceMark>,
    /// Rows of each group but the last; 0 without events. Set by encoding.
    pub group_rows: u32,
    /// The sections, in order. Set by encoding.
    pub sections: Vec<Section>,
    /// Bytes of the whole block. Set by encoding.
    pub length: u32,
    /// Checksum of the head. Set by encoding.
    pub checksum: u32,
}

impl BlockHead {
    /// Position after the last event.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.first_position + u64::from(self.rows) + self.gaps
    }

    /// Whether some of its events carry something beside their payloads.
    #[must_use]
    pub fn has_metadata(&self) -> bool {
        let is_metadata = |section: &Section| section.kind == Section::METADATA;
        self.sections.iter().any(is_metadata)
    }

    /// Bytes of all sections before compression.
    pub(crate) fn raw_bytes(&self) -> u64 {
        self.sections.iter().map(|one| u64::from(one.raw)).sum()
    }

    /// Tells whether a head with this many sections can be read back.
    pub(crate) fn check_limits(&self, sections: usize) -> Result<(), &'static str> {
        let names_fit = self
            .marks
            .iter()
            .all(|mark| (1..=MAX_SOURCE_BYTES).contains(&mark.source.len()));
        if self.marks.len() > MAX_MARKS || !names_fit {
            return Err(
                "the block would have too many source marks, or one without a name or with too long a one",
            );
        }
        if self.rows > MAX_BLOCK_ROWS || self.head_bytes(sections) > MAX_HEAD_BYTES {
            return Err("the block would have too many events or event types");
        }
        Ok(())
    }

    /// Bytes that the head takes with this many sections.
    pub(crate) fn head_bytes(&self, sections: usize) -> usize {
        let marks: usize = self.marks.iter().map(|mark| 18 + mark.source.len()).sum();
        FIXED_HEAD_BYTES + sections * SECTION_ENTRY_BYTES + marks
    }

    /// Writes the head over the first bytes of `block`, whose sections are in place, and
    /// keeps its checksum.
    pub(crate) fn encode_over(&mut self, block: &mut [u8]) {
        let head_bytes = self.head_bytes(self.sections.len());
        let head = &mut block[..head_bytes];
        self.encode_fixed(head);
        let mut at = FIXED_HEAD_BYTES;
        for section in &self.sections {
            encode_section(section, &mut head[at..at + SECTION_ENTRY_BYTES]);
            at += SECTION_ENTRY_BYTES;
        }
        let mut marks = Vec::new();
        encode_marks_of(&self.marks, &mut marks);
        head[at..at + marks.len()].copy_from_slice(&marks);
        at += marks.len();
        assert_eq!(at, head_bytes, "the head is as long as was computed");
        assert!(
            self.durable_place <= self.place,
            "a block can not know bytes after it durable"
        );
        self.checksum = head_checksum(head);
        put(head, 12, self.checksum.to_le_bytes());
    }

    fn encode_fixed(&self, head: &mut [u8]) {
        let head_bytes = head.len() as u32;
        put(head, 0, magic_of(self.is_cluster));
        put(head, 8, head_bytes.to_le_bytes());
        put(head, 16, self.length.to_le_bytes());
        put(
            head,
            20,
            (if self.close { FLAG_CLOSE } else { 0 }).to_le_bytes(),
        );
        put(head, 24, self.store.to_le_bytes());
        put(head, 40, self.shard.to_le_bytes());
        put(head, 44, self.rows.to_le_bytes());
        put(head, 48, self.segment.to_le_bytes());
        put(head, 56, self.place.to_le_bytes());
        put(head, 64, self.first_position.to_le_bytes());
        put(head, 72, self.durable_place.to_le_bytes());
        put(head, 80, self.first_commit.to_le_bytes());
        put(head, 88, self.last_commit.to_le_bytes());
        put(head, 96, self.epoch.to_le_bytes());
        put(head, 104, self.previous_checksum.to_le_bytes());
        put(head, 108, (self.sections.len() as u16).to_le_bytes());
        put(head, 110, (self.marks.len() as u16).to_le_bytes());
        put(head, 112, self.gaps.to_le_bytes());
        put(head, 120, self.group_rows.to_le_bytes());
    }

    /// Whether these bytes begin as a block does.
    pub(crate) fn may_begin(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Whether these bytes, fewer than a head has, are the beginning of one.
    pub(crate) fn may_be_cut(bytes: &[u8]) -> bool {
        let known = bytes.len().min(MAGIC.len());
        bytes[..known] == MAGIC[..known]
    }

    /// Whether the fixed part of a head names this store, shard, segment and place.
    pub(crate) fn names(fixed: &[u8], owner: (u128, u32), segment: u64, place: u64) -> bool {
        let fields = Fields(fixed);
        (fields.u128(24), fields.u32(40)) == owner
            && (fields.u64(48), fields.u64(56)) == (segment, place)
    }

    /// Says how long the head is that begins with this fixed part, if it can be one.
    pub(crate) fn peek(fixed: &[u8]) -> Result<HeadSize, &'static str> {
        Self::peek_at(fixed, false)
    }

    fn peek_at(fixed: &[u8], is_cluster: bool) -> Result<HeadSize, &'static str> {
        let fields = Fields(fixed);
        if fixed.len() < FIXED_HEAD_BYTES || fixed[..8] != magic_of(is_cluster) {
            return Err("no block begins here");
        }
        let head = fields.u32(8) as usize;
        let block = fields.u32(16);
        let fits = (FIXED_HEAD_BYTES..=MAX_HEAD_BYTES).contains(&head)
            && head <= block as usize
            && block <= MAX_BLOCK_BYTES
            && (block as usize).is_multiple_of(BLOCK_ALIGN);
        if fits {
            Ok(HeadSize { head, block })
        } else {
            Err("a block's lengths are impossible")
        }
    }

    /// Reads a head; any bytes get an answer.
    pub(crate) fn decode(head: &[u8]) -> Result<Self, &'static str> {
        Self::decode_as(head, false)
    }

    /// Reads the head of the cluster that these bytes are.
    pub(crate) fn decode_cluster(cluster: &[u8]) -> Result<Self, &'static str> {
        let size = Self::peek_at(cluster, true)?;
        let head = cluster.get(..size.head).ok_or("a cluster is cut short")?;
        Self::decode_as(head, true)
    }

    fn decode_as(head: &[u8], is_cluster: bool) -> Result<Self, &'static str> {
        let size = Self::peek_at(head, is_cluster)?;
        if head.len() != size.head {
            return Err("a block's head has another length");
        }
        let fields = Fields(head);
        if fields.u32(12) != head_checksum(head) {
            return Err("the checksum of a block's head is wrong");
        }
        if fields.u32(20) & !FLAG_CLOSE != 0 || !fields.is_zero(124, FIXED_HEAD_BYTES) {
            return Err("a block's head uses reserved bytes");
        }
        let (rows, gaps) = (fields.u32(44), fields.u64(112));
        let next = fields.u64(64).checked_add(u64::from(rows));
        let is_possible = next.is_some_and(|next| next.checked_add(gaps).is_some());
        // Between fewer than two events there is nothing.
        if rows > MAX_BLOCK_ROWS || !is_possible || (rows < 2 && gaps > 0) {
            return Err("a block's rows or positions are impossible");
        }
        let group_rows = fields.u32(120);
        let is_possible = match rows {
            0 => group_rows == 0,
            _ => group_rows.is_power_of_two() && GROUP_ROWS.contains(&group_rows),
        };
        if !is_possible {
            return Err("a block's groups are impossible");
        }
        if rows > 0 && fields.u32(20) & FLAG_CLOSE != 0 {
            return Err("a block with events says that it ends a clean close");
        }
        if fields.u64(72) > fields.u64(56) {
            return Err("a block says that bytes after it were durable");
        }
        let sections = usize::from(fields.u16(108));
        let marks_at = FIXED_HEAD_BYTES + sections * SECTION_ENTRY_BYTES;
        if marks_at > head.len() {
            return Err("a block's section table is longer than its head");
        }
        Ok(Self {
            store: fields.u128(24),
            shard: fields.u32(40),
            segment: fields.u64(48),
            place: fields.u64(56),
            first_position: fields.u64(64),
            rows,
            gaps,
            group_rows,
            durable_place: fields.u64(72),
            first_commit: fields.i64(80),
            last_commit: fields.i64(88),
            epoch: fields.u64(96),
            previous_checksum: fields.u32(104),
            is_cluster,
            close: fields.u32(20) & FLAG_CLOSE != 0,
            marks: decode_marks(&head[marks_at..], usize::from(fields.u16(110)))?,
            sections: decode_sections(&head[FIXED_HEAD_BYTES..marks_at], size)?,
            length: size.block,
            checksum: fields.u32(12),
        })
    }
}

/// The two lengths that a head begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadSize {
    pub(crate) head: usize,
    pub(crate) block: u32,
}

fn magic_of(is_cluster: bool) -> [u8; 8] {
    match is_cluster {
        true => CLUSTER_MAGIC,
        false => MAGIC,
    }
}

fn encode_section(section: &Section, entry: &mut [u8]) {
    entry[0] = section.kind;
    entry[1] = section.codec;
    put(entry, 2, section.event_type.to_le_bytes());
    put(entry, 4, section.stored.to_le_bytes());
    put(entry, 8, section.raw.to_le_bytes());
    put(entry, 12, section.checksum.to_le_bytes());
    put(entry, 16, section.start.to_le_bytes());
}

fn decode_sections(table: &[u8], size: HeadSize) -> Result<Vec<Section>, &'static str> {
    let mut earliest = size.head;
    let mut raw_left = MAX_BLOCK_BYTES;
    let mut sections = Vec::with_capacity(table.len() / SECTION_ENTRY_BYTES);
    for entry in table.as_chunks::<SECTION_ENTRY_BYTES>().0 {
        let fields = Fields(entry);
        let section = Section {
            kind: fields.u8(0),
            codec: fields.u8(1),
            event_type: fields.u16(2),
            stored: fields.u32(4),
            raw: fields.u32(8),
            checksum: fields.u32(12),
            start: fields.u32(16),
        };
        let fits = section.start as usize == earliest.next_multiple_of(SECTION_ALIGN)
            && section.end() <= size.block as usize
            && section.raw <= MAX_SECTION_BYTES
            && (section.codec != 0 || section.raw == section.stored);
        if !fits {
            return Err("a section does not fit into its block");
        }
        let known = (Section::TYPES..=Section::METADATA).contains(&section.kind);
        if fields.u32(20) & !SECTION_MAY_BE_SKIPPED != 0 || (!known && fields.u32(20) == 0) {
            return Err("a section is of a kind that this program does not know");
        }
        earliest = section.end();
        raw_left = raw_left
            .checked_sub(section.raw)
            .ok_or("a block's sections are too large together")?;
        sections.push(section);
    }
    Ok(sections)
}

/// Appends source marks, one after the other.
pub(crate) fn encode_marks_of(marks: &[SourceMark], out: &mut Vec<u8>) {
    for mark in marks {
        out.extend_from_slice(&mark.next.to_le_bytes());
        out.extend_from_slice(&mark.check.to_le_bytes());
        out.extend_from_slice(&(mark.source.len() as u16).to_le_bytes());
        out.extend_from_slice(mark.source.as_bytes());
    }
}

fn decode_marks(bytes: &[u8], count: usize) -> Result<Vec<SourceMark>, &'static str> {
    let marks = decode_marks_of(bytes, MAX_MARKS)?;
    if marks.len() == count {
        Ok(marks)
    } else {
        Err(BAD_MARKS)
    }
}

const BAD_MARKS: &str = "the source marks of a block are malformed";

/// Reads source marks to the end of `bytes`, which must not be more than `limit`.
pub(crate) fn decode_marks_of(
    mut bytes: &[u8],
    limit: usize,
) -> Result<Vec<SourceMark>, &'static str> {
    let mut marks = Vec::new();
    while !bytes.is_empty() {
        let (fixed, rest) = bytes.split_at_checked(18).ok_or(BAD_MARKS)?;
        let fields = Fields(fixed);
        let (name, rest) = rest
            .split_at_checked(usize::from(fields.u16(16)))
            .ok_or(BAD_MARKS)?;
        if !(1..=MAX_SOURCE_BYTES).contains(&name.len()) {
            return Err(BAD_MARKS);
        }
        let source = str::from_utf8(name).map_err(|_| BAD_MARKS)?.to_owned();
        marks.push(SourceMark {
            source,
            next: fields.u64(0),
            check: fields.u64(8),
        });
        if marks.len() > limit {
            return Err(BAD_MARKS);
        }
        bytes = rest;
    }
    Ok(marks)
}
