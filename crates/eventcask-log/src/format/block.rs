//! A block in memory, and its way to bytes and back.
//!
//! Encoding: 1. room for the head; 2. the sections one after the other, each compressed and
//! checksummed by itself: types, keys, the rows in groups, payloads in chunks; 3. zeros up to the
//! next border; 4. the head over the room. Decoding checks each part before it is used, so
//! [`Block::events`] can not fail.

use eventcask_event::{
    AggregateNumbers, Columns, Encoding, Events, EventsParts, NO_POSITION, PayloadBytes, Timestamp,
    payload_end, payload_fill,
};

use crate::disk::buffer::{Buffer, PAGE_BYTES};
use crate::disk::room::Room;
use crate::format::carried;
use crate::format::codec::{Codec, Compressor};
use crate::format::group::{self, GroupReader, group_rows};
use crate::format::head::{
    BLOCK_ALIGN, BlockHead, MAX_BLOCK_BYTES, MAX_BLOCK_TYPES, MAX_SECTION_BYTES, Section,
};
use crate::format::in_place::InPlace;
use crate::format::layout::Layout;
use crate::format::payloads::Payloads;
use crate::format::section::{open, stored, with_archive};
use crate::format::section_writer::{SectionWriter, pad};

/// A block of so many bytes ends at a page of its file, so that the one behind it begins at one.
const PAGED_BLOCK_BYTES: usize = 64 << 10;
/// A chunk of payloads that are not compressed has up to so many bytes, or one larger payload: who
/// wants one payload reads and checks a chunk.
const RAW_CHUNK_BYTES: u32 = 16 << 10;
/// The same where they are compressed: smaller chunks compress worse.
const COMPRESSED_CHUNK_BYTES: u32 = 64 << 10;

/// The events of one commit, in memory: either about to be written or read back.
#[derive(Debug)]
pub struct Block {
    pub(super) head: BlockHead,
    pub(super) columns: Columns,
    pub(super) ids: Vec<u8>,
    pub(super) payloads: Vec<Option<PayloadBytes>>,
    payload_starts: Vec<u32>,
    /// Where they are that are in no vector of their own.
    in_place: Option<InPlace>,
    /// Whether its metadata was left shut.
    metadata_is_shut: bool,
    /// See [`AggregateNumbers`]: none where the block was read back.
    numbers: Vec<u32>,
    opening: u64,
}

/// The memory of a block, which can be used again for another one.
#[derive(Debug, Default)]
pub struct BlockParts {
    /// The envelopes.
    pub columns: Columns,
    /// Ids, 16 bytes little-endian each, one a row or none at all; 0 where the engine makes it.
    pub ids: Vec<u8>,
    /// One a type: the payloads of its rows, or `None` where they are left shut.
    pub payloads: Vec<Option<PayloadBytes>>,
    /// One a row, where a block is put together from parts that were checked: where its payload
    /// starts among those of its type.
    pub(crate) payload_starts: Vec<u32>,
    numbers: Vec<u32>,
}

impl BlockParts {
    /// Makes room for so many rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        let columns = &mut self.columns;
        columns.aggregates.reserve_exact(rows);
        columns.types.reserve_exact(rows);
        columns.versions.reserve_exact(rows);
        columns.payload_lengths.reserve_exact(rows);
        columns.times.reserve_exact(rows);
        columns.positions.reserve_exact(rows);
        columns.commit_times.reserve_exact(rows);
        self.ids.reserve_exact(rows * 16);
        self.payload_starts.reserve_exact(rows);
    }

    /// Removes all rows, types and aggregates, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.columns.clear();
        self.ids.clear();
        let payloads = self.payloads.iter_mut().flatten();
        payloads.for_each(PayloadBytes::clear);
        self.payload_starts.clear();
        self.numbers.clear();
    }
}

