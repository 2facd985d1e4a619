//! The handle that users hold.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

use eventcask_event::{Timestamp, route};
use eventcask_log::{Ends, Manifest, Storage, Tail};
use eventcask_shard::{FlushCounter, KeyHasher, ShardReader};

use crate::feed::feeds::Feeds;
use crate::fold::cache::Folds;
use crate::follow::arrivals::Arrivals;
use crate::follow::waiters::Woken;
use crate::projection::Projections;
use crate::projection::views::Views;
use crate::store::engine::Engine;
use crate::store::sealer::Sealer;
use crate::subscribe::subscriptions::Subscriptions;
use crate::write::router::Router;
use crate::{Error, ErrorKind};

/// An open event store: a cheap handle that can be cloned and shared between threads.
///
/// The store is closed when the last handle and the last producer are gone; [`close`](Self::close)
/// does it at once and tells how it went.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) manifest: Manifest,
    pub(crate) hasher: KeyHasher,
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
    pub(crate) engine: Option<Engine>,
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

impl Store {
    /// Closes the store: everything handed over is made durable; views, projections and what groups of
    /// consumers have handled are saved; the log gets the mark of a clean end. Other handles and
    /// producers find it closed.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let opened = NewEvent::json("Opened", b"{}");
    /// store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// store.close()?;
    /// let store = eventcask::open(directory.path())?;
    /// assert_eq!(store.aggregate("account-42").version()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said; what was acknowledged is durable all the same. [`Error::Owned`] where a
    /// [`crate::ShardOwner`] is still there.
    pub fn close(self) -> Result<(), Error> {
        let closed = match &self.inner.engine {
            Some(engine) if engine.owned().load(Ordering::Acquire) > 0 => return Err(Error::Owned),
            Some(engine) => {
                let kept = self.inner.subscriptions.end();
                self.inner.sealer.stop();
                let mut woken = Woken::default();
                // A shard that stopped has answered already.
                let _ = self.inner.hand_over_appended();
                let stopped = engine.stop(|is_durable| self.inner.save_all(is_durable, &mut woken));
                self.inner.feeds.end(&self.positions());
                woken.wake();
                stopped.and(kept)
            }
            None => Ok(()),
        };
        self.inner.arrivals.end();
        closed
    }

    /// Makes everything durable on the disk that was handed over before, whatever the store's
    /// durability. What a producer has not flushed is not handed over yet.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{Durability, Expected, NewEvent, Store};
    /// let options = Store::options().durability(Durability::Os);
    /// let store = options.open(directory.path())?;
    /// let opened = NewEvent::json("Opened", b"{}");
    /// store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// store.flush()?; // now a power failure can not take it either
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first refusal of a shard, or [`Error::ReadOnly`].
    pub fn flush(&self) -> Result<(), Error> {
        self.engine()?;
        self.inner.hand_over_appended()?;
        let (account, own) = FlushCounter::open();
        for inbox in &self.engine()?.inboxes {
            inbox.flush(FlushCounter::share(&account));
        }
        own.settle(eventcask_shard::Flushed::default(), None);
        account.wait()?;
        Ok(())
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.inner.manifest.shards
    }

    /// The shard that an aggregate belongs to.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// assert!(store.shard_of("account-42") < store.shards());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shard_of(&self, key: &str) -> u32 {
        route(key, self.shards())
    }

    /// When the store was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        Timestamp::from_nanos(self.inner.manifest.created)
    }

    /// Seals all segments that are complete, without giving way to anyone, and returns when it is
    /// done: how many segments. It is done in the background as well; see [`Options::seal`](crate::Options::seal).
    ///
    /// # Errors
    /// [`Error::ReadOnly`], damage, or what the disk said; a segment that was not sealed is as it
    /// was before.
    pub fn seal(&self) -> Result<u64, Error> {
        self.running()?;
        self.inner.sealer.seal_all()
    }

    /// The position after the last durable event, one a shard.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.inner
            .readers
            .iter()
            .map(|reader| reader.published().watermark)
            .collect()
    }

    /// The writing half, unless the store was closed.
    pub(crate) fn running(&self) -> Result<&Engine, Error> {
        self.inner.running()
    }

    pub(crate) fn engine(&self) -> Result<&Engine, Error> {
        self.inner.engine.as_ref().ok_or(Error::ReadOnly)
    }
}

impl Inner {
    /// The writing half, unless the store was closed.
    pub(crate) fn running(&self) -> Result<&Engine, Error> {
        let engine = self.engine.as_ref().ok_or(Error::ReadOnly)?;
        if engine.is_running() {
            Ok(engine)
        } else {
            Err(Error::Closed)
        }
    }

    /// Whether the store is open for writing.
    pub(crate) fn is_running(&self) -> bool {
        self.engine.as_ref().is_some_and(Engine::is_running)
    }

    /// Gives back what was taken ahead of need, saves what follows the log, which is at its end, and
    /// notes that end where all before it is durable. Who waits for more is to be woken.
    fn save_all(&self, is_durable: bool, woken: &mut Woken) -> Result<(), Error> {
        self.readers.iter().for_each(|reader| {
            reader.dir().give_spare_back();
        });
        let saved = unless_full(self.projections.close(woken));
        let noted = match is_durable {
            true => note_ends(&self.readers, &*self.storage, &self.manifest),
            false => Ok(()),
        };
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

/// Notes up to where the logs go, all of which is durable.
pub(crate) fn note_ends(
    readers: &[Arc<ShardReader>],
    storage: &dyn Storage,
    manifest: &Manifest,
) -> Result<(), Error> {
    let ends = readers.iter().map(|reader| reader.end());
    Ok(Ends::new(ends.collect()).note(storage, manifest)?)
}

/// A snapshot for which there is no room is no reason to fail: the next opening makes its state of the
/// one before and the log.
fn unless_full(saved: Result<(), Error>) -> Result<(), Error> {
    match saved {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        other => other,
    }
}
