//! Memory that blocks are read into, used again for other blocks.
//!
//! New memory has its pages cleared by the kernel when they are first touched: for a scan that is as
//! dear as reading the block. So a room that is not needed any more is kept for whoever needs one.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rkyv::util::AlignedVec;

/// Rooms that the process keeps: a scan has some blocks in hand, and reads some ahead.
const KEPT_ROOMS: usize = 16;
/// The largest that is kept: blocks of batches are well below.
const KEPT_BYTES: usize = 1 << 20;
/// Where what is added begins: at a multiple of this.
const ALIGN: usize = 16;

/// The newest one is last: it is in a near cache still.
static SPARE: Mutex<Vec<AlignedVec<ALIGN>>> = Mutex::new(Vec::new());

/// Bytes that grow at the end, on memory that was used before.
#[derive(Default)]
pub(crate) struct Room {
    /// All memory that was ever written to: what is behind `used` means nothing.
    memory: AlignedVec<ALIGN>,
    used: usize,
}

impl Room {
    /// An empty one.
    pub(crate) fn take() -> Self {
        let memory = spare().pop().unwrap_or_default();
        Self { memory, used: 0 }
    }

    /// Makes it longer by so many bytes, which begin at a multiple of 16; gives those before, and
    /// the new ones, in which anything may stand.
    pub(crate) fn grow(&mut self, bytes: usize) -> (&[u8], &mut [u8]) {
        let start = self.used.next_multiple_of(ALIGN);
        let end = start + bytes;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        let (before, new) = self.memory.split_at_mut(start);
        let before = &before[..self.used];
        self.used = end;
        (before, &mut new[..bytes])
    }

    /// Gives up what is behind so many bytes.
    pub(crate) fn truncate(&mut self, bytes: usize) {
        self.used = self.used.min(bytes);
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[..self.used]
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if memory.is_empty() || memory.capacity() > KEPT_BYTES {
            return;
        }
        let mut spare = spare();
        if spare.len() < KEPT_ROOMS {
            spare.push(memory);
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} bytes)", self.used)
    }
}

/// A thread that panicked while it held the lock left rooms that are whole.
fn spare() -> MutexGuard<'static, Vec<AlignedVec<ALIGN>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}