impl Block {
    /// A block to be written. `ids` has 16 bytes a row or none; `payloads` one entry a type.
    ///
    /// # Errors
    /// A sentence, where the parts do not fit each other or the limits of a block.
    pub fn new(
        head: BlockHead,
        columns: Columns,
        ids: Vec<u8>,
        payloads: Vec<PayloadBytes>,
    ) -> Result<Self, String> {
        let parts = BlockParts {
            columns,
            ids,
            payloads: payloads.into_iter().map(Some).collect(),
            ..BlockParts::default()
        };
        Self::of_parts(head, parts)
    }

    /// As [`new`](Self::new), from parts that are filled.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_parts(head: BlockHead, parts: BlockParts) -> Result<Self, String> {
        let mut block = Self {
            head,
            metadata_is_shut: false,
            columns: parts.columns,
            ids: parts.ids,
            payloads: parts.payloads,
            payload_starts: parts.payload_starts,
            in_place: None,
            numbers: parts.numbers,
            opening: 0,
        };
        block.numbers.clear();
        block.columns.metadata.fill(block.columns.rows());
        let sizes: Vec<usize> = block
            .payloads
            .iter()
            .flatten()
            .map(|one| one.len())
            .collect();
        block.check_limits(&sizes).map_err(str::to_owned)?;
        block.check_against(&sizes).map_err(str::to_owned)?;
        block.check_previous().map_err(str::to_owned)?;
        Ok(block)
    }

    /// Events of one aggregate that were read row by row: each part was checked.
    pub(crate) fn gathered(head: BlockHead, parts: BlockParts) -> Self {
        Self {
            head,
            metadata_is_shut: false,
            columns: parts.columns,
            ids: parts.ids,
            payloads: parts.payloads,
            payload_starts: parts.payload_starts,
            in_place: None,
            numbers: parts.numbers,
            opening: 0,
        }
    }

    /// What a reader will refuse must not be written.
    fn check_limits(&self, payload_bytes: &[usize]) -> Result<(), &'static str> {
        let rows_in_groups = self.columns.rows().div_ceil(group_rows(false) as usize);
        // Two chunks that follow each other are more than a full one.
        let chunks = |bytes: &usize| 1 + 2 * bytes / RAW_CHUNK_BYTES as usize;
        let chunks: usize = payload_bytes.iter().map(chunks).sum();
        let of_metadata = carried::sections(&self.columns.metadata, rows_in_groups);
        let sections = 2 + 2 * rows_in_groups + of_metadata + chunks;
        self.head.check_limits(sections)?;
        carried::check_limits(&self.columns.metadata)?;
        let largest = self.columns.payload_lengths.iter().max();
        let dictionary = self.columns.keys.len() + self.columns.key_ends.len() * 4;
        if payload_bytes.len() > MAX_BLOCK_TYPES {
            return Err("the block would have too many events or event types");
        }
        if largest.is_some_and(|bytes| *bytes > MAX_SECTION_BYTES)
            || dictionary > (MAX_SECTION_BYTES / 2) as usize
        {
            return Err("a section of the block would pass 16 MiB");
        }
        // A block is no longer than its head and the zeros between its sections.
        let zeros = (sections + 1) * BLOCK_ALIGN + PAGE_BYTES;
        // Beside the columns the archives say of each row how far back its aggregate's event before
        // is, and of each type, in each group, where its payloads start.
        let in_groups = self.columns.rows() * 4 + rows_in_groups * payload_bytes.len() * 4;
        let raw = self.raw_bytes() + in_groups + (sections + 1) * ARCHIVE_BYTES;
        if raw + self.head.head_bytes(sections) + zeros > MAX_BLOCK_BYTES as usize {
            return Err("the block would pass 64 MiB");
        }
        Ok(())
    }

    fn check_against(&mut self, payload_bytes: &[usize]) -> Result<(), &'static str> {
        let ids = self.ids.len() / 16;
        if !self.ids.len().is_multiple_of(16) {
            return Err("the section of ids is not a whole number of ids");
        }
        let rows = self.head.rows as usize;
        self.payload_starts = Events::check(rows, &self.columns, ids, payload_bytes)
            .map_err(|malformed| malformed.0)?;
        check_places(&self.head, &self.columns)
    }

    /// The event before an aggregate's first one in the block lies before that one.
    fn check_previous(&self) -> Result<(), &'static str> {
        let events = self.events();
        let comes_later = |row: usize| {
            let previous = self.columns.previous[events.aggregate_index(row)];
            previous != NO_POSITION && previous >= events.position(row)
        };
        match (0..events.len()).any(comes_later) {
            true => Err("an aggregate's event before the block would come after one in it"),
            false => Ok(()),
        }
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
    #[must_use]
    #[inline]
    pub fn events(&self) -> Events<'_> {
        let events = Events::new(EventsParts {
            store: self.head.store,
            shard: self.head.shard,
            first_position: self.head.first_position,
            commit_time: Timestamp::from_nanos(self.head.first_commit),
            columns: &self.columns,
            ids: &self.ids,
            payloads: &self.payloads,
            payload_starts: &self.payload_starts,
        });
        let events = events.numbered(AggregateNumbers {
            opening: self.opening,
            numbers: &self.numbers,
        });
        match &self.in_place {
            Some(in_place) => events.in_place(in_place.bytes()),
            None => events,
        }
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
            columns: self.columns,
            ids: self.ids,
            payloads: self.payloads,
            payload_starts: self.payload_starts,
            numbers: self.numbers,
        }
    }

    /// Bytes of the columns, ids and payloads.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        let payloads: usize = self.payloads.iter().flatten().map(|one| one.len()).sum();
        let in_place = self.in_place.as_ref().map_or(0, |one| one.bytes().len());
        in_place + self.columns.bytes() + self.ids.len() + payloads
    }

    /// Appends the block to `out` as it stands in the file, and returns its head.
    ///
    /// # Panics
    /// When payloads were left shut, or are read in place: what is not there can not be written.
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
        let plain = codec.for_section(false).resolve(false);
        let group_rows = group_rows(plain != Codec::None);
        let groups = self.columns.rows().div_ceil(group_rows as usize);
        let chunks = self.chunks(codec);
        let has_ids = !self.ids.is_empty();
        let of_metadata = carried::sections(&self.columns.metadata, groups);
        let sections = 2 + groups * (1 + usize::from(has_ids)) + of_metadata + chunks.len();
        let mut head = BlockHead {
            sections: Vec::with_capacity(sections),
            group_rows,
            ..self.head.clone()
        };
        let base = out.len();
        out.resize(base + head.head_bytes(sections));
        let mut to = SectionWriter {
            base,
            sections: &mut head.sections,
            out,
        };
        self.encode_rows(plain, group_rows as usize, compressor, &mut to);
        self.encode_payloads(codec, &chunks, compressor, &mut to);
        debug_assert_eq!(head.sections.len(), sections);
        head
    }

    /// Appends types, keys and groups, and the metadata of these.
    fn encode_rows(
        &self,
        codec: Codec,
        group_rows: usize,
        compressor: &mut Compressor,
        to: &mut SectionWriter<'_, impl Buffer>,
    ) {
        let mut writer = std::mem::take(&mut compressor.groups);
        let columns = &self.columns;
        writer.begin(columns);
        let mut add = |kind, raw: &[u8]| {
            to.add(kind, 0, raw.len(), |out| compressor.append(codec, raw, out));
        };
        add(Section::TYPES, writer.types(columns));
        add(Section::KEYS, writer.keys(columns));
        let mut from = 0;
        while from < columns.rows() {
            let rows = from..columns.rows().min(from + group_rows);
            let group = writer.group(columns, self.head.first_position, rows.clone());
            to.add(Section::GROUP, 0, group.len(), |out| {
                compressor.append(codec, group, out)
            });
            if !self.ids.is_empty() {
                let ids = &self.ids[rows.start * 16..rows.end * 16];
                let append = |out: &mut _| compressor.append(Codec::None, ids, out);
                to.add(Section::IDS, 0, ids.len(), append);
            }
            from = rows.end;
        }
        compressor.groups = writer;
        let (with, all) = ((codec, compressor), columns.rows());
        carried::encode(&columns.metadata, all, group_rows, with, to);
    }

    fn encode_payloads(
        &self,
        codec: Codec,
        chunks: &[Chunk],
        compressor: &mut Compressor,
        to: &mut SectionWriter<'_, impl Buffer>,
    ) {
        for chunk in chunks {
            let event_type = usize::from(chunk.event_type);
            let payloads = self.payloads[event_type].as_deref();
            let raw = payloads.expect("no payloads were left shut");
            let raw = &raw[chunk.start as usize..chunk.end as usize];
            let codec = self.codec_of(event_type, codec);
            let name = self.events().type_name(event_type);
            to.add(Section::PAYLOADS, chunk.event_type, raw.len(), |out| {
                compressor.append_payloads(codec, name, raw, out)
            });
        }
    }

    fn codec_of(&self, event_type: usize, codec: Codec) -> Codec {
        let is_text = self.columns.type_encodings[event_type] == Encoding::Json as u8;
        codec.for_section(is_text).resolve(false)
    }

    /// Where the payloads of each type are cut: before the row with which a chunk would be too full.
    fn chunks(&self, codec: Codec) -> Vec<Chunk> {
        let types = self.payloads.len();
        let full = |event_type| match self.codec_of(event_type, codec) {
            Codec::None => RAW_CHUNK_BYTES,
            _ => COMPRESSED_CHUNK_BYTES,
        };
        let full: Vec<u32> = (0..types).map(full).collect();
        let bytes = self
            .payloads
            .iter()
            .map(|one| one.as_ref().map_or(0, |one| one.len()) as u32);
        let bytes: Vec<u32> = bytes.collect();
        let mut cuts: Vec<Vec<u32>> = vec![Vec::new(); types];
        if bytes.iter().zip(&full).any(|(bytes, full)| bytes > full) {
            let mut starts = vec![0; types];
            for (row, event_type) in self.columns.types.iter().enumerate() {
                let event_type = usize::from(*event_type);
                let start = self.payload_starts[row];
                let end = start + self.columns.payload_lengths[row];
                let is_full = end - starts[event_type] > full[event_type];
                if is_full && start > starts[event_type] {
                    cuts[event_type].push(start);
                    starts[event_type] = start;
                }
            }
        }
        let mut chunks = Vec::with_capacity(types);
        for (event_type, (mut ends, bytes)) in cuts.into_iter().zip(bytes).enumerate() {
            if ends.last().is_none_or(|end| *end < bytes) {
                ends.push(bytes);
            }
            let mut start = 0;
            for end in ends {
                chunks.push(Chunk {
                    event_type: event_type as u16,
                    start,
                    end,
                });
                start = end;
            }
        }
        chunks
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
        block.open_metadata(bytes, want)?;
        for section in block.wanted(want) {
            block.open_payloads(&section, bytes)?;
        }
        Ok(block)
    }

    /// As [`decode`](Self::decode), of bytes that the block keeps: payloads stay where they are, or
    /// are unpacked behind them. A payload that lies in two chunks is refused.
    pub(crate) fn decode_in_place(
        head: BlockHead,
        room: Room,
        want: Payloads<'_>,
    ) -> Result<Self, &'static str> {
        let mut block = Self::decode_envelopes(head, room.bytes())?;
        block.open_metadata(room.bytes(), want)?;
        let wanted = want.of(&block.events());
        let mut starts = std::mem::take(&mut block.payload_starts);
        let opened = InPlace::open(&block.head, room, &wanted, &block.columns, &mut starts)?;
        block.payload_starts = starts;
        block.in_place = Some(opened);
        Ok(block)
    }

    /// As [`decode`](Self::decode), with all payloads and metadata left shut: nothing after
    /// [`envelopes_end`](Self::envelopes_end) is looked at.
    pub(crate) fn decode_envelopes(head: BlockHead, bytes: &[u8]) -> Result<Self, &'static str> {
        let layout = Layout::of(&head)?;
        let mut columns = Columns::default();
        with_archive(layout.types, bytes, |raw| {
            group::read_types(raw, &mut columns)
        })?;
        with_archive(layout.keys, bytes, |raw| {
            group::read_keys(raw, &mut columns)
        })?;
        let rows = head.rows as usize;
        let of_groups = layout.groups().map(|group| group.columns.raw as usize);
        let mut reader =
            GroupReader::begin(rows, of_groups.sum(), head.first_position, &mut columns);
        let of_ids = layout.groups().filter_map(|group| group.ids);
        let mut ids = Vec::with_capacity(of_ids.map(|ids| ids.raw as usize).sum());
        for group in layout.groups() {
            with_archive(group.columns, bytes, |raw| {
                reader.read(raw, group.rows, &mut columns)
            })?;
            if let Some(section) = group.ids {
                ids.extend_from_slice(stored(section, bytes)?);
            }
        }
        let sizes = layout.payload_bytes();
        Events::check_names(&columns, sizes.len()).map_err(|malformed| malformed.0)?;
        layout.check_chunks(&columns)?;
        let payload_starts = reader.end(&sizes)?;
        check_places(&head, &columns)?;
        Ok(Self {
            columns,
            ids,
            payloads: vec![None; sizes.len()],
            payload_starts,
            in_place: None,
            metadata_is_shut: !layout.metadata.is_empty(),
            numbers: Vec::new(),
            opening: 0,
            head,
        })
    }

    /// Opens the metadata of the events, for who wants more than envelopes.
    pub(crate) fn open_metadata(
        &mut self,
        bytes: &[u8],
        want: Payloads<'_>,
    ) -> Result<(), &'static str> {
        if self.metadata_is_shut && want.with_metadata() {
            self.columns.metadata = carried::read(&Layout::of(&self.head)?, bytes)?;
            self.metadata_is_shut = false;
        }
        Ok(())
    }

    /// Where the sections of a block end that are not payloads, from its beginning on.
    pub(crate) fn envelopes_end(head: &BlockHead) -> Result<usize, &'static str> {
        Ok(Layout::of(head)?.envelopes_end())
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
            .copied()
            .collect()
    }

    /// Opens a chunk of the payloads of this block; those of a type come in order.
    pub(crate) fn open_payloads(
        &mut self,
        section: &Section,
        bytes: &[u8],
    ) -> Result<(), &'static str> {
        let payloads = &mut self.payloads[usize::from(section.event_type)];
        open(section, bytes, payloads.get_or_insert_default())
    }

    /// Whether these payloads are open, and what goes with them.
    pub(crate) fn has(&self, want: Payloads<'_>) -> bool {
        if self.metadata_is_shut && want.with_metadata() {
            return false;
        }
        debug_assert!(self.in_place.is_none(), "only copied blocks are kept");
        let is_open = |event_type: usize| self.payloads[event_type].is_some();
        if (0..self.payloads.len()).all(is_open) {
            return true;
        }
        let wanted = want.of(&self.events());
        let mut wanted = wanted.into_iter().enumerate();
        wanted.all(|(event_type, is_wanted)| !is_wanted || is_open(event_type))
    }

    /// Checks what takes as long as all of [`decode`](Self::decode), so it is for those who read a
    /// block for good, not for every reader: no aggregate is listed twice, no payload lies in two
    /// chunks, and what lies between payloads with a shape is zero.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    ///
    /// # Panics
    /// For a block that is read in place.
    pub fn check_closely(&self) -> Result<(), &'static str> {
        assert!(
            self.in_place.is_none(),
            "what is between payloads is in a copy"
        );
        let checked = self.events().check_keys();
        checked.map_err(|malformed| malformed.0)?;
        self.check_chunks()?;
        self.check_fill()
    }

    /// Whether all that lies between open payloads is zero.
    fn check_fill(&self) -> Result<(), &'static str> {
        let is_zero = |row: usize| {
            let event_type = usize::from(self.columns.types[row]);
            let (start, length) = (self.payload_starts[row], self.columns.payload_lengths[row]);
            let fill = payload_fill(self.columns.type_shape(event_type));
            let next = payload_end(start, length, fill).map_or(usize::MAX, |end| end as usize);
            let behind = (start + length) as usize..next;
            let payloads = self.payloads[event_type].as_ref();
            payloads.is_none_or(|all| all[behind].iter().all(|byte| *byte == 0))
        };
        let rows = match self.columns.type_shapes.is_empty() {
            true => 0..0,
            false => 0..self.columns.rows(),
        };
        match rows.into_iter().all(is_zero) {
            true => Ok(()),
            false => Err("what lies between payloads with a shape is not zero"),
        }
    }

    /// Whether each payload lies in one chunk: who wants one reads no other.
    fn check_chunks(&self) -> Result<(), &'static str> {
        let layout = Layout::of(&self.head)?;
        let mut ends: Vec<Vec<u32>> = vec![Vec::new(); self.payloads.len()];
        for section in layout.payloads {
            let ends = &mut ends[usize::from(section.event_type)];
            ends.push(ends.last().unwrap_or(&0) + section.raw);
        }
        let is_cut = |row: usize| {
            let (start, length) = (self.payload_starts[row], self.columns.payload_lengths[row]);
            let ends = &ends[usize::from(self.columns.types[row])];
            let first = ends.partition_point(|end| *end <= start);
            length > 0 && ends.get(first).is_none_or(|end| *end < start + length)
        };
        match (0..self.columns.rows()).any(is_cut) {
            true => Err("a payload lies in two chunks"),
            false => Ok(()),
        }
    }
}

