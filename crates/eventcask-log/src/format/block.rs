//! A block in memory, and its way to bytes and back.
//!
//! Encoding: 1. room for the head; 2. the sections one after the other, each compressed and
//! checksummed by itself; 3. zeros up to the next border; 4. the head over the room.
//! Decoding checks each part before it is used, so [`Block::events`] can not fail.

use eventcask_event::{
    AggregateNumbers, ArchivedColumns, Columns, Encoding, Events, EventsParts, Timestamp,
};
use rkyv::api::high::to_bytes_in;
use rkyv::rancor;
use rkyv::util::AlignedVec;

use crate::disk::buffer::{Buffer, PAGE_BYTES};
use crate::format::codec::{self, Codec, Compressor};
use crate::format::head::{
    BLOCK_ALIGN, BlockHead, MAX_BLOCK_BYTES, MAX_SECTION_BYTES, SECTION_ALIGN, Section,
};

/// A block of so many bytes ends at a page of its file, so that the one behind it begins at one.
const PAGED_BLOCK_BYTES: usize = 64 << 10;

/// Which payloads a reader wants decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payloads<'a> {
    /// All.
    All,
    /// None: only envelopes.
    Shut,
    /// Those of the event types with these names.
    Types(&'a [String]),
    /// Those of the event types that have an event whose key begins like this; of the types with
    /// these names, where there are names.
    Keys {
        /// What the key begins with.
        prefix: &'a str,
        /// The names.
        types: Option<&'a [String]>,
    },
    /// Those of the event types that an aggregate has in the block: the one that the event at this
    /// position is about.
    OfAggregateAt(u64),
}

impl Payloads<'_> {
    /// Which of a block's event types are wanted, by their index.
    fn of(self, events: &Events<'_>) -> Vec<bool> {
        match self {
            Self::All => vec![true; events.types()],
            Self::Shut => vec![false; events.types()],
            Self::Types(names) => events.types_named(names),
            Self::Keys { prefix, types } => {
                let mut wanted = types_with_key(events, prefix);
                if let Some(names) = types {
                    let named = events.types_named(names);
                    wanted
                        .iter_mut()
                        .zip(named)
                        .for_each(|(one, is_named)| *one &= is_named);
                }
                wanted
            }
            Self::OfAggregateAt(position) => types_at(events, position),
        }
    }
}

/// The event types that have an event whose key begins like this.
fn types_with_key(events: &Events<'_>, prefix: &str) -> Vec<bool> {
    let mut has_key = vec![false; events.types()];
    let begins = |index| events.key_bytes(index).starts_with(prefix.as_bytes());
    let wanted: Vec<bool> = (0..events.aggregates()).map(begins).collect();
    if wanted.contains(&true) {
        for row in 0..events.len() {
            has_key[events.type_index(row)] |= wanted[events.aggregate_index(row)];
        }
    }
    has_key
}

/// The event types that the aggregate of the event at `position` has.
fn types_at(events: &Events<'_>, position: u64) -> Vec<bool> {
    let mut types = vec![false; events.types()];
    if let Some(row) = events.row_at(position) {
        let rows = events.rows_of(events.aggregate_index(row));
        rows.for_each(|row| types[events.type_index(row)] = true);
    }
    types
}

/// The events of one commit, in memory: either about to be written or read back.
#[derive(Debug)]
pub struct Block {
    pub(super) head: BlockHead,
    pub(super) columns: AlignedVec<16>,
    pub(super) ids: Vec<u8>,
    pub(super) payloads: Vec<Option<Vec<u8>>>,
    payload_starts: Vec<u32>,
    /// Where the keys begin in the archive of the columns, and where the names of the types.
    pub(super) keys_at: usize,
    pub(super) type_names_at: usize,
    /// See [`AggregateNumbers`]: none where the block was read back.
    numbers: Vec<u32>,
    opening: u64,
}

/// The memory of a block, which can be used again for another one.
#[derive(Debug, Default)]
pub struct BlockParts {
    /// Ids, 16 bytes little-endian each, one a row or none at all; 0 where the engine makes it.
    pub ids: Vec<u8>,
    /// One a type: the payloads of its rows end to end, or `None` where they are left shut.
    pub payloads: Vec<Option<Vec<u8>>>,
    columns: AlignedVec<16>,
    payload_starts: Vec<u32>,
    numbers: Vec<u32>,
}

