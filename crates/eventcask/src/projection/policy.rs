//! How much is applied at once, and when states are saved.

use std::time::Duration;

/// Events of a batch behind the acknowledgement. A reader waits for a batch at most, and that many
/// take about a millisecond.
pub(crate) const BATCH_EVENTS: u64 = 10_000;
/// Bytes of the blocks of a batch: they are in memory until it is applied.
pub(crate) const BATCH_BYTES: u64 = 4 << 20;

/// Shortest time between two looks whether a state is to be saved: far below what a snapshot takes, and
/// long enough to cost nothing.
const SHORTEST_TIME: Duration = Duration::from_millis(1);

/// When the states of a projection are saved: whenever one of these has come together since the time
/// before, in one shard. A state is also saved when its projection ends.
///
/// ```
/// use std::time::Duration;
/// use eventcask::projection::SnapshotPolicy;
/// let policy = SnapshotPolicy::default().events(100_000).time(Duration::from_secs(60));
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SnapshotPolicy {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Option<Duration>,
}

impl Default for SnapshotPolicy {
    /// After a million events: what a restart has to apply again at most, about a second's work.
    fn default() -> Self {
        Self {
            events: 1_000_000,
            bytes: u64::MAX,
            time: None,
        }
    }
}

impl SnapshotPolicy {
    /// After so many events.
    pub fn events(mut self, events: u64) -> Self {
        self.events = events.max(1);
        self
    }

    /// After so many bytes of blocks, as they are stored.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes.max(1);
        self
    }

    /// After so much time, and at least a millisecond, where anything was applied.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time.max(SHORTEST_TIME));
        self
    }
}

/// How much is applied at once behind the acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}
