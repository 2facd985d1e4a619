//! Mends a damaged store: keeps all that is whole, moves what is not aside, and says what was
//! given up.

use std::path::Path;
use std::sync::Arc;

use eventcask_event::{Events, RouteBy};
use eventcask_log::{
    Block, Ends, Error as LogError, ErrorKind as LogErrorKind, FileStorage, Framed, Inspection,
    LogEnd, Manifest, Open, Payloads, RepairedSegment, SegmentInspection, ShardDir, Storage,
    inspect,
};

use crate::Error;
use crate::store::origin::{self, Origin, ShardOrigin};
use crate::store::seen::known_ends;
use crate::store::side_files::{self, list};
use crate::upkeep::VerifyReport;
use crate::upkeep::verify::verify;

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
/// Where the end of a log is missing, its positions stay empty as well: to repair such a store is
/// to say that the files will not come back.
///
/// Damaged segments are copied aside and written anew with all events that are whole; the positions
/// of the others stay empty, and the versions of their aggregates go on as they were. A damaged
/// snapshot is made again, a damaged definition takes its view with it, and a damaged subscription
/// begins anew.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let bank = directory.path().join("bank");
/// eventcask::open(&bank)?.close()?;
/// let report = eventcask::repair(&bank)?;
/// assert_eq!(report.lost(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`crate::ErrorKind::NotAStore`], [`crate::ErrorKind::NewerFormat`],
/// [`crate::ErrorKind::OlderFormat`], [`crate::ErrorKind::Locked`] while the store is open for
/// writing, or what the disk said; what was mended by then stays mended.
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
    let known = known_ends(&storage, &manifest)?;
    let mut segments = Vec::new();
    for shard in 0..manifest.shards {
        let dir = ShardDir::new(Arc::clone(&shared), &manifest, shard).known_to(known.of(shard));
        dir.create()?;
        let repaired = dir.repair()?;
        let lost = repaired.iter().filter(|segment| segment.lost > 0);
        if let Some(first) = lost.map(|segment| segment.first_position).min() {
            forget_states(&storage, shard, first, &mut files)?;
        }
        segments.extend(repaired);
    }
    mend_side_files(&storage, &mut files)?;
    let ends = find_ends(&shared, &manifest)?;
    mend_origin(&storage, &manifest, &ends, &mut files)?;
    Ends::new(ends).note(&*shared, &manifest)?;
    drop(lock);
    let verified = verify(shared)?;
    Ok(RepairReport {
        segments,
        files,
        verified,
    })
}

/// Removes the snapshots of a shard that hold events from `position` on, some of which are gone:
/// what is derived is what can be derived again.
fn forget_states(
    storage: &FileStorage,
    shard: u32,
    position: u64,
    files: &mut Vec<String>,
) -> Result<(), LogError> {
    let name = format!("/{shard:04}.snapshot");
    for (_, path) in side_files::framed(storage)? {
        let is_ahead = |head: Framed| head.progress > position;
        if path.ends_with(&name) && Framed::read_head(storage, &path).is_ok_and(is_ahead) {
            let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
            let removed = storage.remove(&path).and_then(|()| storage.sync_dir(dir));
            let shown = storage.describe(&path);
            removed.map_err(|error| LogError::io("remove", &shown, error))?;
            files.push(format!(
                "{shown} held events that were given up: it is made again"
            ));
        }
    }
    Ok(())
}

/// Makes the manifest again from what the segments say of their store.
fn restore_manifest(storage: &FileStorage, files: &mut Vec<String>) -> Result<Manifest, Error> {
    let shown = storage.describe("MANIFEST");
    let shards = list(storage, "shards")?;
    let mut store = None;
    let mut fits = Fits::new(shards.len() as u32);
    for shard in &shards {
        for name in list(storage, &format!("shards/{shard}"))? {
            if store.is_some() && fits.is_decided() {
                break;
            }
            let path = format!("shards/{shard}/{name}");
            if let Ok(Inspection::Segment(segment)) = inspect(&storage.root().join(&path)) {
                store = store.or(Some(segment.store));
                fits.look(storage, &path, &segment);
            }
        }
    }
    let Some(store) = store else {
        let message = format!("{shown} is damaged, and no segment tells what it said");
        return Err(LogError::new(LogErrorKind::Damaged, message).into());
    };
    move_aside(storage, "MANIFEST", "the segments tell what it said", files)?;
    let manifest = Manifest::new(store, shards.len() as u32, crate::clock::now_nanos())?;
    let manifest = Manifest {
        origin: Origin::first_store(storage, store).unwrap_or(0),
        ..manifest.routed_by(fits.decided())
    };
    manifest.create(storage)?;
    files.push(format!(
        "{shown} was made again from the segments; the time of creation is now"
    ));
    Ok(manifest)
}

