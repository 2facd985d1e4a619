//! What the handles of a store share.

use std::sync::{Arc, Mutex, OnceLock};

use eventcask_log::{Ends, Manifest, Storage, Tail};
use eventcask_shard::{CarriedMarks, FlushCounter, KeyHasher, ShardReader};

use crate::follow::arrivals::Arrivals;
use crate::follow::feeds::Feeds;
use crate::follow::subscriptions::Subscriptions;
use crate::follow::waiters::Woken;
use crate::state::projections::Projections;
use crate::state::views::Views;
use crate::store::engine::Engine;
use crate::store::folds::Folds;
use crate::store::origin::Origin;
use crate::store::router::Router;
use crate::store::sealer::Sealer;
use crate::{Error, ErrorKind};

pub(crate) struct Inner {
    pub(crate) manifest: Manifest,
    pub(crate) hasher: KeyHasher,
    /// What the store was made of, but for the marks of sources.
    pub(crate) origin: Origin,
    /// How far sources were consumed before the events came into this store.
    pub(crate) carried: Arc<CarriedMarks>,
    pub(crate) readers: Vec<Arc<ShardReader>>,
    pub(crate) views: Arc<Views>,
    pub(crate) projections: Arc<Projections>,
    /// How far named subscriptions got.
    pub(crate) subscriptions: Subscriptions,
    /// Tells subscriptions that there is something new.
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) feeds: Arc<Feeds>,
    /// What folds over aggregates keep in memory.
    pub(crate) folds: Folds,
    pub(crate) sealer: Sealer,
    pub(crate) storage: Arc<dyn Storage>,
    /// The writing half; readers have none.
    pub(crate) engine: Option<Arc<Engine>>,
    /// Where a reader goes on, one a shard.
    pub(crate) tails: Mutex<Vec<Tail>>,
    /// The way of those who append without a producer, once there was one.
    pub(crate) appender: OnceLock<Router>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.storage.describe(""))
    }
}

impl Inner {
    /// The shard of an aggregate.
    pub(crate) fn shard_of(&self, key: &str) -> u32 {
        self.manifest.routing().shard_of(key)
    }

    /// Who reads the shard of an aggregate.
    pub(crate) fn reader_of(&self, key: &str) -> &Arc<ShardReader> {
        &self.readers[self.shard_of(key) as usize]
    }

    /// A way to all shards.
    pub(crate) fn router(&self, engine: &Engine) -> Router {
        Router::new(self.manifest.routing(), self.hasher.clone(), engine)
    }

    /// Whether the store is open for writing.
    pub(crate) fn is_running(&self) -> bool {
        self.engine.as_deref().is_some_and(Engine::is_running)
    }

    /// Nothing is begun any more once the store was closed; a reader is not.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        let engine = self.engine.as_deref();
        match engine.is_none_or(Engine::is_running) {
            true => Ok(()),
            false => Err(Error::Closed),
        }
    }

    /// The position after the last durable event, one a shard.
    pub(crate) fn positions(&self) -> Vec<u64> {
        let readers = self.readers.iter();
        readers.map(|reader| reader.published().watermark).collect()
    }

    /// Makes everything durable on the disk that was handed over before.
    pub(crate) fn flush(&self, engine: &Engine) -> Result<(), Error> {
        self.hand_over_appended()?;
        let (account, own) = FlushCounter::open();
        for inbox in &engine.inboxes {
            inbox.flush(FlushCounter::share(&account));
        }
        own.settle(eventcask_shard::Flushed::default(), None);
        account.wait()?;
        Ok(())
    }

    /// Gives back what was taken ahead of need, saves what follows the log, which is at its end,
    /// and notes that end where all before it is durable. What can wait comes last: few and small
    /// segments are sealed. Who waits for more is to be woken.
    pub(crate) fn save_all(&self, is_durable: bool, woken: &mut Woken) -> Result<(), Error> {
        self.readers.iter().for_each(|reader| {
            reader.dir().give_spare_back();
        });
        let saved = unless_full(self.projections.close(woken));
        let noted = match is_durable {
            true => note_ends(
                &self.readers,
                &*self.storage,
                &self.manifest,
                self.sealer.is_all_durable(),
            ),
            false => Ok(()),
        };
        if is_durable {
            self.sealer.finish();
        }
        saved.and(noted)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(engine) = &self.engine {
            self.sealer.stop();
            // Nobody is left to be told; `close` tells.
            let mut woken = Woken::default();
            let _ = self.hand_over_appended();
            let _ = engine.stop(|is_durable| self.save_all(is_durable, &mut woken));
            woken.wake();
        }
    }
}

/// Notes up to where the logs go, all of which is durable, and whether nothing is saved that is
/// not. That comes after what is ahead of the log was forgotten: from then on it tells that the log
/// lost its end.
pub(crate) fn note_ends(
    readers: &[Arc<ShardReader>],
    storage: &dyn Storage,
    manifest: &Manifest,
    is_sync: bool,
) -> Result<(), Error> {
    let ends = readers.iter().map(|reader| reader.end());
    let ends = Ends::new(ends.collect()).synced_first(is_sync);
    Ok(ends.note(storage, manifest)?)
}

/// A snapshot for which there is no room is no reason to fail: the next opening makes its state of
/// the one before and the log.
fn unless_full(saved: Result<(), Error>) -> Result<(), Error> {
    match saved {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        other => other,
    }
}
