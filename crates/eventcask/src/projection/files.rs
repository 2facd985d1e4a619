//! Where the states of a projection are kept: a directory with a number, in it the definition (name,
//! version and event types) and a snapshot a shard. A projection exists by its definition, and a snapshot
//! belongs to the definition whose checksum it names, and to what had been given up when its events were
//! applied: after that a state from the log is another one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use eventcask_log::{Error as LogError, ErrorKind as LogErrorKind, Framed, FramedKind, Storage};
use eventcask_shard::ShardReader;

use crate::Error;
use crate::sync::locked;

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

/// What the states of a projection belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    /// The event types that it is shown; none where it is shown all.
    pub(crate) types: Option<&'static [&'static str]>,
}

impl Identity {
    fn text(&self) -> String {
        let Self { name, version, .. } = self;
        // Names of projections need no escape in JSON.
        let known = format!(r#"{{"projection":"{name}","version":{version}"#);
        match self.types {
            None => known + "}",
            Some(types) => format!(r#"{known},"types":{}}}"#, json_of(types)),
        }
    }
}

/// A list of names as JSON, the same for the same set of names.
fn json_of(names: &[&str]) -> String {
    let names: BTreeSet<&str> = names.iter().copied().collect();
    serde_json::to_string(&names).expect("texts are JSON")
}

/// Name and version of the projection with this definition.
fn parse(definition: &[u8]) -> Option<(&str, u32)> {
    let text = str::from_utf8(definition).ok()?;
    let (name, rest) = text.strip_prefix(r#"{"projection":""#)?.split_once('"')?;
    let rest = rest.strip_prefix(r#","version":"#)?.strip_suffix('}')?;
    // The event types follow, where some are declared.
    let version = rest.split(',').next()?;
    Some((name, version.parse().ok()?))
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
    match Framed::read_head(storage, path) {
        Ok(framed) => framed.progress > reader.published().watermark,
        // What is damaged is never taken up; what can not be read now may be whole.
        Err(error) => error.kind() == LogErrorKind::Io,
    }
}

impl Files {
    /// The files of the projection with this name, for states of this identity. Without a right to write there may be none.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        store: u128,
        identity: Identity,
        may_write: bool,
    ) -> Result<Option<Self>, Error> {
        let text = identity.text();
        let all = list_all(&**storage, store)?;
        let found = all.into_iter().find(|found| found.name == identity.name);
        let number = match &found {
            Some(found) => found.number,
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
        let is_same = found.is_some_and(|found| found.definition == files.definition);
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
    pub(crate) fn read(&self, reader: &ShardReader, given_up: u32) -> Option<(u64, Vec<u8>)> {
        let path = format!("{}/{}", self.dir, snapshot_name(reader.shard()));
        let framed = Framed::read(&*self.storage, &path).ok()?;
        let definition = self.definition.wrapping_add(given_up);
        let fits = fits(&framed, self.store, definition, reader);
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

/// A projection of which something is kept.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) version: u32,
    number: u32,
    store: u128,
    definition: u32,
}

/// All projections of which something is kept.
///
/// # Errors
/// What the disk said.
pub(crate) fn list_all(storage: &dyn Storage, store: u128) -> Result<Vec<Found>, LogError> {
    let mut all = Vec::new();
    for number in numbers(storage)? {
        let dir = dir_of(number);
        if !list(storage, &dir)?.iter().any(|name| name == DEFINITION) {
            continue;
        }
        match Framed::read(storage, &format!("{dir}/{DEFINITION}")) {
            Ok(framed) => all.extend(Found::in_definition(&framed, number, store)),
            // It may be the one that is looked for.
            Err(error) if error.kind() == LogErrorKind::Io => return Err(error),
            // One that is damaged means nothing: its projection is made again with another number.
            Err(_) => {}
        }
    }
    Ok(all)
}

impl Found {
    fn in_definition(framed: &Framed, number: u32, store: u128) -> Option<Self> {
        let is_definition = framed.kind == FramedKind::Projection;
        let (name, version) = parse(&framed.body).filter(|_| is_definition)?;
        Some(Self {
            name: name.to_owned(),
            version,
            number,
            store,
            definition: Framed::checksum(&framed.body),
        })
    }

    /// Position after the last event in the snapshot of a shard, if there is one that fits.
    pub(crate) fn position(&self, storage: &dyn Storage, reader: &ShardReader) -> Option<u64> {
        let path = format!("{}/{}", dir_of(self.number), snapshot_name(reader.shard()));
        let head = Framed::read_head(storage, &path).ok()?;
        let definition = reader
            .published()
            .hidden
            .mark()
            .wrapping_add(self.definition);
        fits(&head, self.store, definition, reader).then_some(head.progress)
    }
}

/// Whether a snapshot is the state of this shard, by this definition, and not ahead of the log.
fn fits(framed: &Framed, store: u128, definition: u32, reader: &ShardReader) -> bool {
    let belongs = (framed.store, framed.kind, framed.shard, framed.definition);
    let shard = reader.shard();
    belongs == (store, FramedKind::Projected, shard, definition)
        && framed.progress <= reader.published().watermark
}

impl Writing<'_> {
    /// Keeps a state in the place of the one before.
    ///
    /// # Errors
    /// What the disk said; the one before is whole then.
    pub(crate) fn write(
        &self,
        shard: u32,
        progress: u64,
        given_up: u32,
        body: Vec<u8>,
    ) -> Result<(), LogError> {
        let files = self.files;
        let framed = Framed {
            store: files.store,
            kind: FramedKind::Projected,
            shard,
            progress,
            definition: files.definition.wrapping_add(given_up),
            body,
        };
        framed.write(&*files.storage, &files.dir, &snapshot_name(shard))
    }

    /// Removes what is kept of a shard.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn remove(&self, shard: u32) -> Result<(), LogError> {
        let (storage, dir) = (&*self.files.storage, &self.files.dir);
        let failed = |error| LogError::io("clear", &storage.describe(dir), error);
        let name = snapshot_name(shard);
        if list(storage, dir)?.contains(&name) {
            let removed = storage.remove(&format!("{dir}/{name}"));
            removed.map_err(failed)?;
        }
        storage.sync_dir(dir).map_err(failed)
    }
}