/// The ways of routing by which all keys that were met are where they are.
struct Fits {
    shards: u32,
    left: Vec<RouteBy>,
}

impl Fits {
    fn new(shards: u32) -> Self {
        let left = RouteBy::ALL.to_vec();
        Self { shards, left }
    }

    fn is_decided(&self) -> bool {
        self.left.len() < 2
    }

    /// What is left. Where there is no telling, by whole keys, as most stores are.
    fn decided(&self) -> RouteBy {
        self.left.first().copied().unwrap_or_default()
    }

    /// Looks at the keys of a segment, as far as they can be read.
    fn look(&mut self, storage: &FileStorage, path: &str, segment: &SegmentInspection) {
        let Ok(file) = storage.open(path, Open::Read) else {
            return;
        };
        for head in segment.blocks.iter().filter(|head| head.rows > 0) {
            if self.is_decided() {
                return;
            }
            let mut bytes = vec![0; head.length as usize];
            let whole = bytes.len();
            let read = file.read_at(&mut bytes, head.place);
            if read.is_ok_and(|read| read == whole)
                && let Ok(block) = Block::decode(head.clone(), &bytes, Payloads::Shut)
            {
                self.keep_fitting(&block.events());
            }
        }
    }

    fn keep_fitting(&mut self, events: &Events<'_>) {
        let (shard, shards) = (events.shard(), self.shards);
        for index in 0..events.aggregates() {
            let key = events.key(index);
            self.left.retain(|by| by.shard_of(key, shards) == shard);
        }
    }
}

/// Moves small files aside that can not be read.
fn mend_side_files(storage: &FileStorage, files: &mut Vec<String>) -> Result<(), Error> {
    for (side, path) in side_files::framed(storage)? {
        match Framed::read(storage, &path) {
            Err(error) if error.kind() == LogErrorKind::Damaged => {
                move_aside(storage, &path, side.loss, files)?;
            }
            other => drop(other?),
        }
    }
    Ok(())
}

/// Where each log ends now, which may be before where it did.
fn find_ends(storage: &Arc<dyn Storage>, manifest: &Manifest) -> Result<Vec<LogEnd>, LogError> {
    let end = |shard| ShardDir::new(Arc::clone(storage), manifest, shard).find_end();
    (0..manifest.shards).map(end).collect()
}

/// Where a store that was made of another one's events does not know any more what it was made of,
/// has it know that much.
fn mend_origin(
    storage: &FileStorage,
    manifest: &Manifest,
    ends: &[LogEnd],
    files: &mut Vec<String>,
) -> Result<(), Error> {
    let damage = match Origin::read(storage, manifest) {
        Err(error) if error.kind() == LogErrorKind::Damaged => Some(error),
        other => other.map(|_| None)?,
    };
    if damage.is_none() {
        return Ok(());
    }
    let side = side_files::named(origin::NAME);
    let loss = side.map_or("", |side| side.loss);
    if list(storage, "")?.iter().any(|name| name == origin::NAME) {
        move_aside(storage, origin::NAME, loss, files)?;
    }
    let made = Origin {
        first_store: manifest.origin,
        is_thin: true,
        shards: ends.iter().map(began_with).collect(),
        marks: Vec::new(),
    };
    made.write(storage, manifest)?;
    let shown = storage.describe(origin::NAME);
    files.push(format!("{shown} was made again: {loss}"));
    Ok(())
}

/// Where versions need not follow: in all that there is.
fn began_with(end: &LogEnd) -> ShardOrigin {
    ShardOrigin {
        end: end.position,
        more_aggregates: 0,
    }
}

fn move_aside(
    storage: &FileStorage,
    path: &str,
    loss: &str,
    files: &mut Vec<String>,
) -> Result<(), LogError> {
    let shown = storage.describe(path);
    let aside = format!("{path}.damaged");
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let moved = storage.rename(path, &aside);
    let moved = moved.and_then(|()| storage.sync_dir(dir));
    moved.map_err(|error| LogError::io("move aside", &shown, error))?;
    files.push(format!(
        "{shown} was damaged and moved to {}: {loss}",
        storage.describe(&aside)
    ));
    Ok(())
}
