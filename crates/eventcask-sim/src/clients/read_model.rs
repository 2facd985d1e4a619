//! A read model in a database beside the store, whose transactions a crash may take back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError, ModelIdentity, ModelProgress};
use eventcask::{Error, ErrorKind, ReadModel, ReadModelRunner, Store, Timeout};

use crate::clients::opened::Opened;
use crate::disk::journal::Note;
use crate::disk::sim_disk::SimDisk;
use crate::model::content::Content;
use crate::model::handler::{NO_ENTRY, POISON};
use crate::model::kept::Kept;
use crate::model::projection::row_of;
use crate::planted::Planted;

/// Longer than any model takes that gets there at all.
const PATIENT: Timeout = Timeout::Error(Duration::from_secs(60));
/// One transaction in this many is durable by itself; the others may be lost in a crash.
const DURABLE_EVERY: usize = 3;

/// A database, as the feed has it; clones share what it holds.
#[derive(Clone)]
struct Database {
    disk: SimDisk,
    kept: Arc<Mutex<Arc<Kept>>>,
    /// The entry that it fails on.
    poison: Arc<AtomicUsize>,
    version: u32,
    planted: Option<Planted>,
    commits: usize,
}

impl Database {
    fn kept(&self) -> MutexGuard<'_, Arc<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&mut self, kept: &Kept) {
        self.commits += 1;
        let kept = Arc::new(kept.clone());
        *self.kept() = Arc::clone(&kept);
        let is_durable = self.commits.is_multiple_of(DURABLE_EVERY);
        self.disk.note(Note::Committed(kept, is_durable));
    }
}

impl ReadModel for Database {
    fn name(&self) -> &str {
        "model"
    }

    fn progress(&mut self, store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        let version = self.version;
        let identity = ModelIdentity { store, version };
        let kept = Arc::clone(&self.kept());
        if !identity.is_new(kept.identity)? {
            return Ok(kept.progress.clone());
        }
        self.commit(&Kept {
            identity: Some(identity),
            ..Kept::default()
        });
        Ok(Vec::new())
    }

    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
        let mut kept = Kept::clone(&self.kept());
        for advance in batches.steps() {
            advance.check(kept.position(advance.to.shard))?;
        }
        for event in batches.events() {
            let row = row_of(&event);
            if row.entry == self.poison.load(Ordering::Relaxed) {
                return Err(POISON.into());
            }
            kept.rows_of(event.shard).push(row);
        }
        if self.planted == Some(Planted::ModelCommitsTwice) {
            self.commit(&kept);
        }
        for advance in batches.steps() {
            kept.progress.retain(|one| one.shard != advance.to.shard);
            kept.progress.push(advance.to);
        }
        self.commit(&kept);
        Ok(())
    }
}

/// A read model that is fed.
pub(crate) struct Model {
    database: Database,
    batch_events: usize,
    feed: Option<ReadModelRunner>,
}

impl Model {
    /// Has a database fed from where a crash left it. One that holds what the store has lost must
    /// be refused, and is made anew.
    ///
    /// # Errors
    /// L5, where it is refused without reason, or taken without.
    pub(crate) fn start(
        opened: &Opened<'_>,
        kept: Arc<Kept>,
        (version, batch_events): (u32, usize),
    ) -> Result<Self, String> {
        let (store, content) = (opened.store, opened.content);
        let fits = kept.fits(content) || kept.identity.is_some_and(|by| by.version < version);
        let mut model = Self {
            database: Database {
                disk: opened.disk.clone(),
                kept: Arc::new(Mutex::new(kept)),
                poison: Arc::new(AtomicUsize::new(NO_ENTRY)),
                version,
                planted: opened.planted,
                commits: 0,
            },
            batch_events,
            feed: None,
        };
        match model.restart(store) {
            Ok(()) if fits => return Ok(model),
            Err(error) if !fits && error.kind() == ErrorKind::Stopped => {}
            other => {
                return Err(format!(
                    "L5: a read model of which the store {} everything is taken as {other:?}",
                    if fits { "has" } else { "has not" }
                ));
            }
        }
        *model.database.kept() = Arc::default();
        let again = model.restart(store);
        again.map_err(|error| format!("L5: a read model made anew: {error}"))?;
        Ok(model)
    }

    /// Ends the feed and begins another one.
    ///
    /// # Errors
    /// What the engine said.
    pub(crate) fn restart(&mut self, store: &Store) -> Result<(), Error> {
        drop(self.feed.take());
        let feed = store.read_model(self.database.clone());
        self.feed = Some(feed.batch_events(self.batch_events).start()?);
        Ok(())
    }

    /// It is to fail on an entry from now on, unless it is to on another one.
    pub(crate) fn set_poison(&self, entry: usize) {
        let poison = &self.database.poison;
        let _ = poison.compare_exchange(NO_ENTRY, entry, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Waits for it.
    ///
    /// # Errors
    /// What the engine said.
    pub(crate) fn catch_up(&self, timeout: Timeout) -> Result<(), Error> {
        match &self.feed {
            Some(feed) => feed.catch_up(timeout).map(drop),
            None => Ok(()),
        }
    }

    /// It holds what is there, each event once. Where there is a poison event in it, the feed must
    /// have stopped and say so; after the cure nothing is missing.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn finish(
        &mut self,
        store: &Store,
        content: &Content,
        may_stop: bool,
    ) -> Result<(), String> {
        let poison = self.database.poison.load(Ordering::Relaxed);
        let is_hit = content.rows().any(|row| row.entry == poison);
        match self.catch_up(PATIENT) {
            Ok(()) if !is_hit => {}
            Err(error) if is_hit && error.to_string().contains(POISON) || may_stop => {}
            other => return Err(format!("L6: poison is {is_hit}, and the feed: {other:?}")),
        }
        self.database.poison.store(NO_ENTRY, Ordering::Relaxed);
        let has_failed = self
            .feed
            .as_ref()
            .is_none_or(|feed| feed.failure().is_some());
        if has_failed {
            let again = self.restart(store);
            again.map_err(|error| format!("L6: a read model after the cure: {error}"))?;
        }
        let caught_up = self.catch_up(PATIENT);
        caught_up.map_err(|error| format!("L6: a read model after the cure: {error}"))?;
        self.check(content)
    }

    fn check(&self, content: &Content) -> Result<(), String> {
        let kept = Arc::clone(&self.database.kept());
        for (shard, rows) in content.shards.iter().enumerate() {
            let held = kept.rows.get(shard).map_or(&[][..], Vec::as_slice);
            if held != rows {
                let mut both = held.iter().zip(rows);
                let differs = both.position(|(is, should)| is != should);
                return Err(format!(
                    "L5: a read model holds {} of {} events of shard {shard}; they differ at {differs:?}",
                    held.len(),
                    rows.len()
                ));
            }
        }
        Ok(())
    }
}
