//! Makes the files of a new store, and says why a directory can not be opened.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use eventcask_log::{
    Error as LogError, ErrorKind as LogErrorKind, Lock, Manifest, ShardDir, Storage,
};

use crate::clock::now_nanos;
use crate::store::side_files;
use crate::{Error, Options};

/// Locks a store for writing, and makes it if there is none.
pub(crate) fn lock(options: &Options, storage: &Arc<dyn Storage>) -> Result<Box<dyn Lock>, Error> {
    let is_new = !Manifest::exists(&**storage)?;
    if is_new {
        prepare(options, &**storage)?;
    }
    let lock = storage.lock();
    let lock = lock.map_err(|error| LogError::io("lock", &storage.describe(""), error))?;
    let lock = lock.ok_or_else(|| locked_by_another(&**storage))?;
    // Another process may have made the store before this one got the lock.
    if is_new && !Manifest::exists(&**storage)? {
        create(options, storage)?;
    }
    Ok(lock)
}

/// Makes the directory of a new store, so that it can be locked.
fn prepare(options: &Options, storage: &dyn Storage) -> Result<(), Error> {
    if !options.create {
        Manifest::read(storage)?;
    }
    Manifest::new(0, options.new_shards(), 0)?;
    refuse_foreign_files(storage)?;
    let made = storage.create_dir("");
    Ok(made.map_err(|error| LogError::io("make", &storage.describe(""), error))?)
}

/// Makes the files of a new store; it exists once its manifest does.
fn create(options: &Options, storage: &Arc<dyn Storage>) -> Result<(), Error> {
    let manifest = Manifest::new(random_id(), options.new_shards(), now_nanos())?
        .routed_by(options.route_by.unwrap_or_default());
    for shard in 0..manifest.shards {
        ShardDir::new(Arc::clone(storage), &manifest, shard).create()?;
    }
    Ok(manifest.create(&**storage)?)
}

/// 128 random bits from the seeds that the system gives to hash tables.
pub(crate) fn random_id() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}

/// A store is made in a directory that is empty, or holds the beginnings of one.
fn refuse_foreign_files(storage: &dyn Storage) -> Result<(), LogError> {
    if Manifest::unfinished(storage)?.is_some() {
        // It says what the directory is.
        return Manifest::read(storage).map(drop);
    }
    let here = storage.describe("");
    let refused = |reason: &str| {
        let message = format!("{here} {reason}");
        Err(LogError::new(LogErrorKind::NotAStore, message))
    };
    let names = side_files::list(storage, "")?;
    if let Some(name) = names.iter().find(|name| !side_files::is_ours(name)) {
        return refused(&format!(
            "is not an event store and not empty: it holds {name:?}; choose another directory"
        ));
    }
    if names.iter().any(|name| side_files::is_data(name)) || has_segments(storage)? {
        return refused(
            "holds the files of an event store that has lost its MANIFEST: bring that back, or make the copy once more",
        );
    }
    Ok(())
}

/// Whether a shard has anything in its log.
fn has_segments(storage: &dyn Storage) -> Result<bool, LogError> {
    for shard in side_files::list(storage, "shards")? {
        let names = side_files::list(storage, &format!("shards/{shard}"))?;
        if names.iter().any(|name| name.ends_with(".segment")) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn locked_by_another(storage: &dyn Storage) -> LogError {
    let here = storage.describe("");
    let mut pid = [0; 20];
    let read = storage
        .open("LOCK", eventcask_log::Open::Read)
        .and_then(|file| file.read_at(&mut pid, 0));
    let pid = read
        .ok()
        .and_then(|bytes| str::from_utf8(&pid[..bytes]).ok().map(str::trim));
    let holder = pid
        .filter(|pid| !pid.is_empty())
        .map_or(String::new(), |pid| format!(" (process {pid})"));
    LogError::new(
        LogErrorKind::Locked,
        format!(
            "{here} is being written to by another process{holder}; wait for it to end, or open the store for reading only"
        ),
    )
}

pub(crate) fn check_writable(
    options: &Options,
    manifest: &Manifest,
    storage: &dyn Storage,
) -> Result<(), LogError> {
    let here = storage.describe("");
    if !manifest.writable {
        let message = format!(
            "{here} uses features that this program can only read; use a newer eventcask to write"
        );
        return Err(LogError::new(LogErrorKind::NewerFormat, message));
    }
    let refused = |message| Err(LogError::new(LogErrorKind::Setting, message));
    if let Some(shards) = options.shards.filter(|shards| *shards != manifest.shards) {
        // A number that no store can have is said to be that, not merely another one.
        Manifest::new(0, shards, 0)?;
        return refused(format!(
            "{here} has {} shards, which is fixed, and {shards} were asked for; leave the number out",
            manifest.shards
        ));
    }
    let there = manifest.route_by;
    if let Some(by) = options.route_by.filter(|by| *by != there) {
        return refused(format!(
            "{here} is routed by {there}, which is fixed, and routing by {by} was asked for; leave it out"
        ));
    }
    Ok(())
}
