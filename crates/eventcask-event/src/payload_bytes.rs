//! The payloads of one event type in memory.

use std::num::NonZeroU64;
use std::ops::Deref;

use rkyv::util::AlignedVec;

/// Payloads of types with a shape start at multiples of this, in memory and in the file.
pub const PAYLOAD_ALIGN: usize = 16;

/// The payloads of one event type, in the order of their rows.
///
/// They lie end to end. Those of a type with a shape are read where they lie, so each starts at a
/// multiple of [`PAYLOAD_ALIGN`], in memory too, with zeros behind it up to the next one. Where all are empty there is no memory.
///
/// ```
/// use std::num::NonZeroU64;
/// use eventcask_event::{PAYLOAD_ALIGN, PayloadBytes};
/// let mut payloads = PayloadBytes::default();
/// payloads.push(b"one", NonZeroU64::new(7));
/// payloads.push(b"two", NonZeroU64::new(7));
/// assert_eq!(&payloads[PAYLOAD_ALIGN..][..3], b"two");
/// assert!(payloads[PAYLOAD_ALIGN..].as_ptr().addr().is_multiple_of(PAYLOAD_ALIGN));
/// ```
#[derive(Debug, Clone, Default)]
pub struct PayloadBytes(AlignedVec<PAYLOAD_ALIGN>);

impl PayloadBytes {
    /// Adds a payload of a type with this shape, or of one without.
    #[inline]
    pub fn push(&mut self, payload: &[u8], shape: Option<NonZeroU64>) {
        self.0.extend_from_slice(payload);
        if shape.is_some() {
            self.0
                .resize(self.0.len().next_multiple_of(PAYLOAD_ALIGN), 0);
        }
    }

    /// Adds bytes that are payloads already, such as those of a chunk.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Adds so many zeros, and lends them to be written over.
    pub fn extend_zeros(&mut self, bytes: usize) -> &mut [u8] {
        self.reserve(bytes);
        let start = self.0.len();
        self.0.resize(start + bytes, 0);
        &mut self.0[start..]
    }

    /// Most types of a block have one chunk, and then nothing is taken that is not needed.
    fn reserve(&mut self, bytes: usize) {
        if self.0.is_empty() {
            self.0.reserve_exact(bytes);
        }
    }

    /// Removes all payloads and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Deref for PayloadBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for PayloadBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let mut payloads = Self::default();
        payloads.extend_from_slice(&bytes);
        payloads
    }
}

/// What is added to the end of a payload before it is rounded down to where the next one starts.
#[must_use]
#[inline]
pub fn payload_fill(shape: Option<NonZeroU64>) -> u32 {
    match shape {
        Some(_) => PAYLOAD_ALIGN as u32 - 1,
        None => 0,
    }
}

/// Where the next payload starts behind one that starts and has a length as said, among those of a
/// type with this [fill](payload_fill); `None` beyond 4 GiB.
#[must_use]
#[inline]
pub fn payload_end(start: u32, length: u32, fill: u32) -> Option<u32> {
    let end = u64::from(start) + u64::from(length) + u64::from(fill);
    u32::try_from(end & !u64::from(fill)).ok()
}
