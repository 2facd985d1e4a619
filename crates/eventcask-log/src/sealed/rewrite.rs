//! Writes a segment anew: larger blocks, better compressed, with tables at the end.
//!
//! 1. Rows are taken from the blocks of the old segment, in order; those that were truncated
//!    are left out.
//! 2. Whenever enough rows are together they become a block, compressed and chained.
//! 3. After the last block the tables follow, and the header page says where they are.
//! 4. The file is made durable under another name, then takes the old one's name at once: a
//!    crash leaves the old segment or the new one.

use std::collections::{HashMap, HashSet};
use std::io;

use eventcask_event::{
    Columns, EventId, Events, MetadataBuilder, NO_POSITION, NO_TIME, NewMetadata, PayloadBytes,
};
use foldhash::fast::RandomState;

use crate::FIRST_BLOCK;
use crate::disk::buffer::{PageBuffer, in_page};
use crate::disk::storage::{Open, StoredFile};
use crate::format::checksum::{Checksum, checksum};
use crate::format::codec::{Codec, Compressor};
use crate::format::head::{BlockHead, MAX_SECTION_BYTES};
use crate::format::sealed_header::{Sealed, TABLE_ALIGN, Table, TableKind};
use crate::sealed::closed::ClosedSegment;
use crate::sealed::cluster::{TypeName, type_name};
use crate::sealed::clustering::Clusterer;
use crate::sealed::index::Index;
use crate::segment::dir::{ShardDir, encode_header};
use crate::segment::spare::UNSYNCED_BYTES;
use crate::{Block, BlockParts, Error, NewSegment, SourceMark};

/// Bytes of envelopes and payloads of a block. Smaller ones make single aggregates faster to
/// load and compress worse; `docs/PERFORMANCE.md` has the figures.
const BLOCK_BYTES: usize = 64 << 10;
/// What a row is counted as beside its payload: about what its envelope takes.
const ROW_BYTES: usize = 48;
/// Types and marks of a block at most; both are far below what a head can hold.
const MAX_TYPES: usize = 1024;
const MAX_MARKS: usize = 16;
/// Payload buffers that are kept from block to block at most: enough for most.
const MAX_SPARE: usize = 64;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// What becomes of an event when its segment is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Kept,
    /// It is taken out, as are all of its aggregate before it: nothing links to those any more.
    Removed,
    /// Its content is taken out, and a truncation stays in its place: the version of its
    /// aggregate is known by nothing else.
    Emptied,
    /// As [`Emptied`](Self::Emptied), and the truncation is that of this key: nothing is left that
    /// tells the aggregate's own.
    Erased(String),
}

/// How a segment is written anew.
pub struct Rewriting<'r> {
    /// Compression of the new blocks.
    pub codec: Codec,
    /// Whether a clustered copy of the events is added; where there was one it always is.
    pub clustered: bool,
    /// Bytes of events that are sorted in memory at once for that copy, [`crate::SORT_BYTES`] as a
    /// rule.
    pub sort_bytes: usize,
    /// Decides on each event.
    pub fate: &'r dyn Fn(&Events<'_>, usize) -> Fate,
    /// Asked after each block whether to go on; it may take its time.
    pub go_on: &'r dyn Fn() -> bool,
}

impl std::fmt::Debug for Rewriting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriting")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

/// What is known of the old segment once all of it was read.
pub(crate) struct Before {
    pub(crate) next_position: u64,
    pub(crate) last_checksum: u32,
    pub(crate) newest_commit: i64,
    pub(crate) epoch: u64,
    /// Events that had been taken out before.
    pub(crate) removed: u64,
    /// Aggregates that began in it, as far as its header says.
    pub(crate) first_events: u64,
}

/// A segment on its way to its new form.
pub(crate) struct Rewriter<'r> {
    dir: &'r ShardDir,
    new: NewSegment,
    how: &'r Rewriting<'r>,
    rewrite: u32,
    temporary: String,
    file: Box<dyn StoredFile>,
    compressor: Compressor,
    rows: Rows,
    index: Index,
    /// What the aggregates of the old block in hand are called in the index.
    old_numbers: Vec<u32>,
    /// Which aggregates have rows in the block that is being filled.
    placed: Placed,
    /// Where there is to be a clustered copy.
    clusterer: Option<Clusterer>,
    /// Aggregates of which events were taken out: nothing is left before what follows.
    thinned: HashSet<String>,
    /// Bytes that were not written yet, which end at `place`, behind `lead` bytes that are none: so
    /// they lie in the pages of memory as they will lie in those of the file.
    bytes: PageBuffer,
    lead: usize,
    place: u64,
    synced_to: u64,
    previous_checksum: u32,
    epoch: u64,
    raw_bytes: u64,
    events: u64,
    removed: u64,
    /// Events with version 1 that it was handed.
    first_events: u64,
}

