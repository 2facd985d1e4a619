//! How often an event that failed is tried again, and when.

use std::time::Duration;

/// How often a [`ConsumerGroup`](crate::ConsumerGroup) tries an event, and how long it waits after
/// each failure: twice as long each time. Then the event's aggregate is parked.
///
/// ```
/// use std::time::Duration;
/// use eventcask::subscribe::Retry;
/// let retry = Retry::new(3).first(Duration::from_millis(200)).longest(Duration::from_secs(10));
/// assert_ne!(retry, Retry::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    tries: u32,
    first: Duration,
    longest: Duration,
}

impl Default for Retry {
    /// Five tries; 100 ms after the first failure, and never more than 30 s.
    fn default() -> Self {
        Self::new(5)
    }
}

impl Retry {
    /// So many tries, at least one; the waits are those of the default.
    #[must_use]
    pub fn new(tries: u32) -> Self {
        Self {
            tries: tries.max(1),
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
        }
    }

    /// The wait after the first failure.
    #[must_use]
    pub fn first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// The longest wait.
    #[must_use]
    pub fn longest(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// The wait after so many failures; `None` where it is not tried again.
    pub(crate) fn wait_after(&self, failures: u32) -> Option<Duration> {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let wait = doubled.and_then(|times| self.first.checked_mul(times));
        let wait = wait.unwrap_or(self.longest).min(self.longest);
        (failures < self.tries).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let retry = Retry::new(40)
            .first(Duration::from_secs(1))
            .longest(Duration::from_secs(5));
        let waits = [1, 2, 3, 4, 38].map(|failures| retry.wait_after(failures));
        let expected = [1, 2, 4, 5, 5].map(|seconds| Some(Duration::from_secs(seconds)));
        assert_eq!(waits, expected);
        assert_eq!(retry.wait_after(40), None);
    }
}
