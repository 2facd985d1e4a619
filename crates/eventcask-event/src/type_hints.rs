//! Where the event type of a new row likely is among those of its batch.

use crate::NewEvent;

/// Far more places than a batch usually has types: of 12 types, two are in one place in one batch
/// out of sixteen, and these are searched for.
const PLACES: usize = 1024;
/// An odd number without a pattern, as multiplicative hashing wants it.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Numbers of event types, by a cheap hash of what they are. Whoever asks compares the type itself:
/// a hint that is wrong, or left over from another batch, costs a search and nothing else.
#[derive(Debug)]
pub(crate) struct TypeHints([u16; PLACES]);

impl Default for TypeHints {
    fn default() -> Self {
        Self([0; PLACES])
    }
}

impl TypeHints {
    /// The place of an event's type.
    #[inline]
    pub(crate) fn place(event: &NewEvent<'_>) -> usize {
        let name = event.event_type.as_bytes();
        let start = (u64::from(event.schema) << 16) ^ (name.len() as u64) << 8;
        let word = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            // Names of one program mostly differ at their end, or else at their beginning.
            (Some(first), Some(last)) => {
                u64::from_le_bytes(*last) ^ u64::from_le_bytes(*first).rotate_left(23)
            }
            _ => name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        // Of a product only the highest bits depend on all of its factors.
        let word = word ^ start ^ event.encoding as u64;
        let hash = (word ^ word >> 32).wrapping_mul(FACTOR);
        (hash >> (u64::BITS - PLACES.ilog2())) as usize
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> usize {
        usize::from(self.0[place])
    }

    pub(crate) fn set(&mut self, place: usize, event_type: usize) {
        self.0[place] = event_type as u16;
    }
}
