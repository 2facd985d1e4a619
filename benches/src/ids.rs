//! Event ids in the orders in which they come.

use std::fmt;

use eventcask_event::EventId;

use crate::SEED;

/// Ids of one millisecond, as at ten million a second.
const IDS_A_MILLISECOND: u64 = 10_000;
/// How late an id comes at most where clocks disagree.
const JITTER_MILLIS: u64 = 50;
/// 2026 began so many milliseconds after 1970.
const START_MILLIS: u64 = 1_767_225_600_000;

/// In what order ids come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdOrder {
    /// Version 7 UUIDs of one clock.
    InTime,
    /// Version 7 UUIDs of clocks that are up to 50 ms behind.
    Jitter,
    /// Version 4 UUIDs.
    Random,
}

impl fmt::Display for IdOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InTime => "in-time",
            Self::Jitter => "jitter",
            Self::Random => "random",
        })
    }
}

/// Ids without end, no two of which are the same; always the same ones.
#[derive(Debug, Clone)]
pub struct Ids {
    order: IdOrder,
    number: u64,
    random: fastrand::Rng,
}

impl Ids {
    /// Ids from the first one on.
    #[must_use]
    pub fn new(order: IdOrder) -> Self {
        Self {
            order,
            number: 0,
            random: fastrand::Rng::with_seed(SEED),
        }
    }
}

impl Iterator for Ids {
    type Item = EventId;

    #[inline]
    fn next(&mut self) -> Option<EventId> {
        let late = match self.order {
            IdOrder::InTime => 0,
            IdOrder::Jitter => self.random.u64(..JITTER_MILLIS),
            IdOrder::Random => {
                // With the variant's two bits and the version's four.
                let bits = self.random.u128(..) & !(0b11 << 62 | 0xf << 76);
                return Some(EventId::from_u128(bits | 0b10 << 62 | 4 << 76));
            }
        };
        let millis = START_MILLIS + JITTER_MILLIS + self.number / IDS_A_MILLISECOND - late;
        let upper = millis << 16 | 7 << 12;
        let lower = 0b10 << 62 | self.number;
        self.number += 1;
        Some(EventId::from_u128(
            u128::from(upper) << 64 | u128::from(lower),
        ))
    }
}
