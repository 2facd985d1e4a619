//! Where the states of a projection are kept: a directory with a number, in it the definition (name and
//! version) and a snapshot a shard. A projection exists by its definition, and a snapshot belongs to the
//! definition whose checksum it names.

use std::sync::{Arc, Mutex};

use eventcask_log::{Error as LogError, ErrorKind as LogErrorKind, Framed, FramedKind, Storage};
use eventcask_shard::ShardReader;

use crate::Error;
use crate::store::locked;

pub(crate) const DIR: &str = "projections";
const DEFINITION: &str = "definition";

/// The files of one projection.
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    store: u128,
    dir: String,
    definition: u32,
    /// Held while snapshots are written; false once the store is not ours to write to any more.
    writing: Mutex<bool>,
}

/// Holds the files for writing.
pub(crate) struct Writing<'a> {
    files: &'a Files,
    _held: std::sync::MutexGuard<'a, bool>,
}

fn dir_of(number: u32) -> String {
    format!("{DIR}/{number:04}")
}

pub(crate) fn snapshot_name(shard: u32) -> String {
    format!("{shard:04}.snapshot")
}

/// Names of projections need no escape in JSON.
fn definition_text(name: &str, version: u32) -> String {
    format!(r#"{{"projection":"{name}","version":{version}}}"#)
}

fn name_in(definition: &[u8]) -> Option<&str> {
    let text = str::from_utf8(definition).ok()?;
    let (name, _) = text.strip_prefix(r#"{"projection":""#)?.split_once('"')?;
    Some(name)
}

fn list(storage: &dyn Storage, dir: &str) -> Result<Vec<String>, LogError> {
    let names = storage.list(dir);
    names.map_err(|error| LogError::io("list", &storage.describe(dir), error))
}

/// The numbers of the directories that are there, rising.
fn numbers(storage: &dyn Storage) -> Result<Vec<u32>, LogError> {
    let ours = |name: &String| {
        let number: u32 = name.parse().ok()?;
        (dir_of(number) == format!("{DIR}/{name}")).then_some(number)
    };
    let names = list(storage, DIR)?;
    let mut numbers: Vec<u32> = names.iter().filter_map(ours).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes snapshots that hold more than the log does, before the log grows: where a level weaker than
/// `sync` lost the end of a log, other events will take those positions.
///
/// # Errors
/// What the disk said.
pub(crate) fn forget_what_is_ahead(
    storage: &dyn Storage,
    readers: &[Arc<ShardReader>],
) -> Result<(), Error> {
    for number in numbers(storage)? {
        let dir = dir_of(number);
        let failed = |error| LogError::io("clear", &storage.describe(&dir), error);
        let names = list(storage, &dir)?;
        for reader in readers {
            let name = snapshot_name(reader.shard());
            let path = format!("{dir}/{name}");
            if names.contains(&name) && may_be_ahead(storage, &path, reader) {
                storage.remove(&path).map_err(failed)?;
            }
        }
        // One that is gone already may have been removed by an opening that ended before this.
        storage.sync_dir(&dir).map_err(failed)?;
    }
    Ok(())
}

fn may_be_ahead(storage: &dyn Storage, path: &str, reader: &ShardReader) -> bool {
    match Framed::read(storage, path) {
        Ok(framed) => framed.progress > reader.published().watermark,
        // What is damaged is never taken up; what can not be read now may be whole.
        Err(error) => error.kind() == LogErrorKind::Io,
    }
}

impl Files {
    /// The files of the projection with this name. Without a right to write there may be none.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        store: u128,
        (name, version): (&str, u32),
        may_write: bool,
    ) -> Result<Option<Self>, Error> {
        let text = definition_text(name, version);
        let found = find(&**storage, name)?;
        let number = match found {
            Some((number, _)) => number,
            None if !may_write => return Ok(None),
            None => numbers(&**storage)?.last().map_or(1, |last| last + 1),
        };
        let files = Self {
            storage: Arc::clone(storage),
            store,
            dir: dir_of(number),
            definition: Framed::checksum(text.as_bytes()),
            writing: Mutex::new(may_write),
        };
        let is_same = found.is_some_and(|(_, body)| body == text.as_bytes());
        if may_write && !is_same {
            files.define(text)?;
        }
        Ok(Some(files))
    }

    fn define(&self, text: String) -> Result<(), LogError> {
        let storage = &*self.storage;
        let make = || {
            storage.create_dir(DIR)?;
            storage.create_dir(&self.dir)?;
            storage.sync_dir(DIR)?;
            storage.sync_dir("")
        };
        make().map_err(|error| LogError::io("make", &storage.describe(&self.dir), error))?;
        let framed = Framed {
            store: self.store,
            kind: FramedKind::Projection,
            shard: 0,
            progress: 0,
            definition: 0,
            body: text.into_bytes(),
        };
        framed.write(storage, &self.dir, DEFINITION)
    }

    /// Progress and state of a shard, where they were kept, fit, and are not ahead of the log. What can
    /// not be read is made again: the log is the truth.
    pub(crate) fn read(&self, reader: &ShardReader) -> Option<(u64, Vec<u8>)> {
        let path = format!("{}/{}", self.dir, snapshot_name(reader.shard()));
        let framed = Framed::read(&*self.storage, &path).ok()?;
        let fits = (framed.store, framed.kind, framed.shard, framed.definition)
            == (
                self.store,
                FramedKind::Projected,
                reader.shard(),
                self.definition,
            )
            && framed.progress <= reader.published().watermark;
        fits.then_some((framed.progress, framed.body))
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

/// Number and definition of the projection with this name.
fn find(storage: &dyn Storage, name: &str) -> Result<Option<(u32, Vec<u8>)>, LogError> {
    for number in numbers(storage)? {
        let dir = dir_of(number);
        if !list(storage, &dir)?.iter().any(|name| name == DEFINITION) {
            continue;
        }
        match Framed::read(storage, &format!("{dir}/{DEFINITION}")) {
            Ok(framed) => {
                let is_definition = framed.kind == FramedKind::Projection;
                if is_definition && name_in(&framed.body) == Some(name) {
                    return Ok(Some((number, framed.body)));
                }
            }
            // It may be the one.
            Err(error) if error.kind() == LogErrorKind::Io => return Err(error),
            // One that is damaged means nothing: its projection is made again with another number.
            Err(_) => {}
        }
    }
    Ok(None)
}

impl Writing<'_> {
    /// Keeps a state in the place of the one before.
    ///
    /// # Errors
    /// What the disk said; the one before is whole then.
    pub(crate) fn write(&self, shard: u32, progress: u64, body: Vec<u8>) -> Result<(), LogError> {
        let files = self.files;
        let framed = Framed {
            store: files.store,
            kind: FramedKind::Projected,
            shard,
            progress,
            definition: files.definition,
            body,
        };
        framed.write(&*files.storage, &files.dir, &snapshot_name(shard))
    }
}
