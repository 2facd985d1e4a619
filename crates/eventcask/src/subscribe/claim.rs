//! An event that one consumer has to handle.

use std::sync::Arc;

use crate::subscribe::shared::Shared;
use crate::{Error, Event};

/// An event that is handed to one consumer of a [`ConsumerGroup`](crate::ConsumerGroup), until it
/// says how it went. No other event of the same aggregate is handed out meanwhile.
///
/// One that is dropped without an answer, by a panic for example, has failed.
#[derive(Debug)]
#[must_use = "a claim that is dropped without an answer has failed"]
pub struct Claim {
    group: Arc<Shared>,
    event: Event,
    tries: u32,
    is_answered: bool,
}

impl Claim {
    pub(crate) fn new(group: Arc<Shared>, event: Event, tries: u32) -> Self {
        Self {
            group,
            event,
            tries,
            is_answered: false,
        }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// How often it has failed before.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Says that the event is handled. Progress is saved in its time, see
    /// [`ConsumerGroup::checkpoint`](crate::ConsumerGroup::checkpoint).
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-1", Expected::Any, &[placed])?.wait()?;
    ///
    /// use eventcask::subscribe::Retry;
    /// let group = store.events().group("mailer", Retry::new(3))?;
    /// let claim = group.try_claim()?.ok_or("one is there")?;
    /// assert_eq!(claim.event().key(), "order-1");
    /// claim.ack()?;
    /// assert!(group.try_claim()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said where progress was saved; the event counts as handled all the same.
    pub fn ack(mut self) -> Result<(), Error> {
        self.is_answered = true;
        self.group.done(self.event.key())
    }

    /// Says that the event has failed: it is tried again after a while, or its aggregate is parked
    /// where it was tried often enough. Durable when it returns.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-1", Expected::Any, &[placed])?.wait()?;
    ///
    /// use eventcask::subscribe::Retry;
    /// let group = store.events().group("mailer", Retry::new(3))?;
    /// let claim = group.try_claim()?.ok_or("one is there")?;
    /// claim.retry("the server did not answer")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said; it counts as failed all the same.
    pub fn retry(mut self, reason: &str) -> Result<(), Error> {
        self.is_answered = true;
        self.group.failed(self.event.key(), reason, true)
    }

    /// Parks the event and all later ones of its aggregate, until it is
    /// [redriven](crate::ConsumerGroup::redrive). Durable when it returns.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-1", Expected::Any, &[placed])?.wait()?;
    ///
    /// use eventcask::subscribe::Retry;
    /// let group = store.events().group("mailer", Retry::new(3))?;
    /// let claim = group.try_claim()?.ok_or("one is there")?;
    /// claim.park("the address is wrong")?;
    /// assert_eq!(group.parked()[0].key, "order-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said; it is parked all the same.
    pub fn park(mut self, reason: &str) -> Result<(), Error> {
        self.is_answered = true;
        self.group.failed(self.event.key(), reason, false)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_answered {
            let reason = "its consumer gave no answer";
            // Nobody is left to be told.
            let _ = self.group.failed(self.event.key(), reason, true);
        }
    }
}
