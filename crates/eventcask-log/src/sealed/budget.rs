//! Memory that is lent up to a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many bytes, shared by all who take of them; clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: u64,
    taken: Arc<AtomicU64>,
}

/// Bytes of a [`Budget`], which has them back when this is dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    bytes: u64,
    taken: Arc<AtomicU64>,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: Arc::default(),
        }
    }

    /// Bytes that are taken now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes so many bytes, if they are there.
    pub(crate) fn take(&self, bytes: u64) -> Option<Loan> {
        // Relaxed: nothing else goes with the number.
        let grow = |taken: u64| taken.checked_add(bytes).filter(|all| *all <= self.limit);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow)
            .ok()?;
        Some(Loan {
            bytes,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Loan {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
