//! How far a read model was fed from one shard.

use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_log::Payloads;
use eventcask_shard::ShardReader;

use crate::Error;
use crate::feed::batches::Taken;
use crate::follow::cursor::{BlockRows, ShardCursor};
use crate::follow::filter::{Filter, NO_END};
use crate::read_model::{ModelProgress, ProgressStep};

/// Decoded bytes of the blocks that a transaction holds at most, but for the last one. A block that
/// is large by itself, with one wanted event, must not pile up.
const HELD_BYTES: usize = 64 << 20;

/// What still goes into a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    held: usize,
    /// Nothing is in it yet: then one event goes in, however large it is.
    is_empty: bool,
}

impl Room {
    pub(crate) fn new(events: usize, bytes: usize) -> Self {
        Self {
            events,
            bytes,
            held: HELD_BYTES,
            is_empty: true,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.events == 0 || self.bytes == 0 || self.held == 0
    }

    /// Makes room smaller by the first of these rows, and tells how many of them go in.
    fn fill(&mut self, events: &Events<'_>, rows: &[u32]) -> usize {
        let mut taken = 0;
        for row in rows {
            let row = *row as usize;
            let bytes = events.payload_len(row) + events.key(events.aggregate_index(row)).len();
            let fits = self.events > 0 && (bytes <= self.bytes || self.is_empty);
            if !fits {
                // What does not fit ends the transaction.
                self.bytes = 0;
                break;
            }
            self.events -= 1;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.is_empty = false;
            taken += 1;
        }
        taken
    }
}

/// What came of a step.
pub(crate) enum Step {
    /// Events for the transaction.
    Taken(Taken),
    /// A block of which nothing is wanted, or of which nothing fits.
    Passed,
    /// There is nothing more.
    End,
}

/// How far a read model was fed from one shard.
#[derive(Debug)]
pub(crate) struct Cursor {
    blocks: ShardCursor<Arc<ShardReader>>,
    /// The progress that the model has kept.
    kept: u64,
    /// Position after the last event that was looked at.
    next: u64,
    /// When that was committed.
    commit_time: Timestamp,
    /// Where the log ended when the feed began.
    replay_until: u64,
    /// A block whose wanted rows were not all taken yet, and how many were.
    open: Option<(BlockRows, usize)>,
}

impl Cursor {
    /// Begins where the model is.
    pub(crate) fn begin(reader: &Arc<ShardReader>, progress: Option<ModelProgress>) -> Self {
        let position = progress.map_or(0, |progress| progress.position);
        let blocks = ShardCursor::new(Arc::clone(reader), position);
        Self {
            kept: position,
            next: position,
            commit_time: progress.map_or(Timestamp::from_nanos(0), |one| one.commit_time),
            replay_until: blocks.left().end,
            blocks,
            open: None,
        }
    }

    fn reader(&self) -> &Arc<ShardReader> {
        self.blocks.reader()
    }

    /// Whether the store has the event that the model holds last; a sentence, where it has not.
    pub(crate) fn check(&self) -> Result<Option<String>, Error> {
        let shard = self.reader().shard();
        let (next, end) = (self.next, self.replay_until);
        if next > end {
            let sentence =
                format!("it is at position {next} of shard {shard}, and the store ends at {end}");
            return Ok(Some(sentence));
        }
        let Some(last) = next.checked_sub(1) else {
            return Ok(None);
        };
        let Some((_, block)) = self.reader().read_open(last, Payloads::Shut)? else {
            return Ok(None);
        };
        let events = block.events();
        // The event may be gone since; then there is nothing to compare.
        let found = events.row_at(last).map(|row| events.commit_time(row));
        let is_other = found.is_some_and(|time| time != self.commit_time);
        Ok(is_other.then(|| {
            format!("the event that it holds last, at position {last} of shard {shard}, is not the store's")
        }))
    }

    pub(crate) fn has_more(&self) -> bool {
        self.open.is_some() || self.next < self.reader().published().watermark
    }

    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// How the model moves on in this shard, if it does.
    pub(crate) fn advance(&self) -> Option<ProgressStep> {
        let to = ModelProgress {
            shard: self.reader().shard(),
            position: self.next,
            commit_time: self.commit_time,
        };
        let from = self.kept;
        (self.next > from).then_some(ProgressStep { from, to })
    }

    pub(crate) fn keep(&mut self) {
        self.kept = self.next;
    }

    /// Takes what fits of the next block.
    pub(crate) fn step(&mut self, room: &mut Room, filter: &Filter) -> Result<Step, Error> {
        if self.open.is_none() && !self.open_next(filter)? {
            return Ok(Step::End);
        }
        let Some((open, taken)) = &mut self.open else {
            return Ok(Step::Passed);
        };
        let events = open.block.events();
        let left = &open.rows[*taken..];
        // A piece is all history or all new.
        let is_history = |row: &u32| events.position(*row as usize) < self.replay_until;
        let replay = is_history(&left[0]);
        let piece = match left.partition_point(is_history) {
            0 => left,
            border => &left[..border],
        };
        let rows = piece[..room.fill(&events, piece)].to_vec();
        let Some(last) = rows.last() else {
            return Ok(Step::Passed);
        };
        let last = *last as usize;
        room.held = room.held.saturating_sub(open.block.raw_bytes());
        let block = Arc::clone(&open.block);
        *taken += rows.len();
        if *taken == open.rows.len() {
            self.open = None;
            self.pass();
        } else {
            self.next = events.position(last) + 1;
            self.commit_time = events.commit_time(last);
        }
        Ok(Step::Taken(Taken {
            block,
            rows,
            replay,
        }))
    }

    /// Reads the next block; says whether there is one. One without wanted events is passed.
    fn open_next(&mut self, filter: &Filter) -> Result<bool, Error> {
        self.blocks.renew(NO_END);
        let found = self.blocks.next_block(filter)?;
        let is_there = found.is_some();
        self.open = found
            .filter(|found| !found.rows.is_empty())
            .map(|found| (found, 0));
        if self.open.is_none() {
            self.pass();
        }
        Ok(is_there)
    }

    /// Notes that all is passed that was read.
    fn pass(&mut self) {
        self.next = self.blocks.left().start;
        if let Some(commit) = self.blocks.last_commit() {
            self.commit_time = Timestamp::from_nanos(commit);
        }
    }
}