impl<'r> Rewriter<'r> {
    /// Begins the new form of a segment that had been written anew `rewrite - 1` times.
    pub(crate) fn begin(
        dir: &'r ShardDir,
        new: &NewSegment,
        rewrite: u32,
        how: &'r Rewriting<'r>,
    ) -> Result<Self, Error> {
        let temporary = format!("{}.new", dir.path(new.number));
        let file = dir.storage.open(&temporary, Open::Create);
        let file = file.map_err(|e| Error::io("make", &dir.storage.describe(&temporary), e))?;
        Ok(Self {
            dir,
            new: *new,
            how,
            rewrite,
            temporary,
            file,
            compressor: Compressor::default(),
            rows: Rows::default(),
            index: Index::of(dir.store),
            old_numbers: Vec::new(),
            placed: Placed::default(),
            clusterer: how
                .clustered
                .then(|| Clusterer::new(dir, new, how.sort_bytes)),
            thinned: HashSet::new(),
            bytes: PageBuffer::new(),
            lead: in_page(FIRST_BLOCK),
            place: FIRST_BLOCK,
            synced_to: 0,
            previous_checksum: new.previous_checksum,
            epoch: 0,
            raw_bytes: 0,
            events: 0,
            removed: 0,
            first_events: 0,
        })
    }

    /// Makes room for the ids of so many events.
    pub(crate) fn expect(&mut self, events: usize) {
        self.index.ids.expect(events);
    }

    /// Takes in a block of the old segment; says whether to go on.
    pub(crate) fn add(&mut self, head: &BlockHead, block: Option<&Block>) -> Result<bool, Error> {
        self.epoch = head.epoch;
        let mut goes_on = true;
        if let Some(block) = block {
            let events = block.events();
            self.rows.begin_types(&events);
            self.index.keys.number_all(&events, &mut self.old_numbers);
            for row in 0..events.len() {
                goes_on &= self.add_row(&events, row)?;
            }
        }
        self.rows.add_marks(&head.marks);
        Ok(goes_on)
    }

    fn add_row(&mut self, events: &Events<'_>, row: usize) -> Result<bool, Error> {
        let fate = (self.how.fate)(events, row);
        self.first_events += u64::from(events.columns().versions[row] == 1);
        if fate != Fate::Kept {
            self.removed += u64::from(fate == Fate::Removed);
            self.thin_out(events.key(events.aggregate_index(row)));
        }
        if fate == Fate::Removed {
            return Ok(true);
        }
        let goes_on = !self.rows.is_full(events, row) || self.flush()?;
        let aggregate = self.aggregate(events, row, &fate);
        self.rows.push(events, row, aggregate, &fate);
        Ok(goes_on)
    }

    /// Notes that an event of the aggregate was taken out.
    fn thin_out(&mut self, key: &str) {
        if !self.thinned.contains(key) {
            self.thinned.insert(key.to_owned());
        }
    }

    /// What the aggregate of a row is called in the block that is being filled.
    fn aggregate(&mut self, events: &Events<'_>, row: usize, fate: &Fate) -> u32 {
        let old = events.aggregate_index(row);
        let number = match fate {
            Fate::Erased(key) => self.index.keys.number(key),
            _ => self.old_numbers[old],
        };
        if let Some(index) = self.placed.index_of(number) {
            return index;
        }
        let known = self.index.keys.place(number);
        let previous = known.map(|known| known.position);
        let (key, previous) = match fate {
            Fate::Erased(key) => (key.as_str(), previous.unwrap_or(NO_POSITION)),
            _ => (
                events.key(old),
                previous.unwrap_or_else(|| self.before(events, old)),
            ),
        };
        let index = self.rows.add_aggregate(key, previous);
        self.placed.add(number, index);
        index
    }

    /// Position of the newest event before this segment of an aggregate that has none in it yet.
    fn before(&self, events: &Events<'_>, aggregate: usize) -> u64 {
        match self.thinned.contains(events.key(aggregate)) {
            true => NO_POSITION,
            false => events.columns().previous[aggregate],
        }
    }

