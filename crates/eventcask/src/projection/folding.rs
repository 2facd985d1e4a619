//! What is folded into the state of a projection in one shard.

use std::sync::{Arc, Weak};

use eventcask_log::Block;
use eventcask_project::{Batch, Projection};
use eventcask_shard::Hidden;

use super::entries::Watches;
use crate::follower::Follow;
use crate::shown::{add_shown, row_from};

/// The state of a projection in one shard, and how far it got.
pub(crate) struct Folding<P: Projection> {
    projection: Arc<P>,
    pub(crate) state: P::State,
    pub(crate) progress: u64,
    /// Bytes of the blocks that were taken in, since it was made.
    pub(crate) bytes: u64,
    /// Those who are told what is applied.
    pub(crate) watches: Watches<P>,
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
            watches: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Takes in the events of a block below a row, without those that are hidden or of other types than
    /// the projection declares.
    pub(crate) fn take_rows(&mut self, block: &Block, end: usize, hidden: &Hidden, replay: bool) {
        let events = block.events();
        let first = row_from(&events, self.progress).min(end);
        let is_whole = end == events.len();
        let next = match is_whole {
            true => block.head().next_position(),
            false => events.position(end),
        };
        let batch = if is_whole && P::TYPES.is_none() && !hidden.may_hide(&events) {
            Batch::new(events, first, replay)
        } else {
            self.shown.clear();
            add_shown(&mut self.shown, &events, first..end, P::TYPES, hidden);
            Batch::listed(events, &self.shown, replay)
        };
        if !batch.is_empty() {
            self.projection.apply(&mut self.state, &batch);
        }
        self.progress = self.progress.max(next);
        for watch in self.watches.iter().filter_map(Weak::upgrade) {
            watch.applied(&self.state, &batch, self.progress);
        }
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
