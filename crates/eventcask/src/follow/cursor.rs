//! One walk over the blocks of a shard, for all that follow its log.
//!
//! 1. The next block is found by a position. Blocks out of the time that is asked for are passed
//!    over by their place, unread.
//! 2. It is read with the payloads that are wanted, and once more where its segment was written
//!    anew meanwhile. It may begin with events that were handed out before, when it was another
//!    block.
//! 3. Its wanted rows are listed, in one go.

use std::ops::{Deref, Range};
use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_log::{Block, BlockPlace, Error, Payloads};
use eventcask_shard::{Retired, ShardReader};

use crate::follow::filter::Filter;
use crate::follow::prefetch::Prefetch;

/// A block, and the rows in it that are wanted.
#[derive(Debug)]
pub(crate) struct BlockRows {
    pub(crate) block: Arc<Block>,
    /// In order; there may be none.
    pub(crate) rows: Vec<u32>,
}

/// How far a walk over the blocks of a shard has come. It holds the shard, or only borrows it.
#[derive(Debug)]
pub(crate) struct ShardCursor<R> {
    reader: R,
    retired: Arc<Retired>,
    /// What is left: forwards its beginning moves, backwards its end.
    left: Range<u64>,
    /// What was committed later is not there yet.
    limit: Timestamp,
    /// When the last event of the block was committed that it has come past.
    last_commit: Option<i64>,
}

impl<R: Deref<Target = ShardReader>> ShardCursor<R> {
    /// From a position to the end of what is durable now.
    pub(crate) fn new(reader: R, from: u64) -> Self {
        let (watermark, retired) = durable(&reader);
        Self {
            reader,
            retired,
            left: from..watermark,
            limit: Timestamp::from_nanos(i64::MAX),
            last_commit: None,
        }
    }

    /// Ends before this position, if not earlier.
    pub(crate) fn until(mut self, position: u64) -> Self {
        self.left.end = self.left.end.min(position);
        self
    }

    /// Ends with what is durable now and was committed at this time or before.
    pub(crate) fn renew(&mut self, limit: Timestamp) {
        (self.left.end, self.retired) = durable(&self.reader);
        self.limit = limit;
    }

    /// Passes over what comes before a position.
    pub(crate) fn pass(&mut self, position: u64) {
        self.left.start = self.left.start.max(position);
    }

