//! The state of one shard and the steps of its pipeline.
//!
//! A batch walks: `receive` -> `judge` (dedup, expected versions) -> `store` (columns, archive,
//! compression, checksum, a place in the log) -> the write thread -> `complete` -> `publish`
//! (index, projections, answers). Between `store` and `publish` a block is *in flight*: its
//! effects are in the tables, nothing of it is visible, and all of it can be taken back.

mod recover;
mod decide;
mod stored;
mod tail;
mod publish;
mod back;

use std::collections::VecDeque;
use std::sync::Arc;

use eventcask_log::{Codec, Compressor, PageBuffer, Tail};

use crate::build::BlockBuilder;
use crate::commit::{Reports, Task};
use crate::dedup::Dedup;
use crate::in_flight::InFlight;
use crate::inbox::{Idle, Message};
use crate::stages::StageCounters;
use crate::{Apply, Inbox, ShardReader};

pub use recover::Opened;

/// Bytes of blocks that are on their way to the disk at most; more would only wait there.
const IN_FLIGHT_BYTES: usize = 8 << 20;

/// With so many there is no time to compress by itself: whoever makes events in the worker's own
/// thread leaves no batches waiting that would tell.
const LOADED_BYTES: usize = 1 << 20;

/// Buffers of written blocks that are kept for the next ones: as many as are in flight where blocks
/// have the usual size.
const SPARE_BUFFERS: usize = IN_FLIGHT_BYTES / (256 << 10);

/// How a shard writes.
#[derive(Debug, Clone, Copy)]
pub struct ShardSettings {
    /// Compression of blocks.
    pub codec: Codec,
    /// A segment ends with the first block that would start beyond this place, unless that is
    /// small.
    pub segment_bytes: u64,
}

/// One slice of all aggregates: its tables, its place in the log, and what is in flight.
pub struct Shard {
    reader: Arc<ShardReader>,
    inbox: Arc<Inbox>,
    settings: ShardSettings,
    apply: Box<dyn Apply>,
    dedup: Dedup,
    builder: BlockBuilder,
    compressor: Compressor,
    tail: Tail,
    /// The segment of which all events were given up by time when the store was opened: nothing is
    /// added to it, so that it can be sealed without them.
    given_up_segment: u64,
    /// About how many bytes the segment took after it was full.
    behind_bytes: u64,
    /// Batches that were taken together: they share one group of writes.
    taken: VecDeque<Message>,
    /// Whether a group of blocks came back from the disk since open batches were taken.
    is_group_done: bool,
    /// How many were answered since the last batch was taken.
    answered: usize,
    /// Whether its worker has other shards, which would wait with it for callers to return.
    pub(crate) shares_worker: bool,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    sequence: u64,
    generation: u64,
    reports: Reports,
    spare: Vec<PageBuffer>,
    stages: Arc<StageCounters>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

/// Where a shard hands its blocks to the write thread.
pub(crate) type SendTask<'s> = &'s mut dyn FnMut(u64, u64, Task);

impl Shard {
    /// Whether so much is on its way to the disk that nothing more is taken.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight_bytes >= IN_FLIGHT_BYTES
    }

    /// Whether one batch is on its way to the disk, and no more.
    pub(crate) fn has_one_in_flight(&self) -> bool {
        self.in_flight.len() == 1
    }

    /// Whether something is on its way to the disk, or waits.
    pub(crate) fn has_more(&self) -> bool {
        !self.in_flight.is_empty() || self.look() == Idle::Not
    }

    /// One turn: what came back from the disk, then the next batch. Says whether there was
    /// anything to do.
    pub(crate) fn turn(&mut self, now: &dyn Fn() -> i64, send: SendTask<'_>) -> bool {
        let completed = self.complete();
        let Some(message) = self.next_message() else {
            return completed;
        };
        match message {
            Message::Delivery(delivery) => self.receive(delivery, now, send),
            Message::Flush(share) => self.flush(share, send),
            Message::EndSegment(share) => self.end_segment(share, now(), send),
        }
        true
    }

    /// The next batch. While a block is in flight, open batches are left to fill up: they become
    /// the next group. Those in which somebody waits go along with the next blocks as soon as a
    /// group is done.
    fn next_message(&mut self) -> Option<Message> {
        if self.is_busy() {
            return None;
        }
        if self.taken.is_empty() && self.in_flight.is_empty() && !self.shares_worker {
            self.inbox.let_return(self.answered);
        }
        if self.taken.is_empty() && self.is_group_done {
            self.inbox.take_asked(&mut self.taken);
            self.is_group_done = self.taken.is_empty();
        }
        if let Some(message) = self.taken.pop_front() {
            return Some(message);
        }
        let waiting = self.inbox.take();
        if waiting.is_some() || !self.in_flight.is_empty() {
            return waiting;
        }
        self.inbox.take_open(&mut self.taken);
        self.taken.pop_front()
    }

    /// Whether [`turn`](Self::turn) would do something, or when it will without being called.
    pub(crate) fn look(&self) -> Idle {
        if !self.reports.is_empty() {
            return Idle::Not;
        }
        if self.in_flight.is_empty() && self.taken.is_empty() {
            return self.inbox.look();
        }
        let has_waiters = || self.is_group_done && self.inbox.has_waiters();
        let waits = !self.taken.is_empty() || self.inbox.has_waiting() || has_waiters();
        if waits && !self.is_busy() {
            Idle::Not
        } else {
            Idle::Until(None)
        }
    }

    /// Whether all is done and nothing more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.inbox.is_closed() && self.in_flight.is_empty() && self.look() != Idle::Not
    }
}