    /// Makes a block of the rows that are together; says whether to go on.
    fn flush(&mut self) -> Result<bool, Error> {
        if self.rows.is_empty() {
            return Ok(true);
        }
        let failed = |reason: String| {
            let file = self.dir.describe(self.new.number);
            Error::damaged(
                &file,
                0,
                &format!("its events can not be written anew: {reason}"),
            )
        };
        let block = self.rows.finish(self.head()).map_err(failed)?;
        let codec = self.how.codec;
        let head = block.encode(codec, &mut self.compressor, &mut self.bytes);
        self.pass(&head, Some(&block));
        match &mut self.clusterer {
            Some(clusterer) => clusterer.add(block)?,
            None => self.rows.take_back(block.into_parts()),
        }
        if self.bytes.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok((self.how.go_on)())
    }

    /// Puts the marks that found no room in a block with events into blocks without.
    fn write_marks(&mut self) {
        while !self.rows.marks.is_empty() {
            let head = BlockHead {
                first_position: self
                    .index
                    .blocks
                    .last()
                    .map_or(self.new.first_position, |at| at.next_position),
                marks: self.rows.take_marks(),
                ..self.head()
            };
            let head = Block::encode_empty(head, &mut self.bytes);
            self.pass(&head, None);
        }
    }

    /// The head of the next block, without its events.
    fn head(&self) -> BlockHead {
        BlockHead {
            store: self.dir.store,
            shard: self.dir.shard,
            segment: self.new.number,
            place: self.place,
            durable_place: self.place,
            epoch: self.epoch,
            previous_checksum: self.previous_checksum,
            ..BlockHead::default()
        }
    }

    fn pass(&mut self, head: &BlockHead, block: Option<&Block>) {
        let numbers = &self.placed.numbers;
        self.index.add_numbered(head, self.rewrite, block, numbers);
        self.placed.begin_block();
        self.place += u64::from(head.length);
        self.previous_checksum = head.checksum;
        self.raw_bytes += head.raw_bytes();
        self.events += u64::from(head.rows);
    }

    /// Writes the pages that are full past the system's cache, where that is possible: these are
    /// many, and of what is written anew few are read soon.
    fn write(&mut self) -> Result<(), Error> {
        let end = self.bytes.len() - in_page(self.place);
        if end <= self.lead {
            return Ok(());
        }
        let place = self.place - (self.bytes.len() - self.lead) as u64;
        let written = self
            .file
            .write_parts_at(&[&self.bytes[self.lead..end]], place);
        let rest = self.bytes.len() - end;
        self.bytes.copy_within(end.., 0);
        self.bytes.resize(rest, 0);
        self.lead = 0;
        self.sync_when_due(written)
    }

    /// Writes all that is ready.
    fn write_rest(&mut self) -> Result<(), Error> {
        let ready = &self.bytes[self.lead..];
        let place = self.place - ready.len() as u64;
        let written = self.file.write_parts_at(&[ready], place);
        self.lead = in_page(self.place);
        self.bytes.clear();
        self.bytes.resize(self.lead, 0);
        self.sync_when_due(written)
    }

    /// Ends a write with a sync, if the one before was long ago.
    fn sync_when_due(&mut self, written: io::Result<()>) -> Result<(), Error> {
        let is_due = self.place - self.synced_to >= UNSYNCED_BYTES;
        if is_due {
            self.synced_to = self.place;
        }
        let written = written.and_then(|()| if is_due { self.file.sync() } else { Ok(()) });
        written.map_err(|e| Error::io("write", &self.dir.storage.describe(&self.temporary), e))
    }

    /// As [`finish`](Self::finish), for a segment of which events may be lost: no more of them
    /// were taken out before than are missing.
    pub(crate) fn finish_within(
        mut self,
        before: &mut Before,
        removed: u64,
    ) -> Result<Option<ClosedSegment>, Error> {
        self.flush()?;
        let span = before.next_position - self.new.first_position;
        before.removed = removed.min(span - self.events);
        self.finish(before)
    }

    /// Ends the new form and puts it in the place of the old one, durably; `None` where it was told
    /// not to go on.
    pub(crate) fn finish(mut self, before: &Before) -> Result<Option<ClosedSegment>, Error> {
        let ended = self.complete(before);
        if !matches!(ended, Ok(Some(_))) {
            self.abandon();
        }
        ended
    }

