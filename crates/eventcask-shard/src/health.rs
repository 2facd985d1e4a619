//! Whether a shard still takes events.

use std::sync::{Arc, OnceLock};

/// Whether a shard still takes events.
#[derive(Debug, Default)]
pub(crate) struct Health {
    poisoned: OnceLock<Arc<str>>,
}

impl Health {
    /// Why the shard stopped, if it did.
    pub(crate) fn poisoned(&self) -> Option<Arc<str>> {
        self.poisoned.get().cloned()
    }

    /// Notes why the shard stops; the first reason counts. Returns that, and whether it is this
    /// one.
    pub(crate) fn poison(&self, reason: &str) -> (Arc<str>, bool) {
        let is_new = self.poisoned.set(reason.into()).is_ok();
        let first = self.poisoned.get_or_init(|| reason.into());
        (Arc::clone(first), is_new)
    }
}
