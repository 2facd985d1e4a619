//! Reads the wanted events of one shard, oldest first.

use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_log::Block;
use eventcask_shard::{Retired, ShardReader};

use crate::read::filter::Filter;
use crate::read::merge::Cursor;
use crate::{Error, Event};

/// How far one shard was read.
#[derive(Debug)]
pub(crate) struct Forwards {
    reader: Arc<ShardReader>,
    hidden: Arc<Retired>,
    /// Events before this position are passed over.
    from: u64,
    /// Position after the block that was read last.
    next: u64,
    /// Position after the last event that was durable when the log was last looked at.
    end: u64,
    /// What was committed later is not handed out yet.
    limit: Timestamp,
    block: Option<Arc<Block>>,
    row: usize,
}

impl Forwards {
    /// Begins at a position, and ends with what is durable now.
    pub(crate) fn new(reader: &Arc<ShardReader>, from: u64) -> Self {
        let published = reader.published();
        Self {
            reader: Arc::clone(reader),
            hidden: Arc::clone(&published.hidden),
            from,
            next: from,
            end: published.watermark,
            limit: Timestamp::from_nanos(i64::MAX),
            block: None,
            row: 0,
        }
    }

    /// Ends with what is durable now and was committed at this time or before.
    pub(crate) fn renew(&mut self, limit: i64) {
        let published = self.reader.published();
        self.hidden = Arc::clone(&published.hidden);
        self.end = published.watermark;
        self.limit = Timestamp::from_nanos(limit);
    }

    /// Passes over what comes before a position, having seen all before it that there is.
    pub(crate) fn pass(&mut self, position: u64) {
        self.next = self.next.max(position);
    }

    /// The position before which all is handed out or passed over; `None` where something is there
    /// that is not settled.
    pub(crate) fn seen(&self) -> Option<u64> {
        (self.block.is_none() && self.next >= self.end).then_some(self.next)
    }

    /// Position of the first event that was neither handed out nor passed over.
    pub(crate) fn position(&self) -> u64 {
        let open = self.block.as_ref().map(|block| block.events());
        let here = open.filter(|events| self.row < events.len());
        let here = here.map_or(self.next, |events| events.position(self.row));
        here.max(self.from)
    }

    /// The shard.
    pub(crate) fn shard(&self) -> u32 {
        self.reader.shard()
    }

    /// Opens the next block that may hold wanted events; says whether there is one.
    fn open_next(&mut self, filter: &Filter) -> Result<bool, Error> {
        while self.next < self.end {
            let Some(at) = self.reader.place_from(self.next)? else {
                return Ok(false);
            };
            if filter.is_before(&at) || at.first_commit > self.limit.as_nanos() {
                return Ok(false);
            }
            // Blocks out of the time that is asked for are not read.
            if filter.is_after(&at) {
                self.next = at.next_position;
                continue;
            }
            let Some((at, block)) = self.reader.read_from(self.next, filter.payloads())? else {
                return Ok(false);
            };
            // A block may begin with events that were handed out before, when it was another.
            self.from = self.from.max(self.next);
            self.next = at.next_position;
            (self.block, self.row) = (Some(block), 0);
            return Ok(true);
        }
        Ok(false)
    }
}

impl Cursor for Forwards {
    const IS_NEWEST_FIRST: bool = false;

    fn settle(&mut self, filter: &Filter) -> Result<Option<Timestamp>, Error> {
        loop {
            if let Some(block) = &self.block {
                let events = block.events();
                while self.row < events.len() {
                    let (position, time) =
                        (events.position(self.row), events.commit_time(self.row));
                    if position >= self.end || time > self.limit {
                        return Ok(None);
                    }
                    let is_new = position >= self.from;
                    if is_new
                        && filter.admits(&events, self.row)
                        && !self.hidden.hides(&events, self.row)
                    {
                        return Ok(Some(time));
                    }
                    self.row += 1;
                }
                self.block = None;
            }
            if !self.open_next(filter)? {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Option<Event> {
        let event = Event::new(Arc::clone(self.block.as_ref()?), self.row);
        self.row += 1;
        Some(event)
    }
}
