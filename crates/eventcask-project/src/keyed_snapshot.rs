//! The bytes of a value for each aggregate: 1. how many there are; 2. each key and its value, in
//! the order in which the aggregates came up first.

use crate::snapshot::{take, take_count};
use crate::{PerAggregate, Snapshot};

impl<V: Snapshot> Snapshot for PerAggregate<V> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).encode(bytes);
        for (key, value) in self.iter() {
            // A key has at most 1,024 bytes.
            (key.len() as u16).encode(bytes);
            bytes.extend_from_slice(key.as_bytes());
            value.encode(bytes);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut keyed = Self::default();
        // The number is believed entry by entry: each takes bytes.
        for _ in 0..take_count(bytes)? {
            let length = u16::decode(bytes)?;
            let key = str::from_utf8(take(bytes, usize::from(length))?).ok()?;
            if !keyed.put(key, V::decode(bytes)?) {
                return None;
            }
        }
        Some(keyed)
    }
}
