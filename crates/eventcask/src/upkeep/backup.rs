//! Copies a store while it is in use.
//!
//! 1. A moment is chosen; what was acknowledged before it is in the files then.
//! 2. Of each shard everything is copied that was committed before that moment: whatever is in
//!    the copy, what was acknowledged before it is there too.
//! 3. The manifest gets its name last: the copy is a store only once it is whole. Until then it
//!    says whose unfinished copy that is, so that the copy can be begun again.

use std::sync::Arc;
use std::time::Instant;

use eventcask_event::Timestamp;
use eventcask_log::{
    Ends, Error as LogError, ErrorKind as LogErrorKind, Framed, LogEnd, Manifest, ShardDir, Storage,
};
use eventcask_shard::ShardReader;

use crate::clock::now_nanos;
use crate::store::location::Location;
use crate::store::side_files::{Layout, SIDE_FILES};
use crate::store::{origin, retention};
use crate::upkeep::place::{self, make_dirs, sync_dir};
use crate::{Error, StoreReader};

/// Tries before it is given up: each fails only where a segment was completed and written anew
/// within it.
const TRIES: usize = 5;

/// What a backup copied.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BackupReport {
    /// Everything committed before this time is in the copy, and nothing else.
    pub until: Timestamp,
    /// Segments.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

impl StoreReader {
    /// Copies the store to a place that is empty or does not exist, while it is in use: one
    /// consistent cut. The copy holds everything that was acknowledged before the call. With any
    /// later event it also holds all that was acknowledged before that event was submitted. The
    /// copy is a store like any other, with the same id. One that was cut short is begun again by
    /// the same call.
    ///
    /// A store that is open for reading only is copied as well, also while another process
    /// writes to it.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("bank"))?;
    /// let copy = directory.path().join("copy");
    /// store.backup(&copy)?;
    /// assert!(eventcask::verify(&copy)?.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] where the directory is not empty, or lies within the store, or
    /// what a disk said; what was copied until then is no store.
    pub fn backup(&self, to: impl Into<Location>) -> Result<BackupReport, Error> {
        let started = Instant::now();
        let to = to.into().into_storage();
        let manifest = &self.inner.manifest;
        place::refuse_within(&*to, &*self.inner.storage)?;
        let is_ours = |unfinished: &Manifest| unfinished.store == manifest.store;
        let _lock = place::prepare(&*to, manifest, &is_ours)?;
        let mut report = self.inner.sealer.holding(|| self.copy(&to))?;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    fn copy(&self, storage: &Arc<dyn Storage>) -> Result<BackupReport, Error> {
        let inner = &self.inner;
        for shard in 0..inner.manifest.shards {
            ShardDir::new(Arc::clone(storage), &inner.manifest, shard).create()?;
        }
        let to = &**storage;
        let (mut report, ends) = self.copy_shards(to)?;
        for reader in &inner.readers {
            let dir = format!("shards/{:04}", reader.shard());
            sync_dir(to, &dir)?;
        }
        self.copy_states(to, &mut report)?;
        report.bytes += self.inner.subscriptions.copy(to)?;
        retention::copy(&*inner.storage, &inner.manifest, to)?;
        report.bytes += origin::copy(&*inner.storage, &inner.manifest, to)?;
        Ends::new(ends).note(to, &inner.manifest)?;
        Manifest::finish(to)?;
        Ok(report)
    }

    /// Copies the logs, and tells where each ends in the copy.
    fn copy_shards(&self, to: &dyn Storage) -> Result<(BackupReport, Vec<LogEnd>), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let time = self.moment()?;
            let mut report = BackupReport {
                until: Timestamp::from_nanos(time),
                segments: 0,
                bytes: 0,
                seconds: 0.0,
            };
            let readers = self.inner.readers.iter();
            let copied: Result<Vec<LogEnd>, LogError> = readers
                .map(|reader| copy_shard(reader, time, to, &mut report))
                .collect();
            match copied {
                Err(error) if error.kind() == LogErrorKind::Replaced && tries < TRIES => {}
                copied => return Ok((report, copied?)),
            }
        }
    }

    /// A moment of which all that was committed before it is readable now.
    fn moment(&self) -> Result<i64, Error> {
        if let Some(engine) = &self.inner.engine {
            let time = engine.clock.next();
            self.inner.flush(engine)?;
            return Ok(time);
        }
        // Whoever writes acknowledges only what is in its file: what was acknowledged before now
        // is read from now on. Its clock may be ahead of this one.
        let newest = |reader: &Arc<ShardReader>| reader.last_commit();
        let seen = self.inner.readers.iter().filter_map(newest).max();
        let time = now_nanos().max(seen.map_or(i64::MIN, |seen| seen.saturating_add(1)));
        self.refresh()?;
        Ok(time)
    }

    /// Definitions of views and projections, and snapshots that are not ahead of the copy.
    fn copy_states(&self, to: &dyn Storage, report: &mut BackupReport) -> Result<(), Error> {
        let from = &*self.inner.storage;
        let states = SIDE_FILES.into_iter();
        for side in states.filter(|side| side.layout == Layout::States) {
            for path in side.framed(from)? {
                let Some(framed) = read_state(from, &path)? else {
                    continue;
                };
                let reader = self.inner.readers.get(framed.shard as usize);
                let end =
                    reader.map_or(Ok(0), |reader| reader.end_before(report.until.as_nanos()))?;
                // One that is ahead is made again from the copy.
                if framed.progress <= end
                    && let Some((dir, name)) = path.rsplit_once('/')
                {
                    make_dirs(to, side.name, dir)?;
                    framed.write(to, dir, name)?;
                    report.bytes += framed.file_bytes();
                }
            }
        }
        Ok(())
    }
}

/// A definition, or a snapshot that can be read: others are made again.
fn read_state(from: &dyn Storage, path: &str) -> Result<Option<Framed>, LogError> {
    match Framed::read(from, path) {
        Ok(framed) => Ok(Some(framed)),
        // Removed since it was listed.
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) if path.ends_with("/definition") => Err(error),
        Err(_) => Ok(None),
    }
}

/// Copies the log of a shard and tells where the copy ends.
fn copy_shard(
    reader: &ShardReader,
    time: i64,
    to: &dyn Storage,
    report: &mut BackupReport,
) -> Result<LogEnd, LogError> {
    let (mut copied, mut place) = (0, 0);
    loop {
        let parts = reader.published().cut(time);
        let Some(parts) = parts else {
            let reason = "a segment was completed while the copy began; try again";
            return Err(LogError::new(LogErrorKind::Replaced, reason));
        };
        let next = parts.into_iter().find(|(segment, ..)| *segment > copied);
        let Some((segment, rewrite, length)) = next else {
            let end = reader.end_before(time)?;
            // What was given up may have stood at the end of a complete segment.
            let ended = reader.published().ended();
            let whole = ended.iter().filter(|segment| segment.number() <= copied);
            let ends = whole.map(|segment| segment.sealed().next_position);
            return Ok(LogEnd {
                position: ends.fold(end, u64::max),
                segment: copied,
                place,
            });
        };
        match reader.blocks().copy(segment, rewrite, length, to) {
            // Another process sealed it since this one read the log.
            Err(error) if error.kind() == LogErrorKind::Replaced => reader.renew(segment)?,
            bytes => {
                report.bytes += bytes?;
                report.segments += 1;
                (copied, place) = (segment, length.unwrap_or(0));
            }
        }
    }
}
