//! Room for the next segment, taken ahead of need.
//!
//! Writing into blocks that a file has already is faster, and so is syncing them, than making a
//! file longer. So a busy shard has a *spare*: a file of zeros, written and durable, which
//! becomes the next segment. A segment that was sealed leaves its old file behind, and that is
//! filled with zeros and used again.
//!
//! Neither is part of the data: whatever becomes of them, a segment can be made without.

use crate::Error;
use crate::segment::ShardDir;
use crate::storage::{Open, StoredFile};

const SPARE: &str = "spare";
const RETIRED: &str = ".retired";
/// Bytes that are filled between two looks at whether to go on.
const FILL_BYTES: usize = 1 << 20;

impl ShardDir {
    pub(crate) fn spare(&self) -> String {
        format!("{}/{SPARE}", self.dir())
    }

    fn retired(&self, segment: u64) -> String {
        format!("{}{RETIRED}", self.path(segment))
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

    /// Keeps the file of a segment under another name, for when its sealed form has taken its
    /// place.
    pub(crate) fn keep_retired(&self, segment: u64) {
        // Without it the next spare is a new file.
        let _ = self
            .storage
            .link(&self.path(segment), &self.retired(segment));
    }

    /// Makes a spare of the file that a sealed segment had before, if it was kept. Says whether
    /// there is one now.
    ///
    /// # Errors
    /// What the disk said.
    pub fn recycle(
        &self,
        segment: u64,
        bytes: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<bool, Error> {
        let retired = self.retired(segment);
        let file = match self.storage.open(&retired, Open::Write) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|e| Error::io("open", &self.storage.describe(&retired), e))?,
        };
        // Blocks that a reader may still be at must not become zeros while the name could come
        // back to them: the new name was made durable before this.
        self.fill(&*file, &retired, bytes, go_on)
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
        let zeros = vec![0; FILL_BYTES.min(bytes as usize)];
        let mut place = 0;
        while place < bytes {
            if !go_on() {
                return Ok(false);
            }
            let count = (bytes - place).min(zeros.len() as u64) as usize;
            file.write_all_at(&zeros[..count], place)?;
            place += count as u64;
        }
        file.set_len(bytes)?;
        file.sync()?;
        Ok(true)
    }

    /// Removes what an end of the process left of files that are not part of the data.
    ///
    /// # Errors
    /// What the disk said.
    pub fn remove_leftovers(&self) -> Result<(), Error> {
        let dir = self.dir();
        let left = |name: &&String| name.ends_with(RETIRED) || *name == "spare.new";
        for name in self.names()?.iter().filter(left) {
            let path = format!("{dir}/{name}");
            let removed = self.storage.remove(&path);
            removed.map_err(|e| Error::io("remove", &self.storage.describe(&path), e))?;
        }
        Ok(())
    }

    /// Gives back the room of a spare that is not needed, such as on a full disk; says whether
    /// there was one.
    pub(crate) fn give_spare_back(&self) -> bool {
        self.storage.remove(&self.spare()).is_ok()
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let dir = self.dir();
        let names = self.storage.list(&dir);
        names.map_err(|e| Error::io("list", &self.storage.describe(&dir), e))
    }
}
