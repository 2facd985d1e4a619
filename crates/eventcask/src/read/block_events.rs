//! The wanted rows of a block on their way out as events.

use std::collections::VecDeque;
use std::sync::Arc;

use eventcask_event::{Envelope, Events};
use eventcask_log::Block;

use crate::Event;

/// Envelopes that are made at once: a look at the columns of a block costs 50 to 70 ns, so each
/// event has a share of about one. More would be made in vain for who reads a few.
const MADE_AT_ONCE: usize = 64;

/// Some rows of a block, handed out as events.
#[derive(Debug)]
pub(crate) struct BlockEvents {
    block: Arc<Block>,
    rows: Vec<u32>,
    /// Rows whose envelopes were made.
    looked_at: usize,
    /// Those that were not handed out.
    made: VecDeque<Envelope>,
}

impl BlockEvents {
    pub(crate) fn new(block: Arc<Block>, rows: Vec<u32>) -> Self {
        Self {
            block,
            rows,
            looked_at: 0,
            made: VecDeque::new(),
        }
    }

    /// The next one, which is still there then.
    pub(crate) fn peek(&mut self) -> Option<&Envelope> {
        if self.made.is_empty() && self.looked_at < self.rows.len() {
            let events = self.block.events();
            let rows = self.rows[self.looked_at..].iter().take(MADE_AT_ONCE);
            self.made
                .extend(rows.map(|row| events.envelope(*row as usize)));
            self.looked_at += self.made.len();
        }
        self.made.front()
    }

    /// Position of the next one.
    pub(crate) fn position(&self) -> Option<u64> {
        let row = self.rows.get(self.looked_at - self.made.len())?;
        Some(match self.made.front() {
            Some(next) => next.position,
            None => self.block.events().position(*row as usize),
        })
    }

    /// Keeps of those that were not handed out the rows of which `keep` says so.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Events<'_>, usize) -> bool) {
        self.rows.drain(..self.looked_at - self.made.len());
        self.made.clear();
        self.looked_at = 0;
        let events = self.block.events();
        self.rows.retain(|row| keep(&events, *row as usize));
    }
}

impl Iterator for BlockEvents {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.peek()?;
        let envelope = self.made.pop_front()?;
        Some(Event::new(Arc::clone(&self.block), envelope))
    }
}
