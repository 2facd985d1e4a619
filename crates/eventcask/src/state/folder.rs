//! Where the states of views and projections are kept: a directory with a number, in it the
//! definition and a snapshot a shard. Each exists by its definition, and a snapshot belongs to the
//! definition whose checksum it names, and to what had been given up when its events were applied:
//! after that a state from the log is another one.

use std::sync::Arc;

use eventcask_log::{Error as LogError, ErrorKind as LogErrorKind, Framed, FramedKind, Storage};
use eventcask_shard::ShardReader;

pub(crate) const DEFINITION: &str = "definition";

/// Where those of one kind are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) name: &'static str,
    pub(crate) definition: FramedKind,
    pub(crate) state: FramedKind,
}

pub(crate) const VIEWS: Folder = Folder {
    name: "views",
    definition: FramedKind::ViewDefinition,
    state: FramedKind::ViewState,
};

pub(crate) const PROJECTIONS: Folder = Folder {
    name: "projections",
    definition: FramedKind::ProjectionDefinition,
    state: FramedKind::ProjectionState,
};

pub(crate) const FOLDERS: [Folder; 2] = [VIEWS, PROJECTIONS];

pub(crate) fn snapshot_name(shard: u32) -> String {
    format!("{shard:04}.snapshot")
}

fn list(storage: &dyn Storage, dir: &str) -> Result<Vec<String>, LogError> {
    let names = storage.list(dir);
    names.map_err(|error| LogError::io("list", &storage.describe(dir), error))
}

impl Folder {
    pub(crate) fn dir_of(&self, number: u32) -> String {
        format!("{}/{number:04}", self.name)
    }

    /// The numbers of the directories that are there, rising.
    pub(crate) fn numbers(&self, storage: &dyn Storage) -> Result<Vec<u32>, LogError> {
        let ours = |name: &String| {
            let number: u32 = name.parse().ok()?;
            (format!("{number:04}") == *name).then_some(number)
        };
        let names = list(storage, self.name)?;
        let mut numbers: Vec<u32> = names.iter().filter_map(ours).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A number that none has yet.
    pub(crate) fn next_number(&self, storage: &dyn Storage) -> Result<u32, LogError> {
        Ok(self.numbers(storage)?.last().map_or(1, |last| last + 1))
    }

    /// What the definition with a number says; none where its making or removing was cut short.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub(crate) fn definition(
        &self,
        storage: &dyn Storage,
        store: u128,
        number: u32,
    ) -> Result<Option<String>, LogError> {
        let dir = self.dir_of(number);
        if !list(storage, &dir)?.iter().any(|name| name == DEFINITION) {
            return Ok(None);
        }
        let framed = Framed::read(storage, &format!("{dir}/{DEFINITION}"))?;
        if (framed.store, framed.kind) != (store, self.definition) {
            return Err(self.damaged(storage, number, "it belongs to another store or place"));
        }
        let text = String::from_utf8(framed.body);
        let text = text.map_err(|_| self.damaged(storage, number, "it is not text"))?;
        Ok(Some(text))
    }

    /// What is wrong with the body of a definition.
    pub(crate) fn damaged(&self, storage: &dyn Storage, number: u32, reason: &str) -> LogError {
        let path = format!("{}/{DEFINITION}", self.dir_of(number));
        LogError::damaged(
            &storage.describe(&path),
            Framed::HEADER_BYTES as u64,
            reason,
        )
    }
}

/// Removes snapshots that hold more than the log does, before the log grows: where a level weaker
/// than `sync` lost the end of a log, other events will take those positions.
///
/// # Errors
/// What the disk said.
pub(crate) fn forget_what_is_ahead(
    storage: &dyn Storage,
    readers: &[Arc<ShardReader>],
) -> Result<(), LogError> {
    let is_ahead = |dir: &str, name: &str| {
        let is_of = |reader: &&Arc<ShardReader>| snapshot_name(reader.shard()) == name;
        let reader = readers.iter().find(is_of);
        reader.is_some_and(|reader| may_be_ahead(storage, &format!("{dir}/{name}"), reader))
    };
    remove_where(storage, &is_ahead).map(drop)
}

fn may_be_ahead(storage: &dyn Storage, path: &str, reader: &ShardReader) -> bool {
    match Framed::read_head(storage, path) {
        Ok(framed) => framed.progress > reader.published().watermark,
        // What is damaged is never taken up; what can not be read now may be whole.
        Err(error) => error.kind() == LogErrorKind::Io,
    }
}

/// Removes snapshots that would not be taken up, since more was given up than when they were begun;
/// says how many.
///
/// # Errors
/// What the disk said.
pub(crate) fn forget_what_was_given_up(
    storage: &dyn Storage,
    readers: &[Arc<ShardReader>],
) -> Result<u64, LogError> {
    let is_without = |dir: &str, name: &str| {
        let head = Framed::read_head(storage, &format!("{dir}/{name}")).ok()?;
        let definition = Framed::read(storage, &format!("{dir}/{DEFINITION}")).ok()?;
        let reader = readers.get(head.shard as usize)?;
        let mark = reader.published().retired.mark();
        Some(head.definition == Framed::checksum(&definition.body).wrapping_add(mark))
    };
    // One that is being written, or was when its process ended, has another end of its name.
    remove_where(storage, &|dir, name| {
        name.contains(".snapshot")
            && !(name.ends_with(".snapshot") && is_without(dir, name) == Some(true))
    })
}

/// Removes files of all views and projections; says how many.
fn remove_where(
    storage: &dyn Storage,
    is_wanted: &dyn Fn(&str, &str) -> bool,
) -> Result<u64, LogError> {
    let mut removed = 0;
    for folder in FOLDERS {
        for number in folder.numbers(storage)? {
            let dir = folder.dir_of(number);
            let failed = |error| LogError::io("clear", &storage.describe(&dir), error);
            for name in list(storage, &dir)? {
                if is_wanted(&dir, &name) {
                    remove(storage, &format!("{dir}/{name}")).map_err(failed)?;
                    removed += 1;
                }
            }
            // One that is gone already may have been removed by somebody who ended before this.
            storage.sync_dir(&dir).map_err(failed)?;
        }
    }
    Ok(removed)
}

/// Removes a file, unless who wrote it was quicker to rename it.
pub(crate) fn remove(storage: &dyn Storage, path: &str) -> std::io::Result<()> {
    match storage.remove(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a snapshot is the state of this shard, by this definition, and not ahead of the log.
pub(crate) fn fits(
    framed: &Framed,
    store: u128,
    kind: FramedKind,
    definition: u32,
    reader: &ShardReader,
) -> bool {
    let belongs = (framed.store, framed.kind, framed.shard, framed.definition);
    belongs == (store, kind, reader.shard(), definition)
        && framed.progress <= reader.published().watermark
}
