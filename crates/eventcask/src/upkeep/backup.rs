//! Copies a store while it is in use.
//!
//! 1. A moment is chosen; what was acknowledged before it is in the files then.
//! 2. Of each shard everything is copied that was committed before that moment: whatever is in
//!    the copy, what was acknowledged before it is there too.
//! 3. The manifest comes last: the copy is a store only once it is whole.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use eventcask_event::Timestamp;
use eventcask_log::{
    Error as LogError, ErrorKind as LogErrorKind, FileStorage, Framed, Lock, ShardDir, Storage,
};
use eventcask_shard::ShardReader;

use crate::clock::now_nanos;
use crate::upkeep::retention;
use crate::{Error, Store};

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

impl Store {
    /// Copies the store into a directory that is empty or does not exist, while it is in use:
    /// one consistent cut. An event is in the copy only if all that was acknowledged before it
    /// was submitted is there too, and everything that was acknowledged before the call is.
    /// The copy is a store like any other, with the same id.
    ///
    /// A store that is open for reading only is copied as well, also while another process
    /// writes to it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] where the directory is not empty, or what a disk said; what
    /// was copied until then is no store.
    pub fn backup(&self, directory: impl AsRef<Path>) -> Result<BackupReport, Error> {
        self.backup_storage(&(Arc::new(FileStorage::new(directory.as_ref())) as Arc<dyn Storage>))
    }

    /// As [`backup`](Self::backup), to storage of your own.
    ///
    /// # Errors
    /// As [`backup`](Self::backup).
    pub fn backup_storage(&self, to: &Arc<dyn Storage>) -> Result<BackupReport, Error> {
        let started = Instant::now();
        let _lock = prepare(&**to)?;
        let mut report = self.inner.sealer.holding(|| self.copy(to))?;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    fn copy(&self, storage: &Arc<dyn Storage>) -> Result<BackupReport, Error> {
        let inner = &self.inner;
        for shard in 0..inner.manifest.shards {
            ShardDir::new(Arc::clone(storage), &inner.manifest, shard).create()?;
        }
        let to = &**storage;
        let mut report = self.copy_shards(to)?;
        for reader in &inner.readers {
            let dir = format!("shards/{:04}", reader.shard());
            sync_dir(to, &dir)?;
        }
        self.copy_states("views", to, &mut report)?;
        self.copy_states("projections", to, &mut report)?;
        report.bytes += self.inner.subscriptions.copy(to)?;
        retention::copy(&*inner.storage, &inner.manifest, to)?;
        inner.manifest.create(to)?;
        Ok(report)
    }

    fn copy_shards(&self, to: &dyn Storage) -> Result<BackupReport, Error> {
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
            let copied = self
                .inner
                .readers
                .iter()
                .try_for_each(|reader| copy_shard(reader, time, to, &mut report));
            match copied {
                Err(error) if error.kind() == LogErrorKind::Replaced && tries < TRIES => {}
                other => return other.map(|()| report).map_err(Error::from),
            }
        }
    }

    /// A moment of which all that was committed before it is readable now.
    fn moment(&self) -> Result<i64, Error> {
        if let Some(engine) = &self.inner.engine {
            let time = engine.clock.next();
            self.flush()?;
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

    /// Definitions of views or projections, and snapshots that are not ahead of the copy.
    fn copy_states(
        &self,
        kind: &str,
        to: &dyn Storage,
        report: &mut BackupReport,
    ) -> Result<(), Error> {
        let from = &*self.inner.storage;
        let list = |dir: &str| {
            let names = from.list(dir);
            names.map_err(|error| LogError::io("list", &from.describe(dir), error))
        };
        for number in list(kind)? {
            let dir = format!("{kind}/{number}");
            let names = list(&dir)?;
            let ours = |name: &&String| *name == "definition" || name.ends_with(".snapshot");
            for name in names.iter().filter(ours) {
                // A snapshot that can not be read, or is ahead, is made again from the copy.
                let Ok(framed) = Framed::read(from, &format!("{dir}/{name}")) else {
                    continue;
                };
                let reader = self.inner.readers.get(framed.shard as usize);
                let end =
                    reader.map_or(Ok(0), |reader| reader.end_before(report.until.as_nanos()))?;
                if framed.progress <= end {
                    make_dirs(to, kind, &dir)?;
                    framed.write(to, &dir, name)?;
                    report.bytes += 128 + framed.body.len() as u64;
                }
            }
        }
        Ok(())
    }
}

fn copy_shard(
    reader: &ShardReader,
    time: i64,
    to: &dyn Storage,
    report: &mut BackupReport,
) -> Result<(), LogError> {
    let mut copied = 0;
    loop {
        let parts = reader.published().cut(time);
        let Some(parts) = parts else {
            let reason = "a segment was completed while the copy began; try again";
            return Err(LogError::new(LogErrorKind::Replaced, reason));
        };
        let next = parts.into_iter().find(|(segment, ..)| *segment > copied);
        let Some((segment, rewrite, length)) = next else {
            return Ok(());
        };
        match reader.blocks().copy(segment, rewrite, length, to) {
            // Another process sealed it since this one read the log.
            Err(error) if error.kind() == LogErrorKind::Replaced => reader.renew(segment)?,
            bytes => {
                report.bytes += bytes?;
                report.segments += 1;
                copied = segment;
            }
        }
    }
}

/// Makes and takes the directory; it must be empty.
fn prepare(to: &dyn Storage) -> Result<Box<dyn Lock>, LogError> {
    let here = to.describe("");
    let failed = |error| LogError::io("make", &here, error);
    if !to.list("").map_err(failed)?.is_empty() {
        let message = format!("{here} is not empty; a backup goes to a directory of its own");
        return Err(LogError::new(LogErrorKind::Setting, message));
    }
    to.create_dir("").map_err(failed)?;
    let lock = to.lock().map_err(failed)?;
    let taken = || LogError::new(LogErrorKind::Locked, format!("{here} is in use"));
    lock.ok_or_else(taken)
}

fn make_dirs(to: &dyn Storage, kind: &str, dir: &str) -> Result<(), LogError> {
    for dir in [kind, dir] {
        let made = to.create_dir(dir);
        made.map_err(|error| LogError::io("make", &to.describe(dir), error))?;
    }
    sync_dir(to, kind)?;
    sync_dir(to, "")
}

fn sync_dir(to: &dyn Storage, dir: &str) -> Result<(), LogError> {
    let synced = to.sync_dir(dir);
    synced.map_err(|error| LogError::io("sync", &to.describe(dir), error))
}
