//! What readers see of a shard: the durable blocks and which aggregates are in them.
//!
//! Of the segments that are being written, or were not sealed yet, all blocks are known here.
//! What is in the others is looked up in their tables when it is asked for.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eventcask_event::{EventId, EventRef, Events};
use eventcask_log::{
    Block, BlockPlace, BlockReader, Caches, ClosedSegment, Error, ErrorKind, IdPlace, IdQuery,
    KeyPlace, LogEnd, Payloads, RowGatherer, Section, ShardDir, Tail,
};

use eventcask_table::prefetch;

use crate::KeyHasher;
use crate::build::Touched;
use crate::dedup::Dedup;
use crate::directory::{AggregateSlot, Directory};
use crate::held::{Held, IsEnough};
use crate::published::{Look, Published};
use crate::recent::Recent;
use crate::stages::{StageCounters, Stages};

/// Aggregates of a block whose memory is asked for ahead.
const AHEAD: usize = 16;

/// How many shards were opened in this process.
static OPENINGS: AtomicU64 = AtomicU64::new(1);

/// Reads one shard, from any thread, beside its writer.
#[derive(Debug)]
pub struct ShardReader {
    dir: ShardDir,
    /// Tells this opening of a shard from all others in the process.
    opening: u64,
    blocks: BlockReader,
    hasher: KeyHasher,
    directory: RwLock<Directory>,
    published: RwLock<Published>,
    recent: Recent,
    /// Events from this position on were met since the shard was opened: their aggregates, and
    /// for a writer their ids, are in memory. Only what lies before is looked up on disk.
    resident_from: AtomicU64,
    /// What was committed at this time or before is visible, or never will be.
    settled: AtomicI64,
    /// Where the log ended when it was opened, or now that it is closed.
    end: Mutex<LogEnd>,
    stages: Arc<StageCounters>,
    ids: AtomicU64,
    id_bytes: AtomicU64,
}

impl ShardReader {
    pub(crate) fn opening(&self) -> u64 {
        self.opening
    }

    pub(crate) fn new(dir: ShardDir, hasher: KeyHasher, caches: Caches) -> Self {
        let blocks = BlockReader::new(dir.clone(), caches);
        Self {
            dir,
            opening: OPENINGS.fetch_add(1, Ordering::Relaxed),
            blocks,
            hasher,
            directory: RwLock::default(),
            published: RwLock::default(),
            recent: Recent::default(),
            resident_from: AtomicU64::new(0),
            settled: AtomicI64::new(i64::MAX),
            end: Mutex::default(),
            stages: Arc::default(),
            ids: AtomicU64::new(0),
            id_bytes: AtomicU64::new(0),
        }
    }

    /// Where the time of the shard's threads went since it was opened.
    #[must_use]
    pub fn stages(&self) -> Stages {
        self.stages.read()
    }

    /// Ids that the shard's writer has in memory, and their bytes, as of when it last looked: once
    /// in some ten thousand ids.
    #[must_use]
    pub fn ids_in_memory(&self) -> (u64, u64) {
        (
            self.ids.load(Ordering::Relaxed),
            self.id_bytes.load(Ordering::Relaxed),
        )
    }

    /// The time up to which every commit is visible, or never will be. It is the end of time where
    /// nothing is under way. A caller reads the clock first: times taken later are not counted.
    #[must_use]
    pub fn settled(&self) -> i64 {
        // Pairs with the release in `set_settled`: what was published before is seen.
        self.settled.load(Ordering::Acquire)
    }

    pub(crate) fn set_settled(&self, time: i64) {
        self.settled.store(time, Ordering::Release);
    }

    /// Where the log ended when its writer opened it, or where it ends now that the writer has
    /// gone. All before that is durable.
    #[must_use]
    pub fn end(&self) -> LogEnd {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_end(&self, end: LogEnd) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    pub(crate) fn note_ids(&self, dedup: &Dedup) {
        self.ids.store(dedup.ids() as u64, Ordering::Relaxed);
        let bytes = dedup.memory_bytes() as u64;
        self.id_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn stage_counters(&self) -> &Arc<StageCounters> {
        &self.stages
    }

    /// A reader of a store that is open for reading only; `tail` is where it goes on.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn open(dir: ShardDir, hasher: KeyHasher, caches: Caches) -> Result<(Self, Tail), Error> {
        let reader = Self::new(dir, hasher, caches);
        let mut tail = Tail::empty();
        reader.follow(&mut tail)?;
        reader.note_resident();
        Ok((reader, tail))
    }

    /// Notes that the directory does not know the aggregates of the segments that are ended by now.
    /// Their blocks were not read; their tables answer instead.
    pub(crate) fn note_resident(&self) {
        let ended = self.published().ended();
        let from = ended
            .last()
            .map_or(0, |segment| segment.sealed().next_position);
        // Relaxed: set once, before the reader is shared.
        self.resident_from.store(from, Ordering::Relaxed);
    }

    /// Where an aggregate that the directory does not know stands.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn absent_aggregate(&self, key: &str) -> Result<Option<KeyPlace>, Error> {
        let resident_from = self.resident_from.load(Ordering::Relaxed);
        if let Some(place) = self.newest_before(key, resident_from)? {
            return Ok(Some(place));
        }
        let retired = Arc::clone(&self.published().retired);
        match retired.erased(self.dir.first_store(), key) {
            Some(stands_for) => self.newest_before(stands_for, u64::MAX),
            None => Ok(None),
        }
    }

