//! What wakes a thread of the store that works behind the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

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

    /// Sleeps until it rings, or until this moment; says whether it rang.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
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
                return false;
            }
            let woken = self.rings.wait_timeout(asleep, left);
            asleep = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