impl Block {
    /// A block to be written. `ids` has 16 bytes a row or none; `payloads` one entry a type.
    ///
    /// # Errors
    /// A sentence, where the parts do not fit each other or the limits of a block.
    pub fn new(
        head: BlockHead,
        columns: &Columns,
        ids: Vec<u8>,
        payloads: Vec<Vec<u8>>,
    ) -> Result<Self, String> {
        let parts = BlockParts {
            ids,
            payloads: payloads.into_iter().map(Some).collect(),
            ..BlockParts::default()
        };
        Self::of_parts(head, columns, parts)
    }

    /// As [`new`](Self::new), from parts whose ids and payloads are filled. The columns are
    /// archived into the memory that they had before.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_parts(
        head: BlockHead,
        columns: &Columns,
        mut parts: BlockParts,
    ) -> Result<Self, String> {
        parts.columns.clear();
        let columns = to_bytes_in::<_, rancor::Error>(columns, parts.columns);
        let mut block = Self {
            head,
            columns: columns.map_err(|e| e.to_string())?,
            ids: parts.ids,
            payloads: parts.payloads,
            payload_starts: parts.payload_starts,
            keys_at: 0,
            type_names_at: 0,
            numbers: parts.numbers,
            opening: 0,
        };
        block.numbers.clear();
        let sizes: Vec<usize> = block.payloads.iter().flatten().map(Vec::len).collect();
        block.check_limits(&sizes).map_err(str::to_owned)?;
        block.check_against(&sizes).map_err(str::to_owned)?;
        Ok(block)
    }

    /// What a reader will refuse must not be written.
    fn check_limits(&self, payload_bytes: &[usize]) -> Result<(), &'static str> {
        let sections = payload_bytes.len() + 1 + usize::from(!self.ids.is_empty());
        self.head.check_limits(sections)?;
        let sizes = payload_bytes.iter().copied();
        let sizes = sizes.chain([self.columns.len(), self.ids.len()]);
        if sizes
            .clone()
            .any(|bytes| bytes > MAX_SECTION_BYTES as usize)
        {
            return Err("a section of the block would pass 16 MiB");
        }
        // What is not worth compressing is stored as it is, so a block never grows by more
        // than its head and the zeros between its sections.
        let zeros = (sections + 1) * BLOCK_ALIGN + PAGE_BYTES;
        let block = sizes.sum::<usize>() + self.head.head_bytes(sections) + zeros;
        if block > MAX_BLOCK_BYTES as usize {
            return Err("the block would pass 64 MiB");
        }
        Ok(())
    }

    fn check_against(&mut self, payload_bytes: &[usize]) -> Result<(), &'static str> {
        let columns = archived(&self.columns)?;
        let ids = self.ids.len() / 16;
        if !self.ids.len().is_multiple_of(16) {
            return Err("the section of ids is not a whole number of ids");
        }
        let rows = self.head.rows as usize;
        self.payload_starts =
            Events::check(rows, columns, ids, payload_bytes).map_err(|malformed| malformed.0)?;
        let place = |bytes: &[u8]| bytes.as_ptr().addr() - self.columns.as_ptr().addr();
        self.keys_at = place(&columns.keys);
        self.type_names_at = place(&columns.type_names);
        check_places(&self.head, columns)
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &BlockHead {
        &self.head
    }

    /// Notes how long the block is in its file, which is known once it is encoded.
    pub fn set_length(&mut self, length: u32) {
        self.head.length = length;
    }

    /// The events, borrowed from the block.
    ///
    /// # Panics
    /// Never: the columns were checked when the block was made.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events::new(EventsParts {
            store: self.head.store,
            shard: self.head.shard,
            first_position: self.head.first_position,
            commit_time: Timestamp::from_nanos(self.head.first_commit),
            columns: archived(&self.columns).expect("checked when the block was made"),
            ids: &self.ids,
            payloads: &self.payloads,
            payload_starts: &self.payload_starts,
        })
        .numbered(AggregateNumbers {
            opening: self.opening,
            numbers: &self.numbers,
        })
    }

    /// Says which numbers the block's aggregates have: see [`AggregateNumbers`].
    pub fn number_aggregates(&mut self, opening: u64, numbers: impl Iterator<Item = u32>) {
        self.opening = opening;
        self.numbers.clear();
        self.numbers.extend(numbers);
    }

    /// The memory of a block that is not needed any more.
    #[must_use]
    pub fn into_parts(self) -> BlockParts {
        BlockParts {
            ids: self.ids,
            payloads: self.payloads,
            columns: self.columns,
            payload_starts: self.payload_starts,
            numbers: self.numbers,
        }
    }

    /// Bytes of the sections before compression.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        let payloads: usize = self.payloads.iter().flatten().map(Vec::len).sum();
        self.columns.len() + self.ids.len() + payloads
    }

    /// Appends the block to `out` as it stands in the file, and returns its head.
    ///
    /// # Panics
    /// When payloads were left shut: what is not there can not be written.
    pub fn encode(
        &self,
        codec: Codec,
        compressor: &mut Compressor,
        out: &mut impl Buffer,
    ) -> BlockHead {
        let base = out.len();
        let head = self.encode_sections(codec, compressor, out);
        finish(head, base, out)
    }

    /// As [`encode`](Self::encode), but a large block goes on with zeros to the end of a page of
    /// its file, so that it can be written past the system's cache.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn encode_paged(
        &self,
        codec: Codec,
        compressor: &mut Compressor,
        out: &mut impl Buffer,
    ) -> BlockHead {
        let base = out.len();
        let head = self.encode_sections(codec, compressor, out);
        if out.len() - base >= PAGED_BLOCK_BYTES {
            let end = head.place as usize + (out.len() - base);
            let zeros = end.next_multiple_of(PAGE_BYTES) - end;
            out.resize(out.len() + zeros);
        }
        finish(head, base, out)
    }

    /// Appends room for the head, and the sections; the head is to be written yet.
    fn encode_sections(
        &self,
        codec: Codec,
        compressor: &mut Compressor,
        out: &mut impl Buffer,
    ) -> BlockHead {
        let mut head = BlockHead {
            sections: Vec::new(),
            ..self.head.clone()
        };
        let base = out.len();
        let types = self.payloads.len();
        let sections = 1 + usize::from(!self.ids.is_empty()) + types;
        let columns = archived(&self.columns).expect("checked when the block was made");
        out.resize(base + head.head_bytes(sections));
        let mut add = |kind, event_type: usize, codec: Codec, raw: &[u8]| {
            pad(out, base, SECTION_ALIGN);
            let start = out.len();
            let codec = if kind == Section::PAYLOADS {
                let is_text = columns.type_encodings[event_type] == Encoding::Json as u8;
                let name = self.type_name(event_type);
                compressor.append_payloads(codec.for_section(is_text), name, raw, out)
            } else {
                compressor.append(codec.for_section(false), raw, out)
            };
            head.sections.push(Section {
                kind,
                codec,
                event_type: event_type as u16,
                stored: (out.len() - start) as u32,
                raw: raw.len() as u32,
                crc: crc32c::crc32c(&out[start..]),
                start: (start - base) as u32,
            });
        };
        add(Section::COLUMNS, 0, codec, &self.columns);
        if !self.ids.is_empty() {
            add(Section::IDS, 0, Codec::None, &self.ids);
        }
        for (index, payloads) in self.payloads.iter().enumerate() {
            let payloads = payloads.as_deref().expect("no payloads were left shut");
            add(Section::PAYLOADS, index, codec, payloads);
        }
        head
    }

    /// Appends a block without events: what a clean close ends with.
    pub fn encode_empty(head: BlockHead, out: &mut impl Buffer) -> BlockHead {
        debug_assert_eq!(head.rows, 0);
        let base = out.len();
        out.resize(base + head.head_bytes(0));
        finish(head, base, out)
    }

    /// Reads a block whose bytes begin with this head.
    ///
    /// `bytes` may end before sections that are not wanted.
    ///
    /// # Errors
    /// A sentence that says what is wrong; any bytes get an answer.
    pub fn decode(head: BlockHead, bytes: &[u8], want: Payloads<'_>) -> Result<Self, &'static str> {
        let mut block = Self::decode_envelopes(head, bytes)?;
        for section in block.wanted(want) {
            block.open_payloads(&section, bytes)?;
        }
        Ok(block)
    }

    /// As [`decode`](Self::decode), with all payloads left shut: nothing after
    /// [`envelopes_end`](Self::envelopes_end) is looked at.
    pub(crate) fn decode_envelopes(head: BlockHead, bytes: &[u8]) -> Result<Self, &'static str> {
        let layout = Layout::of(&head)?;
        let columns = open_aligned(layout.columns, bytes)?;
        let ids = layout.ids.map_or(Ok(Vec::new()), |ids| open(ids, bytes))?;
        let sizes = layout.payloads.iter().map(|section| section.raw as usize);
        let sizes: Vec<usize> = sizes.collect();
        let mut block = Self {
            columns,
            ids,
            payloads: Vec::new(),
            payload_starts: Vec::new(),
            keys_at: 0,
            type_names_at: 0,
            numbers: Vec::new(),
            opening: 0,
            head,
        };
        block.check_against(&sizes)?;
        block.payloads = vec![None; sizes.len()];
        Ok(block)
    }

    /// Where the sections of a block end that are not payloads, from its beginning on.
    pub(crate) fn envelopes_end(head: &BlockHead) -> Result<usize, &'static str> {
        let layout = Layout::of(head)?;
        let ids = layout.ids.map_or(0, Section::end);
        Ok(ids.max(layout.columns.end()))
    }

    /// The sections of the payloads that are wanted.
    pub(crate) fn wanted(&self, want: Payloads<'_>) -> Vec<Section> {
        let wanted = want.of(&self.events());
        let is_wanted = |section: &&Section| {
            let index = usize::from(section.event_type);
            section.kind == Section::PAYLOADS && wanted.get(index) == Some(&true)
        };
        self.head
            .sections
            .iter()
            .filter(is_wanted)
            .cloned()
            .collect()
    }

    /// Opens the payloads of a section of this block.
    pub(crate) fn open_payloads(
        &mut self,
        section: &Section,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        self.payloads[usize::from(section.event_type)] = Some(open(section, bytes)?);
        Ok(())
    }

    /// Whether these payloads are open.
    pub(crate) fn has(&self, want: Payloads<'_>) -> bool {
        if self.payloads.iter().all(Option::is_some) {
            return true;
        }
        let wanted = want.of(&self.events());
        let mut open = self.payloads.iter().zip(wanted);
        open.all(|(payloads, is_wanted)| payloads.is_some() || !is_wanted)
    }

    fn type_name(&self, index: usize) -> &str {
        let columns = archived(&self.columns).expect("checked when the block was decoded");
        let end = |index: usize| columns.type_name_ends[index].to_native() as usize;
        let start = if index == 0 { 0 } else { end(index - 1) };
        str::from_utf8(&columns.type_names[start..end(index)]).unwrap_or_default()
    }
}

