//! What is folded into the state of a projection in one shard.

use std::ops::Range;
use std::sync::{Arc, Weak};

use eventcask_event::Events;
use eventcask_log::{Block, Error as LogError};
use eventcask_project::{ApplyError, Batch, FailedEvent};
use eventcask_shard::{AggregateCursor, Bounds, Retired, ShardReader};

use super::definition::Definition;
use super::parking::ParkedAggregates;
use super::policy::OnError;
use super::watch::Watches;
use crate::Error;
use crate::follow::cursor::row_from;
use crate::follow::follower::Follow;
use crate::follow::parked::Parked;

/// The state of a projection in one shard, and how far it got.
pub(crate) struct Folding<S> {
    definition: Arc<Definition<S>>,
    pub(crate) state: S,
    pub(crate) progress: u64,
    /// The aggregates that it does not hold all of.
    pub(crate) parked: ParkedAggregates,
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
            parked: ParkedAggregates::default(),
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
        parked: ParkedAggregates,
    ) -> Self {
        Self {
            state,
            progress,
            parked,
            given_up: Some(given_up),
            ..Self::empty(definition)
        }
    }

    /// Whether it holds nothing that was given up since it was begun.
    pub(crate) fn is_of_what_is_left(&self, reader: &ShardReader) -> bool {
        let now = reader.published().retired.mark();
        self.given_up.is_none_or(|then| then == now)
    }

    /// What they are told who ask for it, since it has stopped in its shard.
    pub(crate) fn stopped(&self, shard: u32, reason: String) -> Error {
        Error::Stopped {
            what: self.definition.kind,
            name: self.definition.name.clone(),
            shard: Some(shard),
            reason,
        }
    }

    /// Takes in the events of a block below a row, without those that are hidden or that the
    /// projection does not declare.
    pub(crate) fn take_rows(
        &mut self,
        block: &Block,
        end: usize,
        retired: &Retired,
    ) -> Result<(), ApplyError> {
        let events = block.events();
        self.given_up.get_or_insert_with(|| retired.mark());
        let first = row_from(&events, self.progress).min(end);
        // Where the block is all history or all new, there is nothing to cut.
        let border = if block.head().next_position() <= self.live_from {
            end
        } else {
            row_from(&events, self.live_from).clamp(first, end)
        };
        self.apply(&events, first..border, retired, true)?;
        self.apply(&events, border..end, retired, false)?;
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
        mut rows: Range<usize>,
        retired: &Retired,
        replay: bool,
    ) -> Result<(), ApplyError> {
        let is_rest = rows.end == events.len();
        let wants_all = self.definition.filter.wants_all();
        let mut at_once = rows.len();
        if is_rest && wants_all && self.parked.is_empty() && !retired.may_hide(events) {
            let Some(failed) = self.apply_batch(&Batch::new(*events, rows.start, replay))? else {
                return Ok(());
            };
            (rows.start, at_once) = (failed + 1, 1);
        }
        let mut shown = std::mem::take(&mut self.shown);
        shown.clear();
        let filter = &self.definition.filter;
        filter.add_rows(&mut shown, events, rows, retired);
        let applied = self.apply_shown(events, &shown, at_once, replay);
        self.shown = shown;
        applied
    }

    /// Applies these rows of a block, but those of aggregates that are parked. After one that fails
    /// the next is applied by itself, then twice as many each time: a block of which all fail costs
    /// as many batches as it has rows, and each of them looks at few.
    fn apply_shown(
        &mut self,
        events: &Events<'_>,
        mut shown: &[u32],
        mut at_once: usize,
        replay: bool,
    ) -> Result<(), ApplyError> {
        let mut is_parked = self.parked.among(events);
        let mut waiting = Vec::new();
        while !shown.is_empty() {
            let (mut now, later) = shown.split_at(at_once.min(shown.len()));
            if !is_parked.is_empty() {
                waiting.clear();
                let is_left = |row: &u32| !is_parked[events.aggregate_index(*row as usize)];
                waiting.extend(now.iter().copied().filter(is_left));
                now = &waiting;
            }
            if let Some(failed) = self.apply_batch(&Batch::listed(*events, now, replay))? {
                shown = &shown[shown.partition_point(|row| *row as usize <= failed)..];
                is_parked.resize(events.aggregates(), false);
                is_parked[events.aggregate_index(failed)] = true;
                at_once = 1;
            } else {
                shown = later;
                at_once = at_once.saturating_mul(2);
            }
        }
        Ok(())
    }

    fn apply_batch(&mut self, batch: &Batch<'_>) -> Result<Option<usize>, ApplyError> {
        if batch.is_empty() {
            return Ok(None);
        }
        let failed = match self.definition.apply(&mut self.state, batch) {
            Ok(()) => None,
            Err(error) => Some(self.park(batch, error)?),
        };
        for watch in self.watches.iter().filter_map(Weak::upgrade) {
            watch.applied(&self.state, batch);
        }
        Ok(failed)
    }

    /// Parks the aggregate of the event that an error names, whose row this gives.
    ///
    /// # Errors
    /// The error, where that is not to be.
    fn park(&mut self, batch: &Batch<'_>, error: ApplyError) -> Result<usize, ApplyError> {
        if self.definition.on_error == OnError::Stop {
            return Err(error);
        }
        let failed = error.downcast::<FailedEvent>()?;
        let is_it = |row| row == failed.row && batch.position(row) == failed.position;
        let is_parked = batch.rows().any(is_it)
            && self.parked.park(Parked {
                key: failed.key.clone(),
                version: failed.version,
                shard: batch.shard(),
                position: failed.position,
                tries: 1,
                reason: failed.reason.to_string(),
            });
        match is_parked {
            true => Ok(failed.row),
            false => Err(failed),
        }
    }

    /// Applies the events of an aggregate that is parked, from the one that failed on: up to where
    /// the state has come, or to one that fails. It stays parked from there on, also where one can
    /// not be read.
    ///
    /// # Errors
    /// What could not be read, or why one could not be applied: the state is not to be used any
    /// more then.
    pub(crate) fn redrive(
        &mut self,
        reader: &Arc<ShardReader>,
        key: &str,
    ) -> Result<(), Unapplied> {
        let Some(parked) = self.parked.remove(key) else {
            return Ok(());
        };
        let mut waiting = parked.clone();
        let applied = self.apply_waiting(reader, &mut waiting);
        if matches!(applied, Err(Unapplied::Unread(_))) {
            self.parked.park(waiting);
        }
        self.parked.count_tries(&parked);
        applied
    }

    /// Applies what waits of an aggregate, which says after each block where it goes on.
    fn apply_waiting(
        &mut self,
        reader: &Arc<ShardReader>,
        waiting: &mut Parked,
    ) -> Result<(), Unapplied> {
        let bounds = Bounds {
            from_version: waiting.version,
            to_position: self.progress.saturating_sub(1),
            ..Bounds::default()
        };
        let types = self.definition.filter.types.clone();
        let mut blocks = AggregateCursor::load(Arc::clone(reader), &waiting.key, bounds)?;
        while let Some((block, mut rows)) = blocks.next_block()? {
            let events = block.events();
            let last = rows.last().map(|row| events.version(*row as usize));
            if let Some(types) = &types {
                let is_shown = events.types_named(types);
                rows.retain(|row| is_shown[events.type_index(*row as usize)]);
            }
            let failed = self.apply_batch(&Batch::listed(events, &rows, true));
            if failed.map_err(Unapplied::Failed)?.is_some() {
                break;
            }
            waiting.version = last.map_or(waiting.version, |last| last + 1);
        }
        Ok(())
    }
}

/// Why what waits of an aggregate is not applied.
pub(crate) enum Unapplied {
    Unread(LogError),
    Failed(ApplyError),
}

impl From<LogError> for Unapplied {
    fn from(error: LogError) -> Self {
        Self::Unread(error)
    }
}

impl<S: Send> Follow for Folding<S> {
    fn progress(&self) -> u64 {
        self.progress
    }

    fn take(&mut self, block: &Block, retired: &Retired) -> Result<(), ApplyError> {
        self.take_rows(block, block.events().len(), retired)
    }

    fn pass(&mut self, shard: u32, position: u64) {
        self.progress = self.progress.max(position);
        for watch in self.watches.iter().filter_map(Weak::upgrade) {
            watch.reached(shard, self.progress);
        }
    }
}
