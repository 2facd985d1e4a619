//! Ids that the producer gives to its events.

use std::time::{SystemTime, UNIX_EPOCH};

use eventcask::EventId;

/// Ids between two looks at the clock: some microseconds' work.
const IDS_A_LOOK: u64 = 64;
/// Bits of the counter in an id; the 22 bits above it tell producers apart.
const COUNTER_BITS: u32 = 40;

/// Version 7 UUIDs (RFC 9562): milliseconds, twelve bits of the fraction below (its method 3),
/// then who made it and a counter.
///
/// ```
/// use eventcask_load::generate::Ids;
/// let mut ids = Ids::new(3);
/// let (one, other) = (ids.take(), ids.take());
/// assert!(one < other);
/// assert_eq!(one.to_string().as_bytes()[14], b'7');
/// ```
#[derive(Debug)]
pub struct Ids {
    maker: u64,
    counter: u64,
    /// The upper half of the ids since the last look at the clock.
    time: u64,
}

impl Ids {
    /// The ids of one maker; of its number 22 bits count.
    #[must_use]
    pub fn new(maker: u64) -> Self {
        Self {
            maker: (maker & ((1 << 22) - 1)) << COUNTER_BITS,
            counter: 0,
            time: 0,
        }
    }

    /// The next id, higher than the one before unless the clock was set back.
    #[inline]
    pub fn take(&mut self) -> EventId {
        if self.counter.is_multiple_of(IDS_A_LOOK) {
            self.time = time_half();
        }
        let count = self.counter & ((1 << COUNTER_BITS) - 1);
        self.counter += 1;
        let lower = 0b10 << 62 | self.maker | count;
        EventId::from_u128(u128::from(self.time) << 64 | u128::from(lower))
    }
}

/// 48 bits of milliseconds since 1970, the version, 12 bits of the fraction.
fn time_half() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let millis = now.as_millis() as u64;
    let fraction = u64::from(now.subsec_nanos() % 1_000_000) * 4096 / 1_000_000;
    millis << 16 | 7 << 12 | fraction
}
