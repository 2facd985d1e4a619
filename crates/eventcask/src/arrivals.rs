//! Wakes those who wait for what is new.

use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::{Event, EventListener};

/// Tells the subscriptions of a store that there may be something new. Nothing is queued for them:
/// each reads the log at its own pace, and who does not listen costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    told: Event,
    is_over: AtomicBool,
}

impl Arrivals {
    /// Wakes all who listen.
    pub(crate) fn tell(&self) {
        self.told.notify(usize::MAX);
    }

    /// Says that nothing more will come.
    pub(crate) fn end(&self) {
        // Pairs with the load in `is_over`: all events are visible to who sees this.
        self.is_over.store(true, Ordering::Release);
        self.tell();
    }

    /// Whether all that will ever come is visible.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Is woken by what comes from now on.
    pub(crate) fn listen(&self) -> EventListener {
        self.told.listen()
    }
}