/// About what an archive takes beside its numbers.
const ARCHIVE_BYTES: usize = 160;

/// Some payloads of a type, from one place to another of all those of the type in the block.
struct Chunk {
    event_type: u16,
    start: u32,
    end: u32,
}

/// Positions and commit times of the rows begin and end where the head says, and rise.
fn check_places(head: &BlockHead, columns: &Columns) -> Result<(), &'static str> {
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
        |(first, last)| (*first, last.wrapping_add(1)),
    );
    if !rises || ends != (head.first_position, head.next_position()) {
        return Err("the positions of a block's events are not those of its head");
    }
    let rises = commits.windows(2).all(|pair| pair[0] <= pair[1]);
    let ends = commits.first().zip(commits.last());
    let ends = ends.map(|(first, last)| (*first, *last));
    if !rises || ends.is_some_and(|ends| ends != (head.first_commit, head.last_commit)) {
        return Err("the commit times of a block's events are not those of its head");
    }
    Ok(())
}

/// Positions and commit times of a cluster's rows do not rise; the lowest and the highest are those
/// of the head.
fn check_cluster_places(head: &BlockHead, columns: &Columns) -> Result<(), &'static str> {
    let positions = columns.positions.iter().copied();
    let ends = positions.clone().min().zip(positions.max());
    let said = (head.first_position, head.next_position().wrapping_sub(1));
    if ends != Some(said) {
        return Err("the positions of a cluster's events are not those of its head");
    }
    let commits = columns.commit_times.iter().copied();
    let ends = commits.clone().min().zip(commits.max());
    if ends.is_some_and(|ends| ends != (head.first_commit, head.last_commit)) {
        return Err("the commit times of a cluster's events are not those of its head");
    }
    Ok(())
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

/// Ends a block at the next border and writes its head over the room for it.
fn finish(mut head: BlockHead, base: usize, out: &mut impl Buffer) -> BlockHead {
    pad(out, base, BLOCK_ALIGN);
    head.length = (out.len() - base) as u32;
    head.encode_over(&mut out[base..]);
    head
}
