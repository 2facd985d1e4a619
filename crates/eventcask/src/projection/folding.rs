//! What is folded into the state of a projection in one shard.

use std::ops::Range;
use std::sync::{Arc, Weak};

use eventcask_event::Events;
use eventcask_log::Block;
use eventcask_project::{ApplyError, Batch};
use eventcask_shard::Retired;

use super::definition::Definition;
use super::watch::Watches;
use crate::Error;
use crate::follow::cursor::row_from;
use crate::follow::follower::Follow;

/// The state of a projection in one shard, and how far it got.
pub(crate) struct Folding<S> {
    definition: Arc<Definition<S>>,
    pub(crate) state: S,
    pub(crate) progress: u64,
    /// The mark of what had been given up when the first block was taken in.
    pub(crate) given_up: Option<u32>,
    /// Events from this position on are told as new, those before as history.
    pub(crate) live_from: u64,
    /// Bytes of the blocks that were taken in, since it was made.
    pub(crate) bytes: u64,
    /// Those who are told what is applied.
    pub(crate) watches: Watches<S>,
    /// The rows of the block in hand that are shown, where not all are.
    shown: Vec<u32>,
}

impl<S: Send> Folding<S> {
    pub(crate) fn empty(definition: &Arc<Definition<S>>) -> Self {
        Self {
            definition: Arc::clone(definition),
            state: definition.empty(),
            progress: 0,
            given_up: None,
            live_from: u64::MAX,
            bytes: 0,
            watches: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// A state that has come so far, without what has been given up.
    pub(crate) fn at(
        definition: &Arc<Definition<S>>,
        progress: u64,
        given_up: u32,
        state: S,
    ) -> Self {
        Self {
            state,
            progress,
            given_up: Some(given_up),
            ..Self::empty(definition)
        }
    }

    /// What they are told who ask for it, since it has stopped in its shard.
    pub(crate) fn stopped(&self, shard: u32, reason: String) -> Error {
        Error::ProjectionStopped {
            name: self.definition.name.clone(),
            shard,
            reason,
        }
    }

    /// Takes in the events of a block below a row, without those that are hidden or that the projection
    /// does not declare.
    pub(crate) fn take_rows(
        &mut self,
        block: &Block,
        end: usize,
        hidden: &Retired,
    ) -> Result<(), ApplyError> {
        let events = block.events();
        self.given_up.get_or_insert_with(|| hidden.mark());
        let first = row_from(&events, self.progress).min(end);
        // Where the block is all history or all new, there is nothing to cut.
        let border = if block.head().next_position() <= self.live_from {
            end
        } else {
            row_from(&events, self.live_from).clamp(first, end)
        };
        self.apply(&events, first..border, hidden, true)?;
        self.apply(&events, border..end, hidden, false)?;
        let next = match end == events.len() {
            true => block.head().next_position(),
            false => events.position(end),
        };
        self.pass(events.shard(), next);
        self.bytes += u64::from(block.head().length);
        Ok(())
    }

    fn apply(
        &mut self,
        events: &Events<'_>,
        rows: Range<usize>,
        hidden: &Retired,
        replay: bool,
    ) -> Result<(), ApplyError> {
        let is_rest = rows.end == events.len();
        let filter = &self.definition.filter;
        let batch = if is_rest && filter.wants_all() && !hidden.may_hide(events) {
            Batch::new(*events, rows.start, replay)
        } else {
            self.shown.clear();
            filter.add_rows(&mut self.shown, events, rows, hidden);
            Batch::listed(*events, &self.shown, replay)
        };
        if batch.is_empty() {
            return Ok(());
        }
        self.definition.apply(&mut self.state, &batch)?;
        for watch in self.watches.iter().filter_map(Weak::upgrade) {
            watch.applied(&self.state, &batch);
        }
        Ok(())
    }
}

impl<S: Send> Follow for Folding<S> {
    fn progress(&self) -> u64 {
        self.progress
    }

    fn take(&mut self, block: &Block, hidden: &Retired) -> Result<(), ApplyError> {
        self.take_rows(block, block.events().len(), hidden)
    }

    fn pass(&mut self, shard: u32, position: u64) {
        self.progress = self.progress.max(position);
        for watch in self.watches.iter().filter_map(Weak::upgrade) {
            watch.reached(shard, self.progress);
        }
    }
}
