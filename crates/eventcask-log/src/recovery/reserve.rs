//! Room that is kept for a full disk.
//!
//! A recovery copies a torn end before it cuts it off, and a disk without a free byte has no
//! room for the copy. So each store keeps a file that is given up then, and made again when
//! there is room.

use crate::Tail;
use crate::disk::storage::{Open, Storage};
use crate::segment::dir::ShardDir;
use crate::{Error, ErrorKind, Problem};

const NAME: &str = "RESERVE";
/// Bytes that are kept: a process that ends leaves at most one block unfinished, and those of
/// batches stay below this. A larger one asks for room.
const RESERVE_BYTES: u64 = 1 << 20;

/// Sees to it that a store has its reserve, if there is room for it.
pub fn keep_reserve(storage: &dyn Storage) {
    let len = storage.open(NAME, Open::Read).and_then(|file| file.len());
    if len.is_ok_and(|len| len == RESERVE_BYTES) {
        return;
    }
    // It is not needed now: whatever keeps it from being made is no reason to fail.
    let made = storage.open(NAME, Open::Create);
    if made.and_then(|file| file.allocate(RESERVE_BYTES)).is_err() {
        let _ = storage.remove(NAME);
    }
}

impl ShardDir {
    /// Cuts a torn end off; on a full disk the reserve makes room for what is kept of it.
    pub(crate) fn cut_with_room(&self, tail: &Tail, reason: &str) -> Result<Problem, Error> {
        match self.cut(tail, reason) {
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                let had_spare = self.give_spare_back();
                let had_reserve = self.storage.remove(NAME).is_ok();
                // Where both are gone already there is nothing more to give.
                if had_spare || had_reserve {
                    self.cut(tail, reason)
                } else {
                    Err(error)
                }
            }
            other => other,
        }
    }
}
