//! Room for the next segment, taken ahead of need.
//!
//! Writing into blocks that a file has already is faster, and so is syncing them, than making a
//! file longer. So a busy shard has a *spare*: a file of zeros, written and durable, which
//! becomes the next segment.
//!
//! It is no part of the data: whatever becomes of it, a segment can be made without.

use crate::Error;
use crate::disk::buffer::PageBuffer;
use crate::disk::storage::{Open, StoredFile};
use crate::segment::dir::ShardDir;

const SPARE: &str = "spare";
/// Bytes that are filled between two looks at whether to go on.
const FILL_BYTES: usize = 1 << 20;
/// Bytes that are not synced at most. What waits in the system's cache is written by the next sync
/// of any file, and that one may be a shard's.
pub(crate) const UNSYNCED_BYTES: u64 = 4 << 20;

impl ShardDir {
    pub(crate) fn spare(&self) -> String {
        format!("{}/{SPARE}", self.dir())
    }

    /// Whether a file waits to become the next segment.
    ///
    /// # Errors
    /// What the disk said.
    pub fn has_spare(&self) -> Result<bool, Error> {
        Ok(self.names()?.iter().any(|name| name == SPARE))
    }

    /// Makes a spare of so many bytes; `go_on` is asked now and then. Says whether there is one
    /// now.
    ///
    /// # Errors
    /// What the disk said, such as that there is no room.
    pub fn make_spare(&self, bytes: u64, go_on: &dyn Fn() -> bool) -> Result<bool, Error> {
        let new = format!("{}.new", self.spare());
        let made = self.storage.open(&new, Open::Create);
        let file = made.map_err(|e| Error::io("make", &self.storage.describe(&new), e))?;
        self.fill(&*file, &new, bytes, go_on)
    }

    /// Fills a file with zeros and makes it the spare.
    fn fill(
        &self,
        file: &dyn StoredFile,
        name: &str,
        bytes: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<bool, Error> {
        let filled = self.fill_with_zeros(file, bytes, go_on);
        if !matches!(filled, Ok(true)) {
            // Half a spare is of no use, and may be what keeps the disk full.
            let _ = self.storage.remove(name);
        }
        let shown = self.storage.describe(name);
        if !filled.map_err(|e| Error::io("fill", &shown, e))? {
            return Ok(false);
        }
        let named = self.storage.rename(name, &self.spare());
        let named = named.and_then(|()| self.storage.sync_dir(&self.dir()));
        named.map_err(|e| Error::io("rename", &shown, e))?;
        Ok(true)
    }

    fn fill_with_zeros(
        &self,
        file: &dyn StoredFile,
        bytes: u64,
        go_on: &dyn Fn() -> bool,
    ) -> std::io::Result<bool> {
        let mut zeros = PageBuffer::new();
        zeros.resize(FILL_BYTES.min(bytes as usize), 0);
        let mut place = 0;
        while place < bytes {
            if !go_on() {
                return Ok(false);
            }
            let count = (bytes - place).min(zeros.len() as u64) as usize;
            file.write_parts_at(&[&zeros[..count]], place)?;
            place += count as u64;
            if place.is_multiple_of(UNSYNCED_BYTES) {
                file.sync()?;
            }
        }
        file.set_len(bytes)?;
        file.sync()?;
        Ok(true)
    }

    /// Gives back the room of a spare that is not needed, such as on a full disk or when a store is
    /// closed; says whether there was one. Where it can not be removed it means nothing all the
    /// same.
    pub fn give_spare_back(&self) -> bool {
        self.storage.remove(&self.spare()).is_ok()
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let dir = self.dir();
        let names = self.storage.list(&dir);
        names.map_err(|e| Error::io("list", &self.storage.describe(&dir), e))
    }
}
