//! How long ago something was, as a number.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn now() -> Self {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let since = FIRST.get_or_init(Instant::now).elapsed();
        // 0 stands for never; 500 years fit.
        Self(since.as_nanos() as u64 + 1)
    }

    pub(crate) fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whether an earlier moment is at most so long ago.
    pub(crate) fn is_within(self, age: Duration, earlier: u64) -> bool {
        u128::from(self.0.saturating_sub(earlier)) <= age.as_nanos()
    }
}
