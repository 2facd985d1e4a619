//! Room that is kept for a full disk.
//!
//! A recovery copies a torn end before it cuts it off, and writes again what may not be durable. A
//! disk without a free byte has no room for that, so each store keeps a file that is given up then,
//! and made again when there is room.

use crate::disk::storage::{Open, Storage};
use crate::segment::dir::ShardDir;
use crate::{Error, ErrorKind};

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

/// Does something that takes little room, on a full disk with that of the reserve.
///
/// # Errors
/// What `work` said the last time.
pub fn with_reserve<T>(
    storage: &dyn Storage,
    work: impl Fn() -> Result<T, Error>,
) -> Result<T, Error> {
    match work() {
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            // Where it is gone another shard may have given it up just now.
            let _ = storage.remove(NAME);
            work()
        }
        other => other,
    }
}

impl ShardDir {
    /// Mends an end; on a full disk the spare and the reserve make room for that.
    pub(crate) fn with_room<T>(&self, mend: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        match mend() {
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                self.give_spare_back();
                with_reserve(&*self.storage, mend)
            }
            other => other,
        }
    }
}