/// Where the sections of a block with events are.
struct Layout<'a> {
    columns: &'a Section,
    ids: Option<&'a Section>,
    payloads: &'a [Section],
}

impl<'a> Layout<'a> {
    fn of(head: &'a BlockHead) -> Result<Self, &'static str> {
        const WRONG: &str = "a block's sections are not those of a block with events";
        let (columns, rest) = head.sections.split_first().ok_or(WRONG)?;
        let (ids, rest) = match rest.split_first() {
            Some((ids, rest)) if ids.kind == Section::IDS => (Some(ids), rest),
            _ => (None, rest),
        };
        let known = rest
            .iter()
            .take_while(|section| section.kind == Section::PAYLOADS)
            .count();
        let (payloads, unknown) = rest.split_at(known);
        let in_order = payloads
            .iter()
            .enumerate()
            .all(|(i, s)| usize::from(s.event_type) == i);
        let others = unknown
            .iter()
            .any(|section| section.kind <= Section::PAYLOADS);
        let ids_raw = ids.is_none_or(|ids| ids.codec == 0);
        if columns.kind != Section::COLUMNS || !in_order || others || !ids_raw {
            return Err(WRONG);
        }
        Ok(Self {
            columns,
            ids,
            payloads,
        })
    }
}

/// Positions and commit times of the rows begin and end where the head says, and rise.
fn check_places(head: &BlockHead, columns: &ArchivedColumns) -> Result<(), &'static str> {
    if head.is_cluster {
        return check_cluster_places(head, columns);
    }
    let (positions, commits) = (&columns.positions, &columns.commit_times);
    let rises = positions.windows(2).all(|pair| pair[0] < pair[1]);
    let ends = positions.first().zip(positions.last()).map_or(
        (
            head.first_position,
            head.first_position + u64::from(head.rows),
        ),
        |(first, last)| (first.to_native(), last.to_native().wrapping_add(1)),
    );
    if !rises || ends != (head.first_position, head.next_position()) {
        return Err("the positions of a block's events are not those of its head");
    }
    let rises = commits.windows(2).all(|pair| pair[0] <= pair[1]);
    let ends = commits.first().zip(commits.last());
    let ends = ends.map(|(first, last)| (first.to_native(), last.to_native()));
    if !rises || ends.is_some_and(|ends| ends != (head.first_commit, head.last_commit)) {
        return Err("the commit times of a block's events are not those of its head");
    }
    Ok(())
}

