//! Events of about 140 bytes, as `docs/PERFORMANCE.md` has them: keys of 17 bytes out of many
//! aggregates, 12 types, payloads of about 100 bytes (JSON for half of the types, binary for the
//! others), explicit ids in time order.

use eventcask_event::{EventBatch, EventId, NewEvent};

use crate::{IdOrder, Ids, SEED};

/// Event types; those below the half have JSON.
const TYPES: usize = 12;
/// Numbers of 64 bits in a binary payload.
const BINARY_NUMBERS: usize = 12;

/// One event of the workload.
#[derive(Debug, Clone)]
pub struct Load {
    /// Key of the aggregate.
    pub key: String,
    /// Name of the event type.
    pub event_type: String,
    /// JSON text, or a row of numbers.
    pub payload: Vec<u8>,
    /// Whether it is JSON.
    pub is_json: bool,
    /// Rising ids.
    pub id: EventId,
}

impl Load {
    /// The event as it is appended, with its id.
    #[must_use]
    pub fn event(&self) -> NewEvent<'_> {
        let event = if self.is_json {
            NewEvent::json(&self.event_type, &self.payload)
        } else {
            NewEvent::bytes(&self.event_type, &self.payload)
        };
        event.id(self.id)
    }
}

/// So many events over so many aggregates; always the same ones.
#[must_use]
pub fn workload(events: usize, aggregates: u64) -> Vec<Load> {
    let mut random = fastrand::Rng::with_seed(SEED);
    Ids::new(IdOrder::InTime)
        .take(events)
        .map(|id| {
            let kind = random.usize(..TYPES);
            let is_json = kind < TYPES / 2;
            let (from, to) = (random.u64(..aggregates), random.u64(..aggregates));
            let payload = if is_json {
                json(kind, to, &mut random)
            } else {
                binary(to, &mut random)
            };
            Load {
                key: format!("account-{from:09}"),
                event_type: format!("Transfer{kind}"),
                payload,
                is_json,
                id,
            }
        })
        .collect()
}

fn json(kind: usize, to: u64, random: &mut fastrand::Rng) -> Vec<u8> {
    let cents = random.u32(..1_000_000);
    format!(
        r#"{{"cents":{cents},"currency":"EUR","counterparty":"account-{to:09}","memo":"transfer {kind}","ok":true}}"#
    )
    .into_bytes()
}

/// Fields of a record: some small, some that nothing makes smaller.
fn binary(to: u64, random: &mut fastrand::Rng) -> Vec<u8> {
    let number = |field: usize| match field {
        0 => to,
        1..4 => random.u64(..),
        _ => random.u64(..1_000_000),
    };
    let numbers = (0..BINARY_NUMBERS).map(number);
    numbers.flat_map(u64::to_le_bytes).collect()
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
    use crate::Outcome;

    #[test]
    fn the_workload_is_always_the_same() {
        let hash = |load: &[Load]| {
            let mut outcome = Outcome::default();
            for one in load {
                outcome.add_bytes(one.key.as_bytes());
                outcome.add_bytes(&one.payload);
            }
            outcome.to_string()
        };
        let load = workload(100, 10);
        assert_eq!(hash(&load), "414c1bf81ddc59cd");
        assert_eq!(load[99].key.len(), 17);
    }

    #[test]
    fn ids_are_those_of_their_order() {
        let of = |order| Ids::new(order).take(1000).collect::<Vec<_>>();
        let (in_time, jitter, random) = (
            of(IdOrder::InTime),
            of(IdOrder::Jitter),
            of(IdOrder::Random),
        );
        assert!(in_time.is_sorted() && in_time.iter().all(|id| id.rises_with_time()));
        assert!(!jitter.is_sorted() && jitter.iter().all(|id| id.rises_with_time()));
        assert!(!random.iter().any(|id| id.rises_with_time()));
    }
}
