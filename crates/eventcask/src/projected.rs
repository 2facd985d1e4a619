//! One projection, as it is asked.

use std::sync::Arc;

use eventcask_project::Projection;

use crate::Error;
use crate::projections::LiveProjection;
use crate::store::Inner;

/// A [`Projection`] that follows a store: a state for each shard, in memory, into which each event
/// goes once it is durable and before its append is answered.
///
/// Clones share the states; when the last one is dropped the projection ends. A state that is
/// asked for holds every event that was acknowledged before the question.
///
/// ```
/// use eventcask::{Batch, Keyed, NewEvent, Projection};
///
/// /// The cents of each account.
/// struct Balances;
///
/// impl Projection for Balances {
///     type State = Keyed<i64>;
///
///     fn apply(&self, state: &mut Keyed<i64>, batch: &Batch<'_>) {
///         let mut balances = state.of(batch);
///         for row in batch.rows() {
///             let cents = batch.payload(row).try_into().map_or(0, i64::from_le_bytes);
///             balances[batch.aggregate_index(row)] += cents;
///         }
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let balances = store.project(Balances)?;
/// let mut producer = store.producer();
/// producer.push("account-42", &NewEvent::bytes("Deposited", &500_i64.to_le_bytes()))?;
/// producer.push("account-42", &NewEvent::bytes("Withdrawn", &(-20_i64).to_le_bytes()))?;
/// producer.flush()?.wait()?;
///
/// let shard = eventcask::route("account-42", store.shards());
/// let cents = balances.read(shard, |state| state.get("account-42").copied())?;
/// assert_eq!(cents, Some(480));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Projected<P: Projection> {
    held: Arc<Held<P>>,
}

struct Held<P: Projection> {
    inner: Arc<Inner>,
    live: Arc<LiveProjection<P>>,
}

impl<P: Projection> Drop for Held<P> {
    fn drop(&mut self) {
        self.inner.projections.remove(&self.live);
    }
}

impl<P: Projection> Clone for Projected<P> {
    fn clone(&self) -> Self {
        Self {
            held: Arc::clone(&self.held),
        }
    }
}

impl<P: Projection> std::fmt::Debug for Projected<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards = 0..self.held.inner.readers.len() as u32;
        let progress: Vec<u64> = shards.map(|shard| self.progress(shard)).collect();
        f.debug_struct("Projected")
            .field("progress", &progress)
            .finish_non_exhaustive()
    }
}

impl<P: Projection> Projected<P> {
    /// Fills the states from the log, then follows what is new.
    pub(crate) fn start(inner: &Arc<Inner>, projection: P) -> Result<Self, Error> {
        let live = Arc::new(LiveProjection::new(projection, inner.readers.len()));
        // What becomes durable between this and the next line is caught up with by whoever comes
        // across it first.
        live.catch_up_all(&inner.readers)?;
        inner.projections.add(&live);
        Ok(Self {
            held: Arc::new(Held {
                inner: Arc::clone(inner),
                live,
            }),
        })
    }

    /// Runs `read` on the state of a shard. The shard's events wait for it meanwhile, so it should
    /// be short, and must not wait for an answer of the store.
    ///
    /// # Errors
    /// [`Error::ProjectionStopped`] says why the projection stopped in this shard, if it did.
    ///
    /// # Panics
    /// Where there is no such shard.
    pub fn read<T>(&self, shard: u32, read: impl FnOnce(&P::State) -> T) -> Result<T, Error> {
        let held = &self.held;
        held.live.read(&held.inner.readers[shard as usize], read)
    }

    /// Runs `read` on the state of each shard, one after the other, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// As [`read`](Self::read); the shards after it are not read then.
    pub fn each_shard(&self, mut read: impl FnMut(u32, &P::State)) -> Result<(), Error> {
        let shards = 0..self.held.inner.readers.len() as u32;
        shards.into_iter().try_for_each(|shard| {
            let read = |state: &P::State| read(shard, state);
            self.read(shard, read)
        })
    }

    /// Position after the last event that the state of a shard holds. Where the projection has
    /// stopped it stays where it is.
    ///
    /// # Panics
    /// Where there is no such shard.
    #[must_use]
    pub fn progress(&self, shard: u32) -> u64 {
        self.held.live.progress(shard as usize)
    }
}
