//! The answers that came to what was sent.

use std::time::Instant;

use eventcask::Flushed;

use crate::send::latencies::{Latencies, Stretch};

/// Answers that came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    pub(crate) first_refused: Option<String>,
    pub(crate) latencies: Latencies,
}

impl Counts {
    /// Counts the answer to an event that was sent at `sent`.
    pub(crate) fn add_one(&mut self, sent: Instant, is_stored: bool) {
        self.stored += u64::from(is_stored);
        self.duplicates += u64::from(!is_stored);
        self.latencies.add(sent.elapsed(), 1);
    }

    /// Counts the answer to a stretch.
    pub(crate) fn add(&mut self, stretch: &Stretch, flushed: Flushed, answered: Instant) {
        self.latencies.add_stretch(stretch, answered);
        self.stored += flushed.stored;
        self.duplicates += flushed.duplicates;
        self.refused += flushed.refused;
        if let (None, Some(refused)) = (&self.first_refused, flushed.first_refused) {
            self.first_refused = Some(refused.to_string());
        }
    }

    pub(crate) fn add_all(&mut self, other: Self) {
        self.stored += other.stored;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.first_refused = self.first_refused.take().or(other.first_refused);
        self.latencies.add_all(&other.latencies);
    }
}