    fn complete(&mut self, before: &Before) -> Result<Option<ClosedSegment>, Error> {
        self.flush()?;
        self.write_marks();
        let (first_commit, last_commit) = self.index.commit_range();
        let span = before.next_position - self.new.first_position;
        let removed = before.removed + self.removed;
        let (lowest_id, highest_id) = self.index.rising_ids();
        let mut sealed = Sealed {
            next_position: before.next_position,
            last_checksum: before.last_checksum,
            rewrite: self.rewrite,
            events: self.events,
            first_commit,
            last_commit,
            newest_commit: before.newest_commit,
            epoch: before.epoch,
            blocks_end: self.place,
            raw_bytes: self.raw_bytes,
            first_events: self.first_events(before, span - self.events),
            removed,
            lost: span - self.events - removed,
            highest_id: Some(highest_id),
            lowest_id,
            ..Sealed::default()
        };
        self.write_tables(&mut sealed)?;
        if !self.write_clusters(&mut sealed)? {
            return Ok(None);
        }
        sealed.length = self.place;
        self.write_rest()?;
        let header = encode_header(self.dir, &self.new, Some(&sealed));
        self.replace(&header)?;
        Ok(Some(ClosedSegment::new(self.new, sealed)))
    }

    /// Aggregates that began in it, as far as that is known, where so many events are gone.
    fn first_events(&self, before: &Before, gone: u64) -> u64 {
        let known = self.first_events.max(before.first_events);
        known.min(self.index.first_events + gone)
    }

    fn write_tables(&mut self, sealed: &mut Sealed) -> Result<(), Error> {
        let tables = std::mem::take(&mut self.index).tables(sealed);
        for (kind, bytes) in tables {
            self.write_table(kind, &bytes, sealed)?;
        }
        Ok(())
    }

    fn write_table(
        &mut self,
        kind: TableKind,
        bytes: &[u8],
        sealed: &mut Sealed,
    ) -> Result<(), Error> {
        self.begin_table();
        self.write_rest()?;
        let checksum = if kind.is_covered_by_its_directory() {
            0
        } else {
            checksum(bytes)
        };
        sealed.tables.push(Table {
            kind,
            place: self.place,
            length: bytes.len() as u64,
            checksum,
        });
        // Tables stay in the system's cache: they are looked up as soon as the segment is in place.
        for part in bytes.chunks(WRITE_BYTES) {
            let written = self.file.write_all_at(part, self.place);
            self.place += part.len() as u64;
            self.sync_when_due(written)?;
        }
        self.write_rest()
    }

    /// Goes on to where the next table can be.
    fn begin_table(&mut self) {
        let gap = self.place.next_multiple_of(TABLE_ALIGN) - self.place;
        self.bytes.resize(self.bytes.len() + gap as usize, 0);
        self.place += gap;
    }

    /// Adds the clustered copy where there is to be one; says whether to go on.
    fn write_clusters(&mut self, sealed: &mut Sealed) -> Result<bool, Error> {
        let clusterer = self.clusterer.take();
        let Some(mut clusterer) = clusterer.filter(|one| !one.is_empty()) else {
            return Ok(true);
        };
        self.begin_table();
        let (place, codec, go_on) = (self.place, self.how.codec, self.how.go_on);
        let mut checksum = Checksum::default();
        let mut out = |bytes: &mut Vec<u8>| {
            checksum.add(bytes);
            self.bytes.extend_from_slice(bytes);
            self.place += bytes.len() as u64;
            bytes.clear();
            self.write()?;
            Ok(go_on())
        };
        let Some(directory) = clusterer.finish(place, codec, &mut out)? else {
            return Ok(false);
        };
        let (kind, length) = (TableKind::Clusters, self.place - place);
        sealed.tables.push(Table {
            kind,
            place,
            length,
            checksum: checksum.get(),
        });
        self.write_table(TableKind::ClusterDirectory, &directory, sealed)?;
        Ok(true)
    }

    fn replace(&self, header: &[u8]) -> Result<(), Error> {
        let (storage, path) = (&self.dir.storage, self.dir.path(self.new.number));
        let replace = || {
            self.file.write_all_at(header, 0)?;
            self.file.sync()?;
            storage.rename(&self.temporary, &path)?;
            storage.sync_dir(&self.dir.dir())
        };
        replace().map_err(|error| Error::io("replace", &storage.describe(&path), error))
    }

    /// Gives up: the old segment stays as it is.
    pub(crate) fn abandon(self) {
        // What is left of a name that means nothing does no harm.
        let _ = self.dir.storage.remove(&self.temporary);
    }
}

