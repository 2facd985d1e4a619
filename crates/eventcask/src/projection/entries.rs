//! Entries of a projection that are asked for often, kept beside its states: who reads one waits
//! for nobody who applies a batch.
//!
//! An entry gets in under the lock of its state, and whoever applies a batch under that lock writes
//! the entries that are kept through. So what is kept is never older than the state's progress that
//! is told here, which is told last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventcask_event::Place;
use eventcask_project::{Batch, PerAggregate, Projection};
use quick_cache::sync::Cache;

use super::handle::ProjectionHandle;
use crate::state::watch::Watch;
use crate::{Error, Timeout};

/// The entries of a [`PerAggregate`] projection that are asked for often:
/// [`ProjectionHandle::entries`].
///
/// Reading one that is kept takes less than a microsecond and never waits while a batch is applied,
/// also where the writers leave no core idle; one that is not kept is read from the state, as
/// [`read`](ProjectionHandle::read) does, and kept from then on. It is bounded by a number of
/// entries, of which those that are read least are let go. An entry is as new as the state: with
/// [`sync`](crate::projection::ProjectionOptions::sync) it holds every event that was acknowledged
/// before the question.
///
/// Clones share what is kept. Each batch looks for each of its aggregates among them.
///
/// ```
/// use std::time::Duration;
/// use eventcask::{ApplyError, Batch, Expected, PerAggregate, NewEvent, Projection, Timeout};
///
/// /// How many events each account has.
/// struct Counts;
///
/// impl Projection for Counts {
///     const NAME: &'static str = "counts";
///     const VERSION: u32 = 1;
///     type State = PerAggregate<u64>;
///
///     fn apply(&self, state: &mut PerAggregate<u64>, batch: &Batch<'_>) -> Result<(), ApplyError> {
///         let mut counts = state.of(batch);
///         for row in batch.rows() {
///             counts[batch.aggregate_index(row)] += 1;
///         }
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let hot = store.projection(Counts).start()?.entries(10_000);
/// let mut producer = store.producer();
/// let deposit = NewEvent::bytes("Deposited", b"5");
/// let answer = producer.append("account-42", Expected::Any, &[deposit])?.wait()?;
///
/// // Not older than what was just written.
/// let soon = Timeout::Error(Duration::from_secs(5));
/// assert_eq!(hot.get_at_least("account-42", answer.place(), soon)?, Some(1));
/// assert_eq!(hot.get("account-43")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EntryCache<P, V>
where
    P: Projection<State = PerAggregate<V>>,
{
    projected: ProjectionHandle<P>,
    kept: Arc<Kept<V>>,
}

impl<P: Projection> ProjectionHandle<P> {
    /// The entries that are asked for often, so many of them at most, kept so that who reads one
    /// waits for nobody who writes.
    #[must_use]
    pub fn entries<V>(&self, capacity: usize) -> EntryCache<P, V>
    where
        P: Projection<State = PerAggregate<V>>,
        V: Clone + Send + Sync + 'static,
    {
        EntryCache::new(self.clone(), capacity)
    }
}

/// An aggregate that has no entry is kept as well.
#[derive(Debug)]
struct Kept<V> {
    entries: Cache<String, Option<V>>,
    /// How far each shard has come at least.
    progress: Vec<AtomicU64>,
}

impl<P, V> EntryCache<P, V>
where
    P: Projection<State = PerAggregate<V>>,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(projected: ProjectionHandle<P>, capacity: usize) -> Self {
        let shards = projected.live().shards.len();
        let kept = Arc::new(Kept {
            entries: Cache::new(capacity.max(1)),
            progress: (0..shards).map(|_| AtomicU64::new(0)).collect(),
        });
        let watch: Arc<dyn Watch<PerAggregate<V>>> = Arc::<Kept<V>>::clone(&kept);
        projected.live().watch(&watch);
        Self { projected, kept }
    }

    /// The entry of an aggregate; none where no event of it was applied.
    ///
    /// # Errors
    /// [`Error::Stopped`] says why the projection stopped in the aggregate's shard, if it
    /// did.
    pub fn get(&self, key: &str) -> Result<Option<V>, Error> {
        if let Some(entry) = self.kept.entries.get(key) {
            return Ok(entry);
        }
        self.projected.read(self.shard(key), |state| {
            let entry = state.get(key).cloned();
            self.kept.entries.insert(key.to_owned(), entry.clone());
            entry
        })
    }

    /// As [`get`](Self::get), not older than a place, such as the one that an append was answered;
    /// waits for it as [`wait_for`](ProjectionHandle::wait_for) does.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`wait_for`](ProjectionHandle::wait_for).
    pub fn get_at_least(
        &self,
        key: &str,
        place: Place,
        timeout: Timeout,
    ) -> Result<Option<V>, Error> {
        // Pairs with the release in `reached`: what was written through before is seen.
        let progress = self.kept.progress.get(place.shard as usize);
        let progress = progress.map(|progress| progress.load(Ordering::Acquire));
        if progress.is_none_or(|progress| progress <= place.position) {
            self.projected.wait_for(place, timeout)?;
        }
        self.get(key)
    }

    /// How many entries are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.entries.len()
    }

    /// The projection that they are of.
    pub fn projection(&self) -> &ProjectionHandle<P> {
        &self.projected
    }

    fn shard(&self, key: &str) -> u32 {
        self.projected.live().shard_of(key)
    }
}

impl<V: Clone + Send + Sync> Watch<PerAggregate<V>> for Kept<V> {
    fn applied(&self, state: &PerAggregate<V>, batch: &Batch<'_>) {
        let mut last = None;
        for row in batch.rows() {
            let aggregate = batch.aggregate_index(row);
            // The events of one append stand side by side.
            if last.replace(aggregate) == Some(aggregate) {
                continue;
            }
            let key = batch.key(aggregate);
            if self.entries.contains_key(key) {
                let entry = state.get(key).cloned();
                // It was let go meanwhile: nobody asks for it.
                let _ = self.entries.replace(key.to_owned(), entry, true);
            }
        }
    }

    fn reached(&self, shard: u32, progress: u64) {
        self.progress[shard as usize].store(progress, Ordering::Release);
    }

    fn replaced(&self) {
        self.entries.clear();
    }
}

impl<P, V> Clone for EntryCache<P, V>
where
    P: Projection<State = PerAggregate<V>>,
{
    fn clone(&self) -> Self {
        Self {
            projected: self.projected.clone(),
            kept: Arc::clone(&self.kept),
        }
    }
}

impl<P, V> std::fmt::Debug for EntryCache<P, V>
where
    P: Projection<State = PerAggregate<V>>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryCache")
            .field("name", &P::NAME)
            .finish_non_exhaustive()
    }
}
