//! Reads the events of one aggregate row by row, where they lie scattered over large blocks.
//!
//! 1. The front of the block, with its head and types, says where everything else is.
//! 2. The group of the row has its envelope, and where the aggregate's event before is.
//! 3. Once it is known which rows are wanted, the chunk with the payload of each is read, and the
//!    metadata of its group where the block has any; all become a block of their own: that of the
//!    aggregate.
//!
//! Each of these is checked when it is read and kept from then on, so no more of a block is
//! looked at than a few pages.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use eventcask_event::{MetadataBuilder, NO_POSITION, PayloadBytes, Words};

use crate::format::front::Front;
use crate::format::head::{BlockHead, Section};
use crate::format::kept_type::KeptType;
use crate::read::block_cache::{Kept, Part};
use crate::read::kept_group::{KeptGroup, KeptMetadata, RowPlace};
use crate::read::reader::{BlockReader, Source, with_room};
use crate::{Block, BlockParts, BlockPlace, Error};

/// Bytes that are read first of a block: they hold the head and the types of most.
const FRONT_BYTES: usize = 4 << 10;
/// A block that is no longer than this is read whole: to read parts of it takes as long.
const WHOLE_BYTES: u32 = 16 << 10;
/// Payloads that are copied together: the processor asks for the next ones while it waits for the
/// first, which it does not while chunks are looked up between them.
const COPIED_TOGETHER: usize = 16;
/// The memory of so many blocks, of up to so many bytes each, is kept by a thread for those that it
/// puts together next.
const SPARE_BLOCKS: usize = 2;
const SPARE_BYTES: usize = 64 << 10;

thread_local! {
    static SPARE: RefCell<Vec<BlockParts>> = const { RefCell::new(Vec::new()) };
}

/// Rows of one aggregate that lie in one group, from the oldest one on.
#[derive(Debug)]
pub struct RowsOfGroup {
    at: BlockPlace,
    group: Arc<KeptGroup>,
    /// The newest one, from which each leads to the one before.
    newest: usize,
    rows: usize,
    before: Option<u64>,
}

impl RowsOfGroup {
    /// Position of the aggregate's event before them, unless they go back far enough.
    #[must_use]
    pub fn before(&self) -> Option<u64> {
        self.before
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows
    }

    /// What the newest one says.
    #[must_use]
    pub fn newest(&self) -> RowPlace {
        self.group.place(self.newest)
    }

    /// Bytes that it keeps in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.group.bytes()
    }
}

impl BlockReader {
    /// Whether rows of a block are better read by themselves than with the whole block: unless that
    /// is small, and can be kept for the rows that are wanted next.
    #[must_use]
    pub fn is_read_by_rows(&self, at: &BlockPlace) -> bool {
        at.length > WHOLE_BYTES || !self.caches().blocks.has_room_for(u64::from(at.length))
    }

    /// The rows of an aggregate that lie in the group of its event at `position`, up to that one;
    /// not those before the first one of which `is_enough` says that nothing before it is wanted.
    /// `None` where the event is gone.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::Replaced`], or what the disk said.
    pub fn rows_back(
        &self,
        at: &BlockPlace,
        position: u64,
        is_enough: impl Fn(&RowPlace) -> bool,
    ) -> Result<Option<RowsOfGroup>, Error> {
        let Some((group, newest)) = self.find_row(at, position)? else {
            return Ok(None);
        };
        let (mut row, mut rows, mut before) = (newest, 1, None);
        loop {
            let (place, previous) = (group.place(row), group.rows.row(row).previous);
            if previous == NO_POSITION || is_enough(&place) {
                break;
            }
            if previous >= place.position {
                let reason = "an event names one before it that comes later";
                return Err(self.damaged_at(at, reason));
            }
            let Some(earlier) = group.row_before(row) else {
                before = Some(previous);
                break;
            };
            if !group.is_of_one_aggregate(earlier, row) {
                let reason = "an event names one of another aggregate before it";
                return Err(self.damaged_at(at, reason));
            }
            (row, rows) = (earlier, rows + 1);
        }
        Ok(Some(RowsOfGroup {
            at: *at,
            group,
            newest,
            rows,
            before,
        }))
    }