/// Which aggregates have rows in the block that is being filled, by their numbers in the index.
#[derive(Default)]
struct Placed {
    /// Those that have, in the order of the block.
    numbers: Vec<u32>,
    /// By number: the last block that the aggregate had rows in, and what it was called there.
    last: Vec<(u32, u32)>,
    /// How many blocks there were before.
    blocks: u32,
}

impl Placed {
    fn index_of(&self, number: u32) -> Option<u32> {
        let (block, index) = self.last.get(number as usize)?;
        (*block == self.blocks + 1).then_some(*index)
    }

    fn add(&mut self, number: u32, index: u32) {
        let at = number as usize;
        if at >= self.last.len() {
            self.last.resize(at + 1, (0, 0));
        }
        self.last[at] = (self.blocks + 1, index);
        self.numbers.push(number);
    }

    fn begin_block(&mut self) {
        self.blocks += 1;
        self.numbers.clear();
    }
}

/// Rows that become a block.
#[derive(Default)]
pub(super) struct Rows {
    columns: Columns,
    ids: Vec<u8>,
    payloads: Vec<PayloadBytes>,
    /// Memory of payloads of blocks before.
    spare: Vec<PayloadBytes>,
    metadata: MetadataBuilder,
    keys: HashMap<String, u32, RandomState>,
    types: HashMap<TypeName, u16, RandomState>,
    /// What the types of the old block in hand are called here, where that is known: names are
    /// hashed once and not for each row.
    old_types: Vec<u16>,
    marks: Vec<SourceMark>,
    bytes: usize,
}

