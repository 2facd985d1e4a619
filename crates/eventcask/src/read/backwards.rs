//! Reads the wanted events of one shard, newest first.

use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_log::Block;
use eventcask_shard::{Retired, ShardReader};

use crate::read::filter::Filter;
use crate::read::merge::Cursor;
use crate::{Error, Event};

/// How far back one shard was read.
#[derive(Debug)]
pub(crate) struct Backwards {
    reader: Arc<ShardReader>,
    hidden: Arc<Retired>,
    /// The position at which it ends.
    from: u64,
    /// Events at this position and after it were handed out, or passed over.
    end: u64,
    block: Option<Arc<Block>>,
    /// Rows of the block that are left.
    rows: usize,
}

impl Backwards {
    /// Begins with what is durable now, and ends at a position.
    pub(crate) fn new(reader: &Arc<ShardReader>, from: u64) -> Self {
        let published = reader.published();
        Self {
            reader: Arc::clone(reader),
            hidden: Arc::clone(&published.hidden),
            from,
            end: published.watermark,
            block: None,
            rows: 0,
        }
    }

    /// Opens the block before, if it may hold wanted events; says whether there is one.
    fn open_before(&mut self, filter: &Filter) -> Result<bool, Error> {
        while self.end > self.from {
            let Some(at) = self.reader.place_before(self.end)? else {
                return Ok(false);
            };
            if at.next_position <= self.from || filter.is_after(&at) {
                return Ok(false);
            }
            // Blocks out of the time that is asked for are not read.
            if filter.is_before(&at) {
                self.end = at.first_position;
                continue;
            }
            let read = self
                .reader
                .read_from(at.first_position, filter.payloads())?;
            match read {
                Some((found, block)) if found.first_position < self.end => {
                    self.rows = block.events().len();
                    self.block = Some(block);
                    return Ok(true);
                }
                // What was there has gone meanwhile.
                _ => self.end = at.first_position,
            }
        }
        Ok(false)
    }
}

impl Cursor for Backwards {
    const IS_NEWEST_FIRST: bool = true;

    fn settle(&mut self, filter: &Filter) -> Result<Option<Timestamp>, Error> {
        loop {
            if let Some(block) = &self.block {
                let events = block.events();
                while let Some(row) = self.rows.checked_sub(1) {
                    let is_here = (self.from..self.end).contains(&events.position(row));
                    if is_here && filter.admits(&events, row) && !self.hidden.hides(&events, row) {
                        return Ok(Some(events.commit_time(row)));
                    }
                    self.rows = row;
                }
                self.end = self.end.min(events.position(0));
                self.block = None;
            }
            if !self.open_before(filter)? {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Option<Event> {
        self.rows = self.rows.checked_sub(1)?;
        Some(Event::new(Arc::clone(self.block.as_ref()?), self.rows))
    }
}