    /// The shard.
    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }

    /// What readers are not shown.
    pub(crate) fn retired(&self) -> &Arc<Retired> {
        &self.retired
    }

    /// Positions that it has yet to come to.
    pub(crate) fn left(&self) -> &Range<u64> {
        &self.left
    }

    /// Whether an event is there already, by its position and by the time of its commit.
    pub(crate) fn has_come(&self, position: u64, commit_time: Timestamp) -> bool {
        position < self.left.end && commit_time <= self.limit
    }

    /// When the last event of the block was committed that it has come past.
    pub(crate) fn last_commit(&self) -> Option<i64> {
        self.last_commit
    }

    /// The place of the next block; it counts as read.
    ///
    /// # Errors
    /// Damage, or what the disk said; the next call tries the same again, here and below.
    pub(crate) fn next_place(&mut self) -> Result<Option<BlockPlace>, Error> {
        let at = match self.left.is_empty() {
            true => None,
            false => self.reader.place_from(self.left.start)?,
        };
        Ok(self.step(at, |at| *at))
    }

    /// The next block, with these payloads open at least.
    pub(crate) fn next_read(
        &mut self,
        want: Payloads<'_>,
    ) -> Result<Option<(BlockPlace, Arc<Block>)>, Error> {
        let read = match self.left.is_empty() {
            true => None,
            false => self.reader.read_open(self.left.start, want)?,
        };
        Ok(self.step(read, |(at, _)| *at))
    }

    /// The next block that may hold wanted events, with their rows.
    pub(crate) fn next_block(&mut self, filter: &Filter) -> Result<Option<BlockRows>, Error> {
        if !self.is_in_time(filter)? {
            return Ok(None);
        }
        let from = self.left.start;
        let read = self.next_read(filter.payloads())?;
        Ok(read.map(|(_, block)| self.rows_of(block, from, filter)))
    }

    fn rows_of(&self, block: Arc<Block>, from: u64, filter: &Filter) -> BlockRows {
        let events = block.events();
        let rows = row_from(&events, from)..events.len();
        let rows = filter.rows(&events, rows, &self.retired);
        BlockRows { block, rows }
    }

    /// The block before all that are left, with its wanted rows.
    pub(crate) fn block_before(&mut self, filter: &Filter) -> Result<Option<BlockRows>, Error> {
        while let Some(place) = self.place_before()? {
            if place.next_position <= self.left.start || filter.is_after(&place) {
                break;
            }
            // Blocks out of the time that is asked for are not read.
            let read = match filter.is_before(&place) {
                true => None,
                false => self
                    .reader
                    .read_open(place.first_position, filter.payloads())?,
            };
            let left = self.left.clone();
            self.left.end = place.first_position;
            if let Some((at, block)) = read {
                // Another block may stand there by now.
                self.left.end = self.left.end.min(at.first_position);
                let events = block.events();
                let rows = row_from(&events, left.start)..row_from(&events, left.end);
                let rows = filter.rows(&events, rows, &self.retired);
                return Ok(Some(BlockRows { block, rows }));
            }
        }
        self.left.end = self.left.start;
        Ok(None)
    }

    fn place_before(&self) -> Result<Option<BlockPlace>, Error> {
        match self.left.is_empty() {
            true => Ok(None),
            false => self.reader.place_before(self.left.end),
        }
    }

    /// Passes over the blocks that come before the time that is asked for. Says whether the next
    /// one does not come after it.
    fn is_in_time(&mut self, filter: &Filter) -> Result<bool, Error> {
        let end = filter.until.min(self.limit).as_nanos();
        if !filter.has_beginning() && end == i64::MAX {
            return Ok(true);
        }
        while !self.left.is_empty() {
            let Some(at) = self.reader.place_from(self.left.start)? else {
                return Ok(true);
            };
            if !filter.is_after(&at) {
                return Ok(at.first_commit <= end);
            }
            self.step(Some(at), |at| *at);
        }
        Ok(false)
    }

    /// Moves on behind the block that was found. Where there is none, what is left of the log is
    /// gone.
    fn step<T>(&mut self, found: Option<T>, at: impl Fn(&T) -> BlockPlace) -> Option<T> {
        let end = self.left.end;
        let found = found.filter(|found| at(found).first_position < end);
        match found.as_ref().map(at) {
            Some(at) => {
                self.left.start = at.next_position;
                self.last_commit = Some(at.last_commit);
            }
            None => self.left.start = self.left.start.max(end),
        }
        found
    }
}

impl ShardCursor<Arc<ShardReader>> {
    /// As [`next_block`](Self::next_block), from what is read ahead.
    pub(crate) fn next_block_of(
        &mut self,
        ahead: &mut Prefetch,
        filter: &Filter,
    ) -> Result<Option<BlockRows>, Error> {
        if !self.is_in_time(filter)? {
            return Ok(None);
        }
        let Range { start, end } = self.left.clone();
        let read = match self.left.is_empty() {
            true => None,
            false => ahead.read(&self.reader, start, end)?,
        };
        let read = self.step(read, |(at, _)| *at);
        Ok(read.map(|(_, block)| self.rows_of(block, start, filter)))
    }
}

/// Position after the last durable event of a shard, and what readers are not shown of what is
/// before it.
fn durable(reader: &ShardReader) -> (u64, Arc<Retired>) {
    let published = reader.published();
    (published.watermark, Arc::clone(&published.retired))
}

/// The first row of a block at a position or after it.
pub(crate) fn row_from(events: &Events<'_>, position: u64) -> usize {
    // Mostly it is the first: only segments that were written anew have blocks that were seen in
    // part.
    if events.is_empty() || events.position(0) >= position {
        return 0;
    }
    let (mut low, mut high) = (1, events.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match events.position(middle) < position {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}
