//! Mends a damaged store: keeps all that is whole, moves what is not aside, and says what was
//! given up.

use std::path::Path;
use std::sync::Arc;

use eventcask_log::{
    Error as LogError, ErrorKind as LogErrorKind, FileStorage, Framed, Inspection, Manifest,
    RepairedSegment, ShardDir, Storage, inspect,
};

use crate::upkeep::verify::verify;
use crate::{Error, VerifyReport};

/// What a repair did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Segments that were damaged or missing.
    pub segments: Vec<RepairedSegment>,
    /// Other files that were damaged, and what became of each.
    pub files: Vec<String>,
    /// What [`verify`](crate::verify()) says of the store now.
    pub verified: VerifyReport,
}

impl RepairReport {
    /// Events that were given up.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.segments.iter().map(|segment| segment.lost).sum()
    }
}

/// Mends the store in a directory after [`verify`](crate::verify()) said no. A store that is
/// whole is left alone.
///
/// Damaged segments are copied aside and written anew with all events that are whole; the
/// positions of the others stay empty, and the versions of their aggregates go on as they
/// were. A damaged snapshot is made again, a damaged definition takes its view with it.
///
/// # Errors
/// [`crate::ErrorKind::NotAStore`], [`crate::ErrorKind::NewerFormat`],
/// [`crate::ErrorKind::Locked`] while the store is open for writing, or what the disk said; what
/// was mended by then stays mended.
pub fn repair(directory: impl AsRef<Path>) -> Result<RepairReport, Error> {
    let storage = FileStorage::new(directory.as_ref());
    let here = storage.describe("");
    let mut files = Vec::new();
    let missing = !storage.root().is_dir();
    let lock = match missing {
        true => None,
        false => storage.lock().map_err(|e| LogError::io("lock", &here, e))?,
    };
    if lock.is_none() && !missing {
        let message = format!("{here} is open for writing; close it before it is repaired");
        return Err(LogError::new(LogErrorKind::Locked, message).into());
    }
    let manifest = match Manifest::read(&storage) {
        Err(error) if error.kind() == LogErrorKind::Damaged => {
            restore_manifest(&storage, &mut files)?
        }
        other => other?,
    };
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let mut segments = Vec::new();
    for shard in 0..manifest.shards {
        let dir = ShardDir::new(Arc::clone(&shared), &manifest, shard);
        dir.create()?;
        segments.extend(dir.repair()?);
    }
    mend_framed(&storage, &mut files)?;
    drop(lock);
    let verified = verify(directory)?;
    Ok(RepairReport {
        segments,
        files,
        verified,
    })
}

/// Makes the manifest again from what the segments say of their store.
fn restore_manifest(storage: &FileStorage, files: &mut Vec<String>) -> Result<Manifest, Error> {
    let shown = storage.describe("MANIFEST");
    let shards = list(storage, "shards")?;
    let mut store = None;
    for shard in &shards {
        for name in list(storage, &format!("shards/{shard}"))? {
            let path = storage.root().join("shards").join(shard).join(&name);
            if let (None, Ok(Inspection::Segment(segment))) = (store, inspect(&path)) {
                store = Some(segment.store);
            }
        }
    }
    let Some(store) = store else {
        let message = format!("{shown} is damaged, and no segment tells what it said");
        return Err(LogError::new(LogErrorKind::Damaged, message).into());
    };
    move_aside(storage, "MANIFEST", files)?;
    let manifest = Manifest::new(store, shards.len() as u32, crate::clock::now_nanos())?;
    manifest.create(storage)?;
    files.push(format!(
        "{shown} was made again from the segments; the time of creation is now"
    ));
    Ok(manifest)
}

/// Moves small files aside that can not be read.
fn mend_framed(storage: &FileStorage, files: &mut Vec<String>) -> Result<(), Error> {
    let mut paths = Vec::new();
    let mut dirs = Vec::new();
    for kind in ["views", "projections"] {
        let numbers = list(storage, kind)?.into_iter();
        dirs.extend(numbers.map(|number| format!("{kind}/{number}")));
    }
    for dir in dirs {
        let names = list(storage, &dir)?;
        let ours = |name: &&String| *name == "definition" || name.ends_with(".snapshot");
        paths.extend(
            names
                .iter()
                .filter(ours)
                .map(|name| format!("{dir}/{name}")),
        );
    }
    if list(storage, "")?.iter().any(|name| name == "RETENTION") {
        paths.push("RETENTION".to_owned());
    }
    for path in paths {
        match Framed::read(storage, &path) {
            Err(error) if error.kind() == LogErrorKind::Damaged => {
                move_aside(storage, &path, files)?;
            }
            other => drop(other?),
        }
    }
    Ok(())
}

fn move_aside(storage: &FileStorage, path: &str, files: &mut Vec<String>) -> Result<(), LogError> {
    let shown = storage.describe(path);
    let aside = format!("{path}.damaged");
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let moved = storage.rename(path, &aside);
    let moved = moved.and_then(|()| storage.sync_dir(dir));
    moved.map_err(|error| LogError::io("move aside", &shown, error))?;
    files.push(format!(
        "{shown} was damaged and moved to {}",
        storage.describe(&aside)
    ));
    Ok(())
}

fn list(storage: &FileStorage, dir: &str) -> Result<Vec<String>, LogError> {
    let names = storage.list(dir);
    names.map_err(|error| LogError::io("list", &storage.describe(dir), error))
}
