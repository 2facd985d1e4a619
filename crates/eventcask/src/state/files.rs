//! The files of one view or projection.

use std::sync::{Arc, Mutex};

use eventcask_log::{Error as LogError, Framed, Storage};
use eventcask_shard::ShardReader;

use super::folder::{DEFINITION, Folder, PROJECTIONS, fits, remove, snapshot_name};
use super::found::list_projections;
use crate::sync::locked;

/// The files of one view or projection.
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    store: u128,
    folder: Folder,
    number: u32,
    /// What it is, and the checksum of that.
    text: String,
    definition: u32,
    /// Held while snapshots are written; false once the store is not ours to write to any more.
    writing: Mutex<bool>,
}

/// Holds the files for writing.
pub(crate) struct Writing<'a> {
    files: &'a Files,
    _held: std::sync::MutexGuard<'a, bool>,
}

/// A state as it is kept.
pub(crate) struct Kept {
    pub(crate) progress: u64,
    /// The mark of what had been given up when it was begun.
    pub(crate) given_up: u32,
    pub(crate) body: Vec<u8>,
}

impl Files {
    /// The files with this number, of what this text says.
    pub(crate) fn of(
        storage: &Arc<dyn Storage>,
        store: u128,
        folder: Folder,
        number: u32,
        text: String,
        may_write: bool,
    ) -> Self {
        Self {
            storage: Arc::clone(storage),
            store,
            folder,
            number,
            definition: Framed::checksum(text.as_bytes()),
            text,
            writing: Mutex::new(may_write),
        }
    }

    /// Files with a new number, in a directory that is there.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn make(
        storage: &Arc<dyn Storage>,
        store: u128,
        folder: Folder,
        text: String,
    ) -> Result<Self, LogError> {
        let number = folder.next_number(&**storage)?;
        let files = Self::of(storage, store, folder, number, text, true);
        files.make_dir()?;
        Ok(files)
    }

    /// The files of the projection with this name, for states of what this text says. Without a
    /// right to write there may be none.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        store: u128,
        name: &str,
        text: String,
        may_write: bool,
    ) -> Result<Option<Self>, LogError> {
        let mut all = list_projections(&**storage, store)?.into_iter();
        let found = all.find(|found| found.name == name);
        let of = |number, text| Self::of(storage, store, PROJECTIONS, number, text, may_write);
        let files = match &found {
            Some(found) => of(found.number, text),
            None if may_write => Self::make(storage, store, PROJECTIONS, text)?,
            None => return Ok(None),
        };
        let is_same = found.is_some_and(|found| found.definition == files.definition);
        if may_write && !is_same {
            files.define()?;
        }
        Ok(Some(files))
    }

    fn dir(&self) -> String {
        self.folder.dir_of(self.number)
    }

    fn make_dir(&self) -> Result<(), LogError> {
        let (storage, dir) = (&*self.storage, self.dir());
        let make = || {
            storage.create_dir(self.folder.name)?;
            storage.create_dir(&dir)?;
            storage.sync_dir(self.folder.name)?;
            storage.sync_dir("")
        };
        make().map_err(|error| LogError::io("make", &storage.describe(&dir), error))
    }

    /// Writes the definition.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn define(&self) -> Result<(), LogError> {
        let framed = Framed {
            store: self.store,
            kind: self.folder.definition,
            shard: 0,
            progress: 0,
            definition: 0,
            body: self.text.clone().into_bytes(),
        };
        framed.write(&*self.storage, &self.dir(), DEFINITION)
    }

    /// Removes all of it: the definition first, since that is what it exists by.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn remove(&self) -> Result<(), LogError> {
        let (storage, dir) = (&*self.storage, self.dir());
        let remove = || {
            storage.remove(&format!("{dir}/{DEFINITION}"))?;
            storage.sync_dir(&dir)?;
            storage.remove_dir(&dir)?;
            storage.sync_dir(self.folder.name)
        };
        remove().map_err(|error| LogError::io("remove", &storage.describe(&dir), error))
    }

    fn snapshot_of(&self, shard: u32) -> String {
        format!("{}/{}", self.dir(), snapshot_name(shard))
    }

    /// What is kept of a shard, where it fits and is not ahead of the log. What can not be read is
    /// made again: the log is the truth.
    pub(crate) fn read(&self, reader: &ShardReader, given_up: u32) -> Option<Kept> {
        let framed = Framed::read(&*self.storage, &self.snapshot_of(reader.shard())).ok()?;
        self.fitting(framed, reader, given_up)
    }

    /// As [`read`](Self::read), with as many bytes at the beginning of the body, which are not
    /// checked.
    pub(crate) fn read_beginning(&self, reader: &ShardReader, bytes: usize) -> Option<Kept> {
        let path = self.snapshot_of(reader.shard());
        let framed = Framed::read_beginning(&*self.storage, &path, bytes).ok()?;
        self.fitting(framed, reader, reader.published().retired.mark())
    }

    fn fitting(&self, framed: Framed, reader: &ShardReader, given_up: u32) -> Option<Kept> {
        let definition = self.definition.wrapping_add(given_up);
        let fits = fits(&framed, self.store, self.folder.state, definition, reader);
        fits.then_some(Kept {
            progress: framed.progress,
            given_up,
            body: framed.body,
        })
    }

    /// Holds the files for writing; none where they may not be written.
    pub(crate) fn writing(&self) -> Option<Writing<'_>> {
        let held = locked(&self.writing);
        held.then_some(()).map(|()| Writing {
            files: self,
            _held: held,
        })
    }

    /// Nothing is written from now on.
    pub(crate) fn close(&self) {
        *locked(&self.writing) = false;
    }
}

impl Writing<'_> {
    /// Keeps a state in the place of the one before.
    ///
    /// # Errors
    /// What the disk said; the one before is whole then.
    pub(crate) fn write(&self, shard: u32, kept: Kept) -> Result<(), LogError> {
        let files = self.files;
        let framed = Framed {
            store: files.store,
            kind: files.folder.state,
            shard,
            progress: kept.progress,
            definition: files.definition.wrapping_add(kept.given_up),
            body: kept.body,
        };
        framed.write(&*files.storage, &files.dir(), &snapshot_name(shard))
    }

    /// Removes what is kept of a shard.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn remove(&self, shard: u32) -> Result<(), LogError> {
        let (storage, dir) = (&*self.files.storage, self.files.dir());
        let failed = |error| LogError::io("clear", &storage.describe(&dir), error);
        remove(storage, &self.files.snapshot_of(shard)).map_err(failed)?;
        storage.sync_dir(&dir).map_err(failed)
    }
}
