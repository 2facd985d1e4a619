//! What is folded into the state of a projection in one shard.

use std::sync::Arc;

use eventcask_log::Block;
use eventcask_project::{Batch, Projection};
use eventcask_shard::Hidden;

use crate::follower::Follow;

/// The state of a projection in one shard, and how far it got.
pub(crate) struct Folding<P: Projection> {
    projection: Arc<P>,
    pub(crate) state: P::State,
    pub(crate) progress: u64,
    /// Bytes of the blocks that were taken in, since it was made.
    pub(crate) bytes: u64,
    /// The rows of the block in hand that are shown, where not all are.
    shown: Vec<u32>,
}

impl<P: Projection> Folding<P> {
    pub(crate) fn empty(projection: &Arc<P>) -> Self {
        Self::at(projection, 0, P::State::default())
    }

    /// A state that has come so far.
    pub(crate) fn at(projection: &Arc<P>, progress: u64, state: P::State) -> Self {
        Self {
            projection: Arc::clone(projection),
            state,
            progress,
            bytes: 0,
            shown: Vec::new(),
        }
    }

    /// Takes in the events of a block below a row, without those that are hidden.
    pub(crate) fn take_rows(&mut self, block: &Block, end: usize, hidden: &Hidden, replay: bool) {
        let events = block.events();
        // Segments that were written anew have other blocks: one may have been seen in part.
        let first = if self.progress <= block.head().first_position {
            0
        } else {
            let seen = |row: &usize| events.position(*row) < self.progress;
            (0..end).take_while(seen).count()
        };
        let is_whole = end == events.len();
        let batch = if is_whole && hidden.is_empty() && !events.lists_truncation() {
            Batch::new(events, first, replay)
        } else {
            let rows = first..end;
            let shown = rows.filter(|row| !hidden.hides(&events, *row));
            self.shown.clear();
            self.shown.extend(shown.map(|row| row as u32));
            Batch::listed(events, &self.shown, replay)
        };
        if !batch.is_empty() {
            self.projection.apply(&mut self.state, &batch);
        }
        let next = match is_whole {
            true => block.head().next_position(),
            false => events.position(end),
        };
        self.progress = self.progress.max(next);
        self.bytes += u64::from(block.head().length);
    }
}

impl<P: Projection> Follow for Folding<P> {
    fn progress(&self) -> u64 {
        self.progress
    }

    fn take(&mut self, block: &Block, hidden: &Hidden, replay: bool) {
        self.take_rows(block, block.events().len(), hidden, replay);
    }
}
