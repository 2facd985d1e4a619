//! Where the time goes: counters of the pipeline's stages, moved on once a batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time that a shard's threads spent in each stage since the store was opened.
///
/// It is time by the clock, so it holds what other threads took of the core meanwhile. What it
/// costs is a look at the clock for each stage of a batch, not of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stages {
    /// Rows that came in.
    pub events: u64,
    /// Batches that came in.
    pub batches: u64,
    /// Nanoseconds in which rows were looked up, judged and given their versions.
    pub decide_ns: u64,
    /// Nanoseconds in which rows became the columns of blocks.
    pub build_ns: u64,
    /// Nanoseconds in which blocks were compressed, copied for the disk and given checksums.
    pub encode_ns: u64,
    /// Nanoseconds in which durable blocks were made visible and appends answered.
    pub publish_ns: u64,
    /// Nanoseconds in which views and projections took in durable blocks.
    pub project_ns: u64,
    /// Nanoseconds in which groups of blocks were written.
    pub write_ns: u64,
    /// Nanoseconds in which written groups were made durable.
    pub sync_ns: u64,
    /// Groups of blocks that were written together.
    pub groups: u64,
    /// Bytes of the blocks that were written.
    pub written_bytes: u64,
}

impl Stages {
    /// Adds the figures of another shard.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.fields().into_iter().zip({ *other }.fields()) {
            *sum += *more;
        }
    }

    /// What was added since `before`.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        for (now, then) in self.fields().into_iter().zip({ *before }.fields()) {
            *now = now.saturating_sub(*then);
        }
        self
    }

    fn fields(&mut self) -> [&mut u64; 11] {
        [
            &mut self.events,
            &mut self.batches,
            &mut self.decide_ns,
            &mut self.build_ns,
            &mut self.encode_ns,
            &mut self.publish_ns,
            &mut self.project_ns,
            &mut self.write_ns,
            &mut self.sync_ns,
            &mut self.groups,
            &mut self.written_bytes,
        ]
    }
}

/// The counters of one shard, which its worker and its write thread move on.
#[derive(Debug, Default)]
pub(crate) struct StageCounters {
    pub(crate) events: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) decide_ns: AtomicU64,
    pub(crate) build_ns: AtomicU64,
    pub(crate) encode_ns: AtomicU64,
    pub(crate) publish_ns: AtomicU64,
    pub(crate) project_ns: AtomicU64,
    pub(crate) write_ns: AtomicU64,
    pub(crate) sync_ns: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
}

/// Moves a counter on. Relaxed: each is a number by itself.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl StageCounters {
    pub(crate) fn read(&self) -> Stages {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stages {
            events: of(&self.events),
            batches: of(&self.batches),
            decide_ns: of(&self.decide_ns),
            build_ns: of(&self.build_ns),
            encode_ns: of(&self.encode_ns),
            publish_ns: of(&self.publish_ns),
            project_ns: of(&self.project_ns),
            write_ns: of(&self.write_ns),
            sync_ns: of(&self.sync_ns),
            groups: of(&self.groups),
            written_bytes: of(&self.written_bytes),
        }
    }
}

/// Measures the stages that follow each other.
pub(crate) struct StageTimer(Instant);

impl StageTimer {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Adds the time since the last lap to a counter.
    pub(crate) fn end(&mut self, counter: &AtomicU64) {
        let now = Instant::now();
        count(counter, nanos(now - self.0));
        self.0 = now;
    }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
