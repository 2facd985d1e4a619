//! Where the event type of a new row likely is among those of its batch.

use crate::NewEvent;

/// Far more places than a batch usually has types: with 12 types there are two in one place once in
/// two batches, and these are searched for.
const PLACES: usize = 128;
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
        let (words, tail) = name.as_chunks::<8>();
        let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let hash = words.fold(start ^ event.encoding as u64, mix);
        let tail = tail.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        (mix(hash, tail) >> 32) as usize % PLACES
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> usize {
        usize::from(self.0[place])
    }

    pub(crate) fn set(&mut self, place: usize, event_type: usize) {
        self.0[place] = event_type as u16;
    }
}
