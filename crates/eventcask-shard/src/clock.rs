//! One clock for all shards of a store.

use std::sync::atomic::{AtomicI64, Ordering};

/// The latest time that a clock begins at, 31 years before the last one there is: only a crafted
/// log has events from then.
const LATEST: i64 = i64::MAX - 1_000_000_000_000_000_000;

/// Gives commit times: nanoseconds since 1970 that always rise, whatever the system clock
/// does, so that events of all shards have one order.
pub struct CommitClock {
    last: AtomicI64,
    now: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl std::fmt::Debug for CommitClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitClock")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl CommitClock {
    /// A clock that goes on after `last` and follows `now`, in nanoseconds since 1970.
    #[must_use]
    pub fn new(last: i64, now: Box<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self {
            last: AtomicI64::new(last.min(LATEST)),
            now,
        }
    }

    /// A time later than every one before.
    pub fn next(&self) -> i64 {
        let now = (self.now)();
        // Relaxed: the value itself is all that is shared, and it only rises.
        let before = self.last.fetch_max(now - 1, Ordering::Relaxed).max(now - 1);
        // Pairs with the load in `last`: who sees this time sees what the shard said before it took
        // it.
        let taken = self.last.fetch_add(1, Ordering::Release);
        debug_assert!(taken >= before);
        taken + 1
    }

    /// The latest time that was given.
    #[must_use]
    pub fn last(&self) -> i64 {
        // Pairs with the release in `next`.
        self.last.load(Ordering::Acquire)
    }
}
