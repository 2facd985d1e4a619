//! What the benchmarks share: one workload with a fixed seed, and the allocator of the binaries.
//!
//! The workload is that of `docs/PERFORMANCE.md`: events of about 140 bytes, keys of 17 bytes out
//! of many aggregates, 12 types, JSON payloads of about 100 bytes, explicit ids in time order.

use eventcask_event::{EventBatch, EventId, NewEvent};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The seed of all benchmarks.
const SEED: u64 = 0x00ca_5c00;
/// Event types of the workload.
const TYPES: usize = 12;

/// One event of the workload.
#[derive(Debug, Clone)]
pub struct Load {
    /// Key of the aggregate.
    pub key: String,
    /// Name of the event type.
    pub event_type: String,
    /// JSON text.
    pub payload: Vec<u8>,
    /// Rising ids.
    pub id: EventId,
}

impl Load {
    /// The event as it is appended, with its id.
    #[must_use]
    pub fn event(&self) -> NewEvent<'_> {
        NewEvent::json(&self.event_type, &self.payload).id(self.id)
    }
}

/// So many events over so many aggregates; always the same ones.
#[must_use]
pub fn workload(events: usize, aggregates: u64) -> Vec<Load> {
    let mut random = fastrand::Rng::with_seed(SEED);
    (0..events)
        .map(|number| {
            let kind = random.usize(..TYPES);
            let cents = random.u32(..1_000_000);
            let (from, to) = (random.u64(..aggregates), random.u64(..aggregates));
            let payload = format!(
                r#"{{"cents":{cents},"currency":"EUR","counterparty":"account-{to:09}","memo":"transfer {kind}","ok":true}}"#
            );
            Load {
                key: format!("account-{from:09}"),
                event_type: format!("Transfer{kind}"),
                payload: payload.into_bytes(),
                id: EventId::from_u128(((number as u128) + 1) << 64 | u128::from(random.u64(..))),
            }
        })
        .collect()
}

/// A batch of the workload, as a producer makes it.
///
/// # Panics
/// Never: the workload is within the limits.
#[must_use]
pub fn batch(load: &[Load]) -> EventBatch {
    let mut batch = EventBatch::default();
    for one in load {
        batch
            .push(&one.key, 0, &one.event())
            .expect("within the limits");
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_is_always_the_same() {
        let crc = |load: &[Load]| {
            load.iter().fold(0u64, |sum, one| {
                let key = u64::from(eventcask_event::murmur2(one.key.as_bytes()));
                let payload = u64::from(eventcask_event::murmur2(&one.payload));
                sum.rotate_left(5) ^ key ^ payload << 32
            })
        };
        assert_eq!(crc(&workload(100, 10)), crc(&workload(100, 10)));
        assert_eq!(workload(100, 10)[99].key.len(), 17);
    }
}
