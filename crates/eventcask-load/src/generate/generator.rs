//! Events one after the other, for one thread.

use std::sync::Arc;

use eventcask::{EventId, NewEvent};

use super::{Aggregates, Checksum, Ids, Payloads, Random, Skew};

/// What a generator makes.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// How aggregates are drawn.
    pub skew: Skew,
    /// Out of how many.
    pub aggregates: u32,
    /// How many events are expected of this generator.
    pub events: u64,
    /// Where the random numbers begin.
    pub seed: u64,
    /// Whether events carry an id.
    pub with_ids: bool,
    /// The fraction of the events that are sent again.
    pub duplicates: f64,
}

/// Makes events.
///
/// Aligned, so that two of them side by side, each with a thread of its own, share no cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Generator {
    aggregates: Aggregates,
    payloads: Arc<Payloads>,
    ids: Option<Ids>,
    /// Payload of the next event.
    payload: u64,
    duplicates: Duplicates,
}

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// Its aggregate.
    pub key: &'a str,
    /// The rest of it.
    pub event: NewEvent<'a>,
    /// Whether it was made before, with the same id and content.
    pub is_duplicate: bool,
}

/// Remembers one event, and says when it is due again.
#[derive(Debug)]
struct Duplicates {
    fraction: f64,
    /// How much of a duplicate is due.
    due: f64,
    kept: Option<Kept>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Where it lies in the ring.
    aggregate: usize,
    payload: u64,
    id: EventId,
}

impl Generator {
    /// The generator number `maker`, which draws only aggregates that `takes` takes.
    #[must_use]
    pub fn new(
        recipe: &Recipe,
        payloads: Arc<Payloads>,
        maker: u64,
        takes: impl FnMut(u32) -> bool,
    ) -> Self {
        let mut random = Random::new(recipe.seed ^ (maker + 1) << 40);
        let (skew, aggregates) = (recipe.skew, recipe.aggregates);
        Self {
            aggregates: Aggregates::draw(skew, aggregates, recipe.events, &mut random, takes),
            payload: random.number() >> 32,
            ids: recipe.with_ids.then(|| Ids::new(maker)),
            payloads,
            duplicates: Duplicates {
                fraction: recipe.duplicates,
                due: 0.0,
                kept: None,
            },
        }
    }

    /// The next event. Put in place, so that it is written once, for whoever stores it.
    #[inline(always)]
    pub fn make(&mut self) -> Made<'_> {
        if let Some(kept) = self.duplicates.take() {
            return Made {
                key: self.aggregates.key(kept.aggregate),
                event: self.payloads.event(kept.payload).id(kept.id),
                is_duplicate: true,
            };
        }
        let (aggregate, payload) = (self.aggregates.take(), self.payload);
        self.payload += 1;
        let mut event = self.payloads.event(payload);
        if let Some(ids) = &mut self.ids {
            let id = ids.take();
            event = event.id(id);
            self.duplicates.keep(Kept {
                aggregate,
                payload,
                id,
            });
        }
        Made {
            key: self.aggregates.key(aggregate),
            event,
            is_duplicate: false,
        }
    }

    /// Tells what this one makes from what another makes, but for the ids, which are of their
    /// time.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        let mut checksum = self.aggregates.checksum();
        checksum.add(self.payload);
        checksum
    }

    /// The pool that payloads are taken from.
    #[must_use]
    pub fn payloads(&self) -> &Payloads {
        &self.payloads
    }

    /// Bytes of memory that the aggregates take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.aggregates.bytes()
    }
}

impl Duplicates {
    /// Remembers an event, unless another still waits to be sent again.
    #[inline]
    fn keep(&mut self, event: Kept) {
        if self.fraction > 0.0 && self.kept.is_none() {
            self.kept = Some(event);
        }
    }

    /// The event that is due again, if one is.
    #[inline]
    fn take(&mut self) -> Option<Kept> {
        if self.fraction == 0.0 {
            return None;
        }
        self.due += self.fraction;
        let is_due = self.due >= 1.0 && self.kept.is_some();
        if !is_due {
            return None;
        }
        self.due -= 1.0;
        self.kept.take()
    }
}