    /// Takes up what another process wrote since.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn follow(&self, tail: &mut Tail) -> Result<(), Error> {
        let ended = self.dir.follow(tail, &mut |block, at| {
            self.enter(block, at);
            Ok(())
        })?;
        self.take_ended(ended)
    }

    /// Takes up segments that were found complete, with what their small tables say.
    pub(crate) fn take_ended(&self, ended: Vec<ClosedSegment>) -> Result<(), Error> {
        // The newest first: what a source's mark says there holds.
        for segment in ended.into_iter().rev() {
            // What is said is true of newer forms too, of which there may be one by now.
            let marks = self.retried(&segment, |segment| self.blocks.marks(segment))?;
            let truncations = self.retried(&segment, |one| self.blocks.truncations(one))?;
            let mut published = self.published_mut();
            for mark in marks {
                if published
                    .marks
                    .iter()
                    .all(|known| known.source != mark.source)
                {
                    published.marks.push(mark);
                }
            }
            for (key, before) in truncations {
                Arc::make_mut(&mut published.retired).truncate(&key, before);
            }
            published.end(segment);
        }
        Ok(())
    }

    /// Takes up the newest form of a segment that another process wrote anew.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn renew(&self, segment: u64) -> Result<(), Error> {
        self.replace(self.dir.sealed_segment(segment)?);
        Ok(())
    }

    /// Puts a segment that was written anew in the place of its older form.
    pub fn replace(&self, segment: ClosedSegment) {
        let number = segment.number();
        self.published_mut().end(segment);
        self.blocks.forget(number);
    }

    /// Hides all events that were committed before this time.
    pub fn hide_before(&self, time: i64) {
        Arc::make_mut(&mut self.published_mut().retired).hide_before(time);
    }

    /// Says that the log has an aggregate that was given up whole, before this version, under a key
    /// that does not tell its own.
    pub fn note_erased(&self, key: &str, stands_for: &str, version: u64) {
        let mut published = self.published_mut();
        Arc::make_mut(&mut published.retired).erase(key, stands_for, version);
    }

    /// The number of the shard.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.dir.shard()
    }

    /// The shard's directory.
    #[must_use]
    pub fn dir(&self) -> &ShardDir {
        &self.dir
    }

    /// Reads blocks.
    #[must_use]
    pub fn blocks(&self) -> &BlockReader {
        &self.blocks
    }

    /// The durable events.
    pub fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn published_mut(&self) -> RwLockWriteGuard<'_, Published> {
        self.published
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The aggregates that were met since the store was opened, or that the open end of the log
    /// tells of.
    pub fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Position of the newest durable event of an aggregate that was met since the store was
    /// opened: where there is none, the aggregate stands as it stood then.
    #[must_use]
    pub fn newest_resident(&self, key: &str) -> Option<u64> {
        self.directory().newest(self.hasher.hash(key), key)
    }

    /// Position of the newest durable event of an aggregate.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn newest(&self, key: &str) -> Result<Option<u64>, Error> {
        match self.newest_resident(key) {
            Some(position) => Ok(Some(position)),
            None => Ok(self.absent_aggregate(key)?.map(|place| place.position)),
        }
    }

    /// The newest event of an aggregate in complete segments that is the newest one in its
    /// segment and lies before `position`.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn newest_before(&self, key: &str, position: u64) -> Result<Option<KeyPlace>, Error> {
        let ended = self.published().ended();
        let before = ended.partition_point(|segment| segment.first_position() < position);
        for segment in ended[..before].iter().rev() {
            let found = self.retried(segment, |segment| self.blocks.find_key(segment, key))?;
            if let Some(place) = found.filter(|place| place.position < position) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Whether a complete segment holds events of an aggregate.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn is_in(&self, segment: &ClosedSegment, key: &str) -> Result<bool, Error> {
        let found = self.retried(segment, |segment| self.blocks.find_key(segment, key))?;
        Ok(found.is_some())
    }

    /// Asks for the memory that a look at the filters of complete segments for an id will read.
    pub(crate) fn prefetch_id(&self, id: EventId) {
        let query = IdQuery::new(self.dir.store(), id);
        for segment in self.published().ended().iter() {
            if segment.sealed().may_have_id(id)
                && let Some(bytes) = segment.filter_bytes_of(&query)
            {
                prefetch(bytes, 0);
            }
        }
    }

    /// The newest event in this range that came with an id, from the complete segments.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn find_id(&self, id: EventId, range: Range<u64>) -> Result<Option<IdPlace>, Error> {
        let ended = self.published().ended();
        let before = ended.partition_point(|segment| segment.first_position() < range.end);
        let query = IdQuery::new(self.dir.store(), id);
        for segment in ended[..before].iter().rev() {
            let sealed = segment.sealed();
            if sealed.next_position <= range.start {
                break;
            }
            if !sealed.may_have_id(id) {
                continue;
            }
            let find = |segment: &ClosedSegment| self.blocks.find_id(segment, &query, range.end);
            if let Some(at) = self.retried(segment, find)? {
                return Ok(Some(at).filter(|at| range.contains(&at.position)));
            }
        }
        Ok(None)
    }

    /// The event at `position`, which came with an id, as its segment's tables know it. Where it is
    /// not in them, or can not be read, its block says more.
    pub(crate) fn id_at(&self, id: EventId, position: u64) -> Result<Option<IdPlace>, Error> {
        let look = self.published().look(position, 0);
        match look {
            Look::Ended(_) => self.find_id(id, position..position + 1),
            Look::Found(at) => Ok(self.blocks.unsealed(&at, position).ok().flatten()),
            Look::Nothing => Ok(None),
        }
    }

    /// Whether the event at a position is one of the aggregate with this key; also where it is
    /// gone.
    pub(crate) fn is_of(&self, position: u64, key: &str) -> Result<bool, Error> {
        let block = self.read_at(position, |at| self.blocks.get(at, Payloads::Shut))?;
        let of_key = |block: Arc<Block>| {
            let events = block.events();
            let row = events.row_at(position)?;
            Some(events.key(events.aggregate_index(row)) == key)
        };
        Ok(block.and_then(of_key).unwrap_or(true))
    }

    /// Asks a segment; where it was written anew meanwhile, its newer form, as often as it was.
    fn retried<T>(
        &self,
        segment: &ClosedSegment,
        ask: impl Fn(&ClosedSegment) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (mut answer, mut rewrite) = (ask(segment), segment.sealed().rewrite);
        while answer.as_ref().is_err_and(is_replaced) {
            let newer = self.dir.sealed_segment(segment.number())?;
            if newer.sealed().rewrite <= rewrite {
                break;
            }
            (answer, rewrite) = (ask(&newer), newer.sealed().rewrite);
            self.replace(newer);
        }
        answer
    }

    /// Version of an aggregate's newest durable event; 0 where there is none.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn version(&self, key: &str) -> Result<u64, Error> {
        let mut newest = self.newest(key)?;
        while let Some(position) = newest {
            let version = match self.held_of(key, position, &|_| true)? {
                None => None,
                Some(Held::Rows(rows)) => Some(rows.newest().version),
                Some(Held::Block(block)) => with_event(&block, position, |event| event.version),
            };
            if let Some(version) = version {
                return Ok(version);
            }
            // It was taken out, since there was a newer one by then.
            newest = self.newest(key)?;
            if newest == Some(position) {
                return Err(self.lost(position));
            }
        }
        Ok(0)
    }

    /// The error of a position that no block holds, though it should.
    pub(crate) fn lost(&self, position: u64) -> Error {
        let file = self.dir.describe(self.published().newest_segment());
        Error::damaged(&file, 0, &format!("no block holds position {position}"))
    }

    /// Takes up a block that was read back.
    pub(crate) fn enter(&self, block: &Block, at: &BlockPlace) {
        let slots = self.enter_aggregates(block);
        // The block first: who finds an event in the directory finds its block as well.
        let sections = &block.head().sections;
        let mut directory = self.directory_mut();
        self.published_mut().push(block, at, sections);
        for (slot, position) in slots.iter().zip(newest_positions(&block.events())) {
            directory.make_durable(*slot, position);
        }
    }

    /// Enters the events of a block that was read back into the directory, and returns the
    /// slots of the block's aggregates.
    fn enter_aggregates(&self, block: &Block) -> Vec<AggregateSlot> {
        let seen = self.published().watermark;
        let mut directory = self.directory_mut();
        let events = block.events();
        let keys: Vec<_> = (0..events.aggregates()).map(|at| events.key(at)).collect();
        let slots = directory.find_or_add(&self.hasher, &keys);
        for row in (0..events.len()).filter(|row| events.position(*row) >= seen) {
            let version = events.columns().versions[row];
            let slot = slots[events.aggregate_index(row)];
            directory.enter(slot, version, events.position(row));
        }
        slots
    }

    /// Makes a durable block of these aggregates visible to readers.
    pub(crate) fn publish(
        &self,
        block: &Block,
        at: &BlockPlace,
        sections: &[Section],
        touched: &[Touched],
    ) {
        // The block first: who finds an event in the directory finds its block as well. And who
        // finds the block has to wait for the directory, so both say the same.
        let mut directory = self.directory_mut();
        self.published_mut().push(block, at, sections);
        for (index, one) in touched.iter().enumerate() {
            if let Some(ahead) = touched.get(index + AHEAD) {
                directory.prefetch_slot(ahead.slot);
            }
            directory.make_durable(one.slot, one.newest);
        }
    }

    /// Where the block is that holds the first durable event at `position` or after it.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn place_from(&self, position: u64) -> Result<Option<BlockPlace>, Error> {
        let mut from_segment = 0;
        loop {
            // The lock is not held while a table is read.
            let look = self.published().look(position, from_segment);
            let segment = match look {
                Look::Found(at) => return Ok(Some(at)),
                Look::Nothing => return Ok(None),
                Look::Ended(segment) => segment,
            };
            let ask = |segment: &ClosedSegment| self.blocks.place_from(segment, position);
            if let Some(at) = self.retried(&segment, ask)? {
                return Ok(Some(at));
            }
            // Events at its end are gone.
            from_segment = segment.number() + 1;
        }
    }

    /// Where the block is that holds the last durable event before `position`.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn place_before(&self, position: u64) -> Result<Option<BlockPlace>, Error> {
        let (mut low, mut high, mut found) = (0, position, None);
        // Mostly there is an event right before; only where events are gone it takes a search.
        let mut next = position.saturating_sub(1);
        while low < high {
            match self.place_from(next)? {
                Some(at) if at.first_position < position => {
                    low = at.next_position;
                    found = Some(at);
                }
                _ => high = next,
            }
            next = low + high.saturating_sub(low) / 2;
        }
        Ok(found)
    }

    /// Commit time of the newest durable event.
    #[must_use]
    pub fn last_commit(&self) -> Option<i64> {
        self.published().last_commit()
    }

    /// Position after the last event that was committed before `time`.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn end_before(&self, time: i64) -> Result<u64, Error> {
        let watermark = self.published().watermark;
        let (mut low, mut high) = (0, watermark);
        // Commit times rise with positions, and all events of a block of a cut are on one side.
        while low < high {
            let middle = low + (high - low) / 2;
            match self.place_from(middle)? {
                Some(at) if at.last_commit < time => low = at.next_position,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Runs `read` on the place of the block that holds the first durable event at `position`
    /// or after it; once more where its segment was written anew meanwhile, also where that was
    /// because its file was damaged.
    fn read_at<T>(
        &self,
        position: u64,
        read: impl Fn(&BlockPlace) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        loop {
            let Some(at) = self.place_from(position)? else {
                return Ok(None);
            };
            let error = match read(&at) {
                Ok(read) => return Ok(Some(read)),
                Err(error) => error,
            };
            if !matches!(error.kind(), ErrorKind::Replaced | ErrorKind::Damaged) {
                return Err(error);
            }
            match self.dir.sealed_segment(at.segment) {
                Ok(newer) if newer.sealed().rewrite > at.rewrite => self.replace(newer),
                _ => return Err(error),
            }
        }
    }

    /// The block that holds the first durable event at `position` or after it, with all its
    /// payloads, from memory where it was read before.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn block_at(&self, position: u64) -> Result<Option<Arc<Block>>, Error> {
        self.read_at(position, |at| self.blocks.get(at, Payloads::All))
    }

    /// As [`block_at`](Self::block_at), but of the payloads only those are certain to be open that
    /// the aggregate of the event at `position` needs. Events that lie side by side share a block,
    /// also where the segment has a clustered copy.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn block_with(&self, position: u64) -> Result<Option<Arc<Block>>, Error> {
        let want = Payloads::OfAggregateAt(position);
        self.read_at(position, |at| self.blocks.get(at, want))
    }

    /// A block with the event at `position`, of the aggregate with this key, and its payload. It
    /// may hold other events of the aggregate and of others. Where the event is gone it may be
    /// another block. The key is taken on trust: whoever has the position from elsewhere than from
    /// the log has to check more than that.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn block_of(&self, key: &str, position: u64) -> Result<Option<Arc<Block>>, Error> {
        self.block_back(key, position, &|_| true)
    }

    /// As [`block_of`](Self::block_of), with the aggregate's events that lie near it, as far back
    /// as `is_enough` asks for.
    pub(crate) fn block_back(
        &self,
        key: &str,
        position: u64,
        is_enough: IsEnough<'_>,
    ) -> Result<Option<Arc<Block>>, Error> {
        self.read_of(key, position, Ok, |at| {
            let Some(rows) = self.blocks.rows_back(at, position, is_enough)? else {
                return Ok(None);
            };
            let mut gatherer = RowGatherer::new(&self.blocks, key, rows.count());
            gatherer.add(&rows, |_| true)?;
            Ok(Some(Arc::new(gatherer.finish())))
        })
    }

    /// What holds the event of an aggregate at `position`, and events of it that lie near, as far
    /// back as `is_enough` asks for.
    pub(crate) fn held_of(
        &self,
        key: &str,
        position: u64,
        is_enough: IsEnough<'_>,
    ) -> Result<Option<Held>, Error> {
        let block = |block| Ok(Held::Block(block));
        self.read_of(key, position, block, |at| {
            let rows = self.blocks.rows_back(at, position, is_enough)?;
            Ok(rows.map(Held::Rows))
        })
    }

    /// Reads the cluster that holds an event of an aggregate, where its segment has a clustered
    /// copy; a whole small block; or else what `rows` reads of a large one.
    fn read_of<T>(
        &self,
        key: &str,
        position: u64,
        block: impl Fn(Arc<Block>) -> Result<T, Error>,
        rows: impl Fn(&BlockPlace) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let read = |at: &BlockPlace| match self.blocks.is_read_by_rows(at) {
            true => rows(at),
            false => {
                let want = Payloads::OfAggregateAt(position);
                block(self.blocks.get(at, want)?).map(Some)
            }
        };
        let look = self.published().look(position, 0);
        match look {
            // Where that can not be read, what follows says why.
            Look::Found(at) => {
                if let Ok(found) = read(&at) {
                    return Ok(found);
                }
            }
            Look::Ended(segment) if segment.has_good_clusters() => {
                let ask = |segment: &ClosedSegment| self.blocks.cluster_of(segment, key, position);
                if let Some(cluster) = self.retried(&segment, ask)? {
                    return block(cluster).map(Some);
                }
            }
            Look::Ended(_) | Look::Nothing => {}
        }
        Ok(self.read_at(position, read)?.flatten())
    }

    /// The block that holds the first durable event at `position` or after it, and its place.
    /// Payloads that are not wanted may be open as well: a block that was published a moment ago
    /// comes from memory.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn read_open(
        &self,
        position: u64,
        want: Payloads<'_>,
    ) -> Result<Option<(BlockPlace, Arc<Block>)>, Error> {
        self.read_at(position, |at| {
            let block = match self.recent.get(at) {
                Some(block) => block,
                None => Arc::new(self.blocks.read_in_place(at, want)?),
            };
            Ok((*at, block))
        })
    }

    /// Takes a block that is about to be published, for readers right behind the writer. Returns
    /// the blocks that nobody needs any more.
    pub(crate) fn take_recent(&self, at: &BlockPlace, block: &Arc<Block>) -> Vec<Block> {
        self.recent.take(at, block)
    }
}

fn is_replaced(error: &Error) -> bool {
    error.kind() == ErrorKind::Replaced
}

/// The newest position that each aggregate has in a block.
fn newest_positions(events: &Events<'_>) -> Vec<u64> {
    let mut newest = vec![0; events.aggregates()];
    for row in 0..events.len() {
        newest[events.aggregate_index(row)] = events.position(row);
    }
    newest
}

/// Runs `read` on the event at a position of a block.
pub(crate) fn with_event<R>(
    block: &Block,
    position: u64,
    read: impl FnOnce(EventRef<'_>) -> R,
) -> Option<R> {
    let events = block.events();
    events.row_at(position).map(|row| read(events.event(row)))
}