    /// The group that holds a position of a block, and the row in it.
    fn find_row(
        &self,
        at: &BlockPlace,
        position: u64,
    ) -> Result<Option<(Arc<KeptGroup>, usize)>, Error> {
        let Some(within) = position.checked_sub(at.first_position) else {
            return Ok(None);
        };
        let group_rows = match at.group_rows {
            0 => self.front(at)?.head.group_rows,
            known => known,
        };
        // Where events are gone the others have moved up.
        let last = u64::from(at.rows.saturating_sub(1));
        let mut index = (within.min(last) / u64::from(group_rows)) as usize;
        loop {
            let group = self.group(at, index)?;
            if group.rows.first_position() <= position || index == 0 {
                let row = group.rows.row_at(position);
                return Ok(row.map(|row| (group, row)));
            }
            index -= 1;
        }
    }

    fn front(&self, at: &BlockPlace) -> Result<Arc<Front>, Error> {
        let (shard, cache) = (self.dir().shard, &self.caches().blocks);
        if let Some(Kept::Front(front)) = cache.part(shard, at, Part::Front) {
            return Ok(front);
        }
        let source = self.source(at)?;
        let mut room = FRONT_BYTES.min(at.length as usize);
        let front = loop {
            let read = with_room(room, |bytes| self.read_front(&source, bytes, at))?;
            match read {
                Ok(front) => break front,
                Err(more) => room = more,
            }
        };
        let front = Arc::new(front);
        cache.insert_part(shard, at, Part::Front, Kept::Front(Arc::clone(&front)));
        Ok(front)
    }

    /// Reads the front of a block into these bytes; says how many it takes where they are too few.
    fn read_front(
        &self,
        source: &Source<'_>,
        bytes: &mut [u8],
        at: &BlockPlace,
    ) -> Result<Result<Front, usize>, Error> {
        let damaged = |reason| source.damaged(reason);
        if source.read(bytes, 0)? < bytes.len() {
            return Err(damaged("a block is cut short"));
        }
        let size = BlockHead::peek(bytes).map_err(damaged)?;
        if size.head > bytes.len() {
            return Ok(Err(size.head));
        }
        let head = self.head(source, bytes, at)?;
        let end = Front::end(&head).map_err(damaged)?;
        if end > bytes.len() {
            return Ok(Err(end));
        }
        let mut front = Front::decode(head, bytes).map_err(damaged)?;
        front.kept_types = self.types().keep(&front.types);
        Ok(Ok(front))
    }

    fn group(&self, at: &BlockPlace, index: usize) -> Result<Arc<KeptGroup>, Error> {
        let part = Part::Group(index as u32);
        let (shard, cache) = (self.dir().shard, &self.caches().blocks);
        if let Some(Kept::Group(group)) = cache.part(shard, at, part) {
            return Ok(group);
        }
        let front = self.front(at)?;
        let sections = front.sections_of_group(index);
        let sections = sections.ok_or_else(|| self.damaged_at(at, "a block lacks a group"))?;
        let rows = self.with_sections(at, sections, |bytes| front.read_group(index, bytes))?;
        let group = Arc::new(KeptGroup {
            rows,
            types: Arc::clone(&front.kept_types),
            index,
            has_metadata: front.metadata_of_group(index).is_some(),
            front,
        });
        cache.insert_part(shard, at, part, Kept::Group(Arc::clone(&group)));
        Ok(group)
    }

    /// The metadata of a group; none where its block has none.
    fn metadata(
        &self,
        at: &BlockPlace,
        group: &KeptGroup,
    ) -> Result<Option<Arc<KeptMetadata>>, Error> {
        let Some(section) = group.front.metadata_of_group(group.index) else {
            return Ok(None);
        };
        let part = Part::Metadata(group.index as u32);
        let (shard, cache) = (self.dir().shard, &self.caches().blocks);
        if let Some(Kept::Metadata(metadata)) = cache.part(shard, at, part) {
            return Ok(Some(metadata));
        }
        let columns = self.with_sections(at, std::slice::from_ref(section), |bytes| {
            Front::read_metadata(section, bytes)
        })?;
        let needs_words = !columns.header_names.is_empty() || !columns.tag_names.is_empty();
        let words = match needs_words {
            true => self.words(at, &group.front)?,
            false => Arc::default(),
        };
        let checked = columns.check(group.rows.len(), &words);
        checked.map_err(|malformed| self.damaged_at(at, malformed.0))?;
        let metadata = Arc::new(KeptMetadata { columns, words });
        cache.insert_part(shard, at, part, Kept::Metadata(Arc::clone(&metadata)));
        Ok(Some(metadata))
    }

