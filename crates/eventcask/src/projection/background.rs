//! What wakes the threads of a projection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sync::locked;

/// Wakes one thread. A ring while it is awake is not lost, and costs the one who rings an atomic.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    is_rung: AtomicBool,
    asleep: Mutex<()>,
    rings: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        // Pairs with the swap in `take`: who takes the ring sees what was there before it.
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            let _asleep = locked(&self.asleep);
            self.rings.notify_one();
        }
    }

    fn take(&self) -> bool {
        self.is_rung.swap(false, Ordering::AcqRel)
    }

    /// Sleeps until it rings, or as long as this.
    pub(crate) fn wait(&self, longest: Option<Duration>) {
        let until = longest.and_then(|longest| Instant::now().checked_add(longest));
        let mut asleep = locked(&self.asleep);
        while !self.take() {
            let Some(until) = until else {
                asleep = self
                    .rings
                    .wait(asleep)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.rings.wait_timeout(asleep, left);
            asleep = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
