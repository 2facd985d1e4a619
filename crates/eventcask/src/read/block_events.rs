//! The wanted rows of a block on their way out as events.

use std::sync::Arc;

use eventcask_event::Events;
use eventcask_log::Block;

use crate::Event;

/// Some rows of a block, handed out as events.
#[derive(Debug)]
pub(crate) struct BlockEvents {
    block: Arc<Block>,
    rows: Vec<u32>,
    /// How many were handed out.
    done: usize,
}

impl BlockEvents {
    pub(crate) fn new(block: Arc<Block>, rows: Vec<u32>) -> Self {
        Self {
            block,
            rows,
            done: 0,
        }
    }

    /// The block, which is not handed out from any more.
    pub(crate) fn into_block(self) -> Arc<Block> {
        self.block
    }

    /// The row that is next, in its block.
    pub(crate) fn peek(&self) -> Option<(Events<'_>, usize)> {
        let row = *self.rows.get(self.done)? as usize;
        Some((self.block.events(), row))
    }

    /// How many of those that were not handed out `is_in_it` is true of, which it is of all before
    /// one that it is true of.
    pub(crate) fn count_while(&self, is_in_it: impl Fn(&Events<'_>, usize) -> bool) -> usize {
        let (events, rows) = (self.block.events(), &self.rows[self.done..]);
        let is_in_it = |row: &u32| is_in_it(&events, *row as usize);
        // Mostly it is all, or hardly any.
        if rows.last().is_none_or(is_in_it) {
            return rows.len();
        }
        let mut end = 1;
        while end < rows.len() && is_in_it(&rows[end - 1]) {
            end *= 2;
        }
        rows[..end.min(rows.len())].partition_point(is_in_it)
    }

    /// Keeps of those that were not handed out the rows of which `keep` says so.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Events<'_>, usize) -> bool) {
        self.rows.drain(..self.done);
        self.done = 0;
        let events = self.block.events();
        self.rows.retain(|row| keep(&events, *row as usize));
    }
}

impl Iterator for BlockEvents {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        let row = *self.rows.get(self.done)?;
        self.done += 1;
        Some(Event::new(Arc::clone(&self.block), row))
    }
}