    fn words(&self, at: &BlockPlace, front: &Front) -> Result<Arc<Words>, Error> {
        let Some(section) = front.words() else {
            return Ok(Arc::default());
        };
        let (shard, cache) = (self.dir().shard, &self.caches().blocks);
        if let Some(Kept::Words(words)) = cache.part(shard, at, Part::Words) {
            return Ok(words);
        }
        let words = self.with_sections(at, std::slice::from_ref(section), |bytes| {
            Front::read_words(section, bytes)
        })?;
        let words = Arc::new(words);
        cache.insert_part(shard, at, Part::Words, Kept::Words(Arc::clone(&words)));
        Ok(words)
    }

    fn payloads(&self, at: &BlockPlace, front: &Front, section: u16) -> Result<Arc<[u8]>, Error> {
        let part = Part::Section(section);
        let (shard, cache) = (self.dir().shard, &self.caches().blocks);
        if let Some(Kept::Payloads(payloads)) = cache.part(shard, at, part) {
            return Ok(payloads);
        }
        let sections = std::slice::from_ref(&front.head.sections[usize::from(section)]);
        let payloads =
            self.with_sections(at, sections, |bytes| Front::read_chunk(&sections[0], bytes))?;
        cache.insert_part(shard, at, part, Kept::Payloads(Arc::clone(&payloads)));
        Ok(payloads)
    }

    /// Lends the bytes of sections that follow each other.
    fn with_sections<T>(
        &self,
        at: &BlockPlace,
        sections: &[Section],
        read: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<T, Error> {
        let source = self.source(at)?;
        let start = sections.first().map_or(0, |section| section.start as usize);
        let end = sections.last().map_or(0, Section::end);
        with_room(end - start, |bytes| {
            if source.read(bytes, start)? < bytes.len() {
                return Err(source.damaged("a block is cut short"));
            }
            read(bytes).map_err(|reason| source.damaged(reason))
        })
    }

    fn damaged_at(&self, at: &BlockPlace, reason: &str) -> Error {
        Error::damaged(&self.dir().describe(at.segment), at.place, reason)
    }
}

/// A payload that is in its chunk.
#[derive(Debug)]
struct Uncopied {
    chunk: Arc<[u8]>,
    range: Range<usize>,
    event_type: u16,
}

/// Puts events of one aggregate together, from groups of any blocks.
#[derive(Debug)]
pub struct RowGatherer<'r> {
    reader: &'r BlockReader,
    parts: BlockParts,
    metadata: MetadataBuilder,
    /// The types of the events, in their order.
    types: Vec<Arc<KeptType>>,
    /// Payloads of the last rows that are still to be copied.
    uncopied: Vec<Uncopied>,
    bytes: usize,
    /// Room for the rows of a group.
    room: Vec<usize>,
}

impl<'r> RowGatherer<'r> {
    /// Of the aggregate with this key, with room for so many events, about.
    #[must_use]
    pub fn new(reader: &'r BlockReader, key: &str, rows: usize) -> Self {
        // A thread that is ending keeps nothing any more.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let mut parts = spare.ok().flatten().unwrap_or_default();
        parts.columns.add_aggregate(key, NO_POSITION);
        parts.reserve(rows);
        Self {
            reader,
            parts,
            metadata: MetadataBuilder::default(),
            types: Vec::new(),
            uncopied: Vec::new(),
            bytes: 0,
            room: Vec::new(),
        }
    }

