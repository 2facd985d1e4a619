//! What the beginning of a block says: its head, its types, and where the rest is.

use std::sync::Arc;

use eventcask_event::{Columns, Events, MetadataColumns, Words};

use crate::format::group::{self, GroupFrame, GroupRow, GroupRows};
use crate::format::head::{BlockHead, Section};
use crate::format::kept_type::KeptType;
use crate::format::layout::Layout;
use crate::format::metadata;
use crate::format::section::{checked, unpack, with_aligned, with_archive};

/// The head and the types of a block with events.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) head: BlockHead,
    /// Nothing but the columns of the types.
    pub(crate) types: Columns,
    /// The same types, shared with other blocks; none until they are kept.
    pub(crate) kept_types: Arc<[Arc<KeptType>]>,
    /// One a type: the chunks of its payloads.
    chunks: Vec<Vec<Chunk>>,
    has_ids: bool,
    /// Index of the section of the words, if the block has one.
    words: Option<usize>,
    /// Index of the first section of metadata, if the block has any.
    metadata: Option<usize>,
}

/// A chunk of the payloads of a type.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Where it ends among all payloads of the type.
    end: u32,
    section: u16,
}

/// What a type takes beside its columns and chunks.
const A_TYPE_BYTES: usize = size_of::<Vec<Chunk>>() + size_of::<Arc<KeptType>>();

/// Index of the first section behind those of types and keys.
const FIRST_GROUP: usize = 2;

impl Front {
    /// Where the front of a block ends that has this head.
    pub(crate) fn end(head: &BlockHead) -> Result<usize, &'static str> {
        Ok(Layout::of(head)?.types.end())
    }

    /// Reads the front of a block, whose bytes are there up to its [`end`](Self::end).
    pub(crate) fn decode(head: BlockHead, bytes: &[u8]) -> Result<Self, &'static str> {
        let layout = Layout::of(&head)?;
        let mut types = Columns::default();
        with_archive(layout.types, bytes, |raw| {
            group::read_types(raw, &mut types)
        })?;
        let count = layout.payload_bytes().len();
        Events::check_types(&types, count).map_err(|malformed| malformed.0)?;
        layout.check_chunks(&types)?;
        let mut chunks: Vec<Vec<Chunk>> = vec![Vec::new(); count];
        let first_chunk = head.sections.len() - layout.behind_rows();
        for (index, section) in layout.payloads.iter().enumerate() {
            let chunks = &mut chunks[usize::from(section.event_type)];
            let start = chunks.last().map_or(0, |chunk| chunk.end);
            chunks.push(Chunk {
                end: start + section.raw,
                section: u16::try_from(first_chunk + index)
                    .map_err(|_| "a block has too many sections")?,
            });
        }
        let has_ids = layout.has_ids();
        let metadata = first_chunk - layout.metadata.len();
        let words = layout.words.map(|_| metadata - 1);
        let metadata = (metadata < first_chunk).then_some(metadata);
        Ok(Self {
            types,
            kept_types: Arc::default(),
            chunks,
            has_ids,
            words,
            metadata,
            head,
        })
    }

    /// The sections of a group.
    pub(crate) fn sections_of_group(&self, group: usize) -> Option<&[Section]> {
        let a_group = 1 + usize::from(self.has_ids);
        let first = FIRST_GROUP + group * a_group;
        let is_there = group < self.head.rows.div_ceil(self.head.group_rows) as usize;
        self.head
            .sections
            .get(first..first + a_group)
            .filter(|_| is_there)
    }

    /// Reads a group, from the stored bytes that its sections have in the block, from the first one
    /// on.
    pub(crate) fn read_group(&self, group: usize, bytes: &[u8]) -> Result<GroupRows, &'static str> {
        let sections = self
            .sections_of_group(group)
            .ok_or("a block lacks a group")?;
        let begin = sections[0].start as usize;
        let stored = |section: &Section| {
            let from = section.start as usize - begin;
            let stored = bytes.get(from..from + section.stored as usize);
            checked(section, stored.ok_or("a block is cut short")?)
        };
        let first = group * self.head.group_rows as usize;
        let rows = (self.head.group_rows as usize).min(self.head.rows as usize - first);
        let ids = sections.get(1).map_or(Ok(&[][..]), stored)?;
        let of = GroupFrame {
            rows,
            types: &self.types,
            first_position: self.head.first_position.saturating_add(first as u64),
            commit_time: self.head.first_commit,
        };
        let mut rows = with_aligned(&sections[0], stored(&sections[0])?, |raw| {
            GroupRows::read(raw, &of, ids)
        })?;
        rows.place_payloads(|row| self.payload(row))?;
        Ok(rows)
    }

    /// The section with the metadata of a group, if the block has any.
    pub(crate) fn metadata_of_group(&self, group: usize) -> Option<&Section> {
        self.head.sections.get(self.metadata? + group)
    }

    /// The section of the words, if the block has any.
    pub(crate) fn words(&self) -> Option<&Section> {
        self.head.sections.get(self.words?)
    }

    /// Reads the metadata of a group, which is to be checked against the words yet, from the stored
    /// bytes of its section.
    pub(crate) fn read_metadata(
        section: &Section,
        bytes: &[u8],
    ) -> Result<MetadataColumns, &'static str> {
        with_aligned(section, checked(section, bytes)?, metadata::read_group)
    }

    /// Reads the words, from the stored bytes of their section.
    pub(crate) fn read_words(section: &Section, bytes: &[u8]) -> Result<Words, &'static str> {
        with_aligned(section, checked(section, bytes)?, metadata::read_words)
    }

    /// The section that a row's payload is in, by its index, and where that starts there before
    /// compression.
    fn payload(&self, row: &GroupRow) -> Result<(u16, u32), &'static str> {
        let (start, length) = (row.payload_start, row.payload_length);
        let chunks = &self.chunks[usize::from(row.event_type)];
        let index = chunks.partition_point(|chunk| chunk.end <= start);
        let index = index.min(chunks.len() - 1);
        let begin = index.checked_sub(1).map_or(0, |before| chunks[before].end);
        let end = start.checked_add(length);
        match end.is_some_and(|end| end <= chunks[index].end) {
            true => Ok((chunks[index].section, start - begin)),
            false => Err("a payload lies in two chunks, or beyond those of its type"),
        }
    }

    /// A chunk of payloads, from its stored bytes.
    pub(crate) fn read_chunk(section: &Section, bytes: &[u8]) -> Result<Arc<[u8]>, &'static str> {
        let stored = checked(section, bytes)?;
        if section.codec == 0 {
            return Ok(stored.into());
        }
        Ok(unpack(section, stored)?.into())
    }

    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let sections = self.head.sections.len() * (size_of::<Section>() + size_of::<Chunk>());
        sections + self.types.bytes() + self.chunks.len() * A_TYPE_BYTES
    }
}
