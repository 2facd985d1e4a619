//! Where blocks are encoded to.

use std::ops::DerefMut;

use rkyv::util::AlignedVec;

/// Bytes of a page: what writes past the system's cache must be aligned to, in memory and in the
/// file. Disks with larger units refuse them, and are written to in the ordinary way.
pub const PAGE_BYTES: usize = 4096;

/// Bytes between a place in a file and the page before it.
#[must_use]
pub fn in_page(place: u64) -> usize {
    (place % PAGE_BYTES as u64) as usize
}

/// Bytes that begin at a page, so that they can be written past the system's cache.
pub type PageBuffer = AlignedVec<PAGE_BYTES>;

/// Bytes that grow at the end.
pub trait Buffer: DerefMut<Target = [u8]> {
    /// Adds bytes at the end.
    fn extend_from_slice(&mut self, bytes: &[u8]);

    /// Makes it this long, with zeros at the end where it was shorter.
    fn resize(&mut self, len: usize);
}

impl Buffer for Vec<u8> {
    fn extend_from_slice(&mut self, bytes: &[u8]) {
        Self::extend_from_slice(self, bytes);
    }

    fn resize(&mut self, len: usize) {
        Self::resize(self, len, 0);
    }
}

impl Buffer for PageBuffer {
    fn extend_from_slice(&mut self, bytes: &[u8]) {
        Self::extend_from_slice(self, bytes);
    }

    fn resize(&mut self, len: usize) {
        Self::resize(self, len, 0);
    }
}