/// Positions and commit times of a cluster's rows do not rise; the lowest and the highest are those
/// of the head.
fn check_cluster_places(head: &BlockHead, columns: &ArchivedColumns) -> Result<(), &'static str> {
    let positions = columns.positions.iter().map(|one| one.to_native());
    let ends = positions.clone().min().zip(positions.max());
    let said = (head.first_position, head.next_position().wrapping_sub(1));
    if ends != Some(said) {
        return Err("the positions of a cluster's events are not those of its head");
    }
    let commits = columns.commit_times.iter().map(|one| one.to_native());
    let ends = commits.clone().min().zip(commits.max());
    if ends.is_some_and(|ends| ends != (head.first_commit, head.last_commit)) {
        return Err("the commit times of a cluster's events are not those of its head");
    }
    Ok(())
}

fn archived(columns: &AlignedVec<16>) -> Result<&ArchivedColumns, &'static str> {
    rkyv::access::<ArchivedColumns, rancor::Failure>(columns)
        .map_err(|_| "the columns of a block are not a valid archive")
}

/// The stored bytes of a section, if they are what was written.
pub(crate) fn stored<'b>(section: &Section, bytes: &'b [u8]) -> Result<&'b [u8], &'static str> {
    let stored = bytes
        .get(section.start as usize..section.end())
        .ok_or("a block is cut short")?;
    if crc32c::crc32c(stored) != section.crc {
        return Err("the checksum of a section is wrong");
    }
    Ok(stored)
}

