//! A stored event that was handed out.

use std::sync::Arc;

use eventcask_event::EventRef;
use eventcask_log::Block;

/// A stored event: a share of its block, in which it is read in place.
#[derive(Debug, Clone)]
pub struct Event {
    block: Arc<Block>,
    row: usize,
}

impl Event {
    pub(crate) fn new(block: Arc<Block>, row: usize) -> Self {
        Self { block, row }
    }

    /// The block that it is a share of.
    pub(crate) fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// The event; everything in it borrows from the block.
    #[must_use]
    pub fn get(&self) -> EventRef<'_> {
        self.block.events().event(self.row)
    }
}