    /// How many events there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.parts.columns.rows()
    }

    /// Position of the newest one.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.parts.columns.positions.last().copied()
    }

    /// Bytes of their payloads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds those rows that are wanted, oldest first. They come after those that are there. Where
    /// one can not be read, those before it were added.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::Replaced`], or what the disk said.
    pub fn add(
        &mut self,
        from: &RowsOfGroup,
        is_wanted: impl Fn(&RowPlace) -> bool,
    ) -> Result<(), Error> {
        let mut rows = std::mem::take(&mut self.room);
        rows.clear();
        let back = std::iter::successors(Some(from.newest), |row| from.group.row_before(*row));
        rows.extend(back.take(from.rows));
        for row in rows.iter().rev() {
            let place = from.group.place(*row);
            if is_wanted(&place) {
                self.add_row(from, *row, &place)?;
            }
        }
        self.room = rows;
        Ok(())
    }

    fn add_row(&mut self, from: &RowsOfGroup, row: usize, place: &RowPlace) -> Result<(), Error> {
        let group = &*from.group;
        let metadata = match group.has_metadata {
            true => self.reader.metadata(&from.at, group)?,
            false => None,
        };
        let metadata = metadata.as_ref().and_then(|group| group.row(row).to_new());
        let row = group.rows.row(row);
        let chunk = self.reader.payloads(&from.at, &group.front, row.section)?;
        let start = row.payload_start as usize;
        let range = start..start + row.payload_length as usize;
        if range.end > chunk.len() {
            let reason = "a payload goes beyond its chunk";
            return Err(self.reader.damaged_at(&from.at, reason));
        }
        let event_type = self.event_type(&group.types[usize::from(row.event_type)]);
        if self.rows() == 0 {
            self.parts.columns.previous[0] = row.previous;
        }
        if let Some(metadata) = metadata {
            self.metadata.push(self.rows(), &metadata);
            self.bytes += metadata.bytes();
        }
        let columns = &mut self.parts.columns;
        columns.aggregates.push(0);
        columns.types.push(event_type);
        columns.versions.push(place.version);
        columns.payload_lengths.push(row.payload_length);
        columns.times.push(row.time);
        columns.positions.push(place.position);
        columns.commit_times.push(place.commit_time);
        self.parts.ids.extend_from_slice(&row.id.to_le_bytes());
        self.bytes += range.len();
        self.uncopied.push(Uncopied {
            chunk,
            range,
            event_type,
        });
        if self.uncopied.len() >= COPIED_TOGETHER {
            self.copy_payloads();
        }
        Ok(())
    }

    fn copy_payloads(&mut self) {
        for one in &self.uncopied {
            let payloads = &mut self.parts.payloads[usize::from(one.event_type)];
            let payloads = payloads.get_or_insert_default();
            self.parts.payload_starts.push(payloads.len() as u32);
            let shape = self.parts.columns.type_shape(usize::from(one.event_type));
            payloads.push(&one.chunk[one.range.clone()], shape);
        }
        self.uncopied.clear();
    }

    /// What a type of another block is called here.
    fn event_type(&mut self, wanted: &Arc<KeptType>) -> u16 {
        // Blocks share a type mostly; where they do not, two may still be the same.
        let same = |known: &Arc<KeptType>| Arc::ptr_eq(known, wanted);
        let known = self.types.iter().position(same);
        let known = known.or_else(|| self.types.iter().position(|known| known == wanted));
        if let Some(known) = known {
            return known as u16;
        }
        self.types.push(Arc::clone(wanted));
        // A spare block may have more of them than this one needs.
        if self.parts.payloads.len() < self.types.len() {
            self.parts.payloads.push(Some(PayloadBytes::default()));
        }
        wanted.add_to(&mut self.parts.columns)
    }

    /// The events as a block of their own, which is in no file.
    #[must_use]
    pub fn finish(mut self) -> Block {
        self.copy_payloads();
        self.parts.payloads.truncate(self.types.len());
        let columns = &mut self.parts.columns;
        self.metadata.swap(columns.rows(), &mut columns.metadata);
        let (first, last) = (columns.positions.first(), columns.positions.last());
        let rows = columns.rows() as u32;
        let span = first.zip(last).map_or(0, |(first, last)| last - first + 1);
        let head = BlockHead {
            store: self.reader.dir().store,
            shard: self.reader.dir().shard,
            first_position: first.copied().unwrap_or(0),
            rows,
            gaps: span.saturating_sub(u64::from(rows)),
            first_commit: columns.commit_times.first().copied().unwrap_or(0),
            last_commit: columns.commit_times.last().copied().unwrap_or(0),
            ..BlockHead::default()
        };
        Block::gathered(head, self.parts)
    }

    /// Takes back the memory of a block that was put together, unless someone still has it or it
    /// is a large one.
    pub fn recycle(block: Arc<Block>) {
        let Some(block) = Arc::into_inner(block).filter(|one| one.raw_bytes() <= SPARE_BYTES)
        else {
            return;
        };
        // A thread that is ending has no spare memory any more.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_BLOCKS {
                let mut parts = block.into_parts();
                parts.clear();
                spare.push(parts);
            }
        });
    }
}