/// Stands for what is not known yet.
const UNKNOWN_TYPE: u16 = u16::MAX;

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.columns.versions.is_empty()
    }

    /// About how many bytes the rows have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the row of `events` has to go into another block.
    pub(super) fn is_full(&self, events: &Events<'_>, row: usize) -> bool {
        let metadata = events.metadata(row).to_new();
        let metadata = metadata.as_ref().map_or(0, NewMetadata::bytes);
        let more = events.payload(row).map_or(0, <[u8]>::len) + ROW_BYTES + metadata;
        // Payloads of up to half a section never make a block too large.
        let is_large = self.bytes + more > MAX_SECTION_BYTES as usize / 2 && !self.is_empty();
        self.bytes >= BLOCK_BYTES || is_large || self.types.len() >= MAX_TYPES
    }

    /// Says of which block the next rows are.
    pub(super) fn begin_types(&mut self, events: &Events<'_>) {
        self.old_types.clear();
        self.old_types.resize(events.types(), UNKNOWN_TYPE);
    }

    /// Links the aggregates of the rows to their events before: `link` is told the key of each and
    /// the position of its newest event here, and says the position of the one before these.
    pub(super) fn link(
        &mut self,
        mut link: impl FnMut(&str, u64) -> Result<u64, Error>,
    ) -> Result<(), Error> {
        let columns = &mut self.columns;
        let mut newest = vec![0; columns.previous.len()];
        for (aggregate, position) in columns.aggregates.iter().zip(&columns.positions) {
            newest[*aggregate as usize] = *position;
        }
        let mut start = 0;
        for (index, newest) in newest.into_iter().enumerate() {
            let end = columns.key_ends[index] as usize;
            columns.previous[index] = link(&columns.keys[start..end], newest)?;
            start = end;
        }
        Ok(())
    }

    fn add_marks(&mut self, marks: &[SourceMark]) {
        for mark in marks {
            self.marks.retain(|old| old.source != mark.source);
            self.marks.push(mark.clone());
        }
    }

    /// As many marks as a head has room for.
    fn take_marks(&mut self) -> Vec<SourceMark> {
        let marks = self.marks.len().min(MAX_MARKS);
        self.marks.drain(..marks).collect()
    }

    fn push(&mut self, events: &Events<'_>, row: usize, aggregate: u32, fate: &Fate) {
        let (position, id) = (events.position(row), events.given_id(row));
        self.push_as(events, row, aggregate, fate, position, id);
    }

    /// Adds a row that is to have this position and id.
    pub(super) fn push_as(
        &mut self,
        events: &Events<'_>,
        row: usize,
        aggregate: u32,
        fate: &Fate,
        position: u64,
        id: Option<EventId>,
    ) {
        let version = events.version(row).saturating_add(1).to_le_bytes();
        let (event_type, payload) = match fate {
            Fate::Emptied | Fate::Erased(_) => {
                let name = eventcask_event::TRUNCATED_TYPE.to_owned();
                let truncated = self.named_type((name, 1, 0, None));
                (truncated, &version[..])
            }
            _ => (
                self.event_type(events, row),
                events.payload(row).unwrap_or(&[]),
            ),
        };
        let columns = &mut self.columns;
        columns.aggregates.push(aggregate);
        columns.types.push(event_type);
        columns.versions.push(events.version(row));
        columns.payload_lengths.push(payload.len() as u32);
        let is_kept = *fate == Fate::Kept;
        let time = events
            .time(row)
            .filter(|_| is_kept)
            .map_or(NO_TIME, eventcask_event::Timestamp::as_nanos);
        columns.times.push(time);
        columns.positions.push(position);
        columns
            .commit_times
            .push(events.commit_time(row).as_nanos());
        let id = id.filter(|_| is_kept).map_or(0, EventId::as_u128);
        self.ids.extend_from_slice(&id.to_le_bytes());
        let shape = columns.type_shape(usize::from(event_type));
        self.payloads[usize::from(event_type)].push(payload, shape);
        let metadata = events.metadata(row).to_new().filter(|_| is_kept);
        if let Some(metadata) = metadata {
            self.metadata.push(columns.versions.len() - 1, &metadata);
            self.bytes += metadata.bytes();
        }
        self.bytes += payload.len() + ROW_BYTES;
    }

    pub(super) fn named_aggregate(&mut self, key: &str, previous: u64) -> u32 {
        let known = self.keys.get(key).copied();
        known.unwrap_or_else(|| {
            let index = self.add_aggregate(key, previous);
            self.keys.insert(key.to_owned(), index);
            index
        })
    }

    /// Adds an aggregate that has no row yet; `previous` is the position of its newest event before
    /// this block.
    fn add_aggregate(&mut self, key: &str, previous: u64) -> u32 {
        self.bytes += key.len();
        self.columns.add_aggregate(key, previous)
    }

    fn event_type(&mut self, events: &Events<'_>, row: usize) -> u16 {
        let old = events.type_index(row);
        if self.old_types[old] == UNKNOWN_TYPE {
            self.old_types[old] = self.named_type(type_name(events, old));
        }
        self.old_types[old]
    }

    fn named_type(&mut self, named: TypeName) -> u16 {
        if let Some(known) = self.types.get(&named) {
            return *known;
        }
        let (name, schema, encoding, shape) = &named;
        self.payloads.push(self.spare.pop().unwrap_or_default());
        let new = self.columns.add_type(name, *schema, *encoding, *shape);
        self.types.insert(named, new);
        new
    }

    /// Takes the memory of a block that is written, for the next one.
    fn take_back(&mut self, parts: BlockParts) {
        (self.columns, self.ids) = (parts.columns, parts.ids);
        self.columns.clear();
        self.ids.clear();
        self.spare.extend(parts.payloads.into_iter().flatten());
        self.spare.iter_mut().for_each(PayloadBytes::clear);
        self.spare.truncate(MAX_SPARE);
    }

    /// The block of the rows; what is the same for all of them is left to the head.
    pub(super) fn finish(&mut self, mut head: BlockHead) -> Result<Block, String> {
        let columns = &mut self.columns;
        let rows = columns.versions.len() as u64;
        let ends = |column: &[i64]| (column[0], column[column.len() - 1]);
        (head.first_commit, head.last_commit) = ends(&columns.commit_times);
        head.first_position = columns.positions[0];
        head.gaps = columns.positions[rows as usize - 1] + 1 - head.first_position - rows;
        head.rows = rows as u32;
        if head.gaps == 0 {
            columns.positions.clear();
        }
        if head.first_commit == head.last_commit {
            columns.commit_times.clear();
        }
        if columns.times.iter().all(|time| *time == NO_TIME) {
            columns.times.clear();
        }
        if self.ids.iter().all(|byte| *byte == 0) {
            self.ids.clear();
        }
        self.metadata.swap(rows as usize, &mut columns.metadata);
        head.marks = self.take_marks();
        let (ids, payloads) = (
            std::mem::take(&mut self.ids),
            std::mem::take(&mut self.payloads),
        );
        let block = Block::new(head, std::mem::take(&mut self.columns), ids, payloads);
        self.keys.clear();
        self.types.clear();
        self.old_types.fill(UNKNOWN_TYPE);
        self.bytes = 0;
        block
    }
}