/// Whether all bytes of a block that belong to nothing are zero.
pub(crate) fn padding_is_zero(head: &BlockHead, bytes: &[u8]) -> bool {
    let mut at = head.head_bytes(head.sections.len());
    let ends = head
        .sections
        .iter()
        .map(|section| (section.start as usize, section.end()));
    let all = ends.chain([(bytes.len(), bytes.len())]);
    all.into_iter().all(|(start, end)| {
        let zero = bytes
            .get(at..start)
            .is_some_and(|gap| gap.iter().all(|byte| *byte == 0));
        at = end;
        zero
    })
}

fn open(section: &Section, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let stored = stored(section, bytes)?;
    if section.codec == 0 {
        return Ok(stored.to_vec());
    }
    let mut raw = vec![0; section.raw as usize];
    codec::decompress(section.codec, stored, &mut raw)?;
    Ok(raw)
}

fn open_aligned(section: &Section, bytes: &[u8]) -> Result<AlignedVec<16>, &'static str> {
    let stored = stored(section, bytes)?;
    let mut raw = AlignedVec::with_capacity(section.raw as usize);
    if section.codec == 0 {
        raw.extend_from_slice(stored);
        return Ok(raw);
    }
    raw.resize(section.raw as usize, 0);
    codec::decompress(section.codec, stored, &mut raw)?;
    Ok(raw)
}

fn pad(out: &mut impl Buffer, base: usize, align: usize) {
    out.resize(base + (out.len() - base).next_multiple_of(align));
}

/// Ends a block at the next border and writes its head over the room for it.
fn finish(mut head: BlockHead, base: usize, out: &mut impl Buffer) -> BlockHead {
    pad(out, base, BLOCK_ALIGN);
    head.length = (out.len() - base) as u32;
    head.encode_over(&mut out[base..]);
    head
}
