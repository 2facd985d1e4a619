//! Where a copy of a store is made: a place that is empty, or holds what an unfinished copy left.
//!
//! It has a manifest by another name from the beginning, and gets its name last: the copy is a
//! store only once it is whole. Until then that says whose unfinished copy it is, so that it can be
//! begun again.

use eventcask_log::{
    Error as LogError, ErrorKind as LogErrorKind, FileStorage, Lock, Manifest, Storage,
};

use crate::store::side_files::{self, SIDE_FILES};

/// Says whether an unfinished copy is of the same store.
pub(super) type IsOurs<'o> = &'o dyn Fn(&Manifest) -> bool;

/// A copy within the store would be part of what is copied.
pub(super) fn refuse_within(to: &dyn Storage, from: &dyn Storage) -> Result<(), LogError> {
    let (Some(to), Some(store)) = (to.directory(), from.directory()) else {
        return Ok(());
    };
    let to = FileStorage::new(to);
    let here = to.describe("");
    let is_within = to.is_within(store);
    if !is_within.map_err(|error| LogError::io("look at", &here, error))? {
        return Ok(());
    }
    let message = format!(
        "{here} lies in the store that is to be copied, {}; a copy goes to a directory of its own",
        store.display()
    );
    Err(LogError::new(LogErrorKind::Setting, message))
}

/// Makes and takes the directory. It must be empty, or hold what an unfinished copy of the same
/// store left, which goes.
pub(super) fn prepare(
    to: &dyn Storage,
    manifest: &Manifest,
    is_ours: IsOurs<'_>,
) -> Result<Box<dyn Lock>, LogError> {
    let here = to.describe("");
    let failed = |error| LogError::io("make", &here, error);
    check(to, is_ours)?;
    to.create_dir("").map_err(failed)?;
    let lock = to.lock().map_err(failed)?;
    let taken = || LogError::new(LogErrorKind::Locked, format!("{here} is in use"));
    let lock = lock.ok_or_else(taken)?;
    // Somebody else may have finished it before it was ours.
    check(to, is_ours)?;
    manifest.begin(to)?;
    remove_all(to)?;
    Ok(lock)
}

/// Removes what a copy holds; what says whose it is stays.
pub(super) fn remove_all(to: &dyn Storage) -> Result<(), LogError> {
    for side in SIDE_FILES.iter().filter(|side| side.name != "LOCK") {
        side.remove(to)?;
    }
    let names = side_files::list(to, "")?;
    let is_begun = |name: &&String| name.ends_with(".new") && side_files::is_data(name);
    for name in names.iter().filter(is_begun) {
        let removed = to.remove(name);
        removed.map_err(|error| LogError::io("remove", &to.describe(name), error))?;
    }
    if names.iter().any(|name| name == "shards") {
        let removed = to.remove_dir("shards");
        let shown = to.describe("shards");
        removed.map_err(|error| LogError::io("remove", &shown, error))?;
    }
    Ok(())
}

/// Refuses a directory that holds anything but what an unfinished copy of this store left.
fn check(to: &dyn Storage, is_ours: IsOurs<'_>) -> Result<(), LogError> {
    let unfinished = Manifest::unfinished(to)?;
    let names = side_files::list(to, "")?;
    let may_go = |name: &String| match &unfinished {
        Some(unfinished) => is_ours(unfinished) && side_files::is_ours(name),
        // It ended before it had said whose it is.
        None => name == "LOCK" || (Manifest::is_name(name) && name.ends_with(".new")),
    };
    if !Manifest::exists(to)? && names.iter().all(may_go) {
        return Ok(());
    }
    let here = to.describe("");
    let message = format!("{here} is not empty; a copy goes to a directory of its own");
    Err(LogError::new(LogErrorKind::Setting, message))
}

pub(super) fn make_dirs(to: &dyn Storage, kind: &str, dir: &str) -> Result<(), LogError> {
    for dir in [kind, dir] {
        let made = to.create_dir(dir);
        made.map_err(|error| LogError::io("make", &to.describe(dir), error))?;
    }
    sync_dir(to, kind)?;
    sync_dir(to, "")
}

pub(super) fn sync_dir(to: &dyn Storage, dir: &str) -> Result<(), LogError> {
    let synced = to.sync_dir(dir);
    synced.map_err(|error| LogError::io("sync", &to.describe(dir), error))
}
