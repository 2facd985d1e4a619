//! One projection, as it is asked.

use std::sync::Arc;
use std::task::{Poll, Waker};

use eventcask_event::Place;
use eventcask_project::{Merge, Projection};

use super::{Parked, ProjectionAsOf, ProjectionOptions, Rebuild};
use crate::follow::reached::{self, Follows};
use crate::follow::waiters::Woken;
use crate::name::is_name;
use crate::named::Named;
use crate::state::definition::{Definition, projection_text};
use crate::state::files::Files;
use crate::state::keep::Keep;
use crate::state::live::LiveProjection;
use crate::state::projections::{Live, Taken};
use crate::state::{past, runner, saver};
use crate::stats::ProjectionStats;
use crate::store::inner::Inner;
use crate::{AsOf, Error, Reached, Timeout};

/// A [`Projection`] that follows a store: a state for each shard, in memory, into which each event
/// goes once it is durable: before its append is answered
/// ([`sync`](ProjectionOptions::sync)), or behind that.
///
/// Clones share the states; when the last one is dropped the projection ends. With `sync`, a state
/// that is asked for holds every event that was acknowledged before the question. Otherwise it may
/// be behind, and [`wait_for`](Self::wait_for) waits until it holds the event that matters.
///
/// ```
/// use std::time::Duration;
/// use eventcask::{ApplyError, Batch, Expected, PerAggregate, NewEvent, Projection, Timeout};
///
/// /// The cents of each account.
/// struct Balances;
///
/// impl Projection for Balances {
///     const NAME: &'static str = "balances";
///     const VERSION: u32 = 1;
///     type State = PerAggregate<i64>;
///
///     fn apply(&self, state: &mut PerAggregate<i64>, batch: &Batch<'_>) -> Result<(), ApplyError> {
///         let mut balances = state.of(batch);
///         for row in batch.rows() {
///             let cents = batch.payload(row).try_into().map_or(0, i64::from_le_bytes);
///             balances[batch.aggregate_index(row)] += cents;
///         }
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let balances = store.projection(Balances).start()?;
/// let mut producer = store.producer();
/// let cents = 500_i64.to_le_bytes();
/// let deposit = NewEvent::bytes("Deposited", &cents);
/// let answer = producer.append("account-42", Expected::Any, &[deposit])?.wait()?;
///
/// balances.wait_for(answer.place(), Timeout::Error(Duration::from_secs(5)))?;
/// let cents = balances.read_of("account-42", |state| state.get("account-42").copied())?;
/// assert_eq!(cents, Some(500));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the projection ends when its handles are dropped"]
pub struct ProjectionHandle<P: Projection> {
    held: Arc<Held<P>>,
}

struct Held<P: Projection> {
    inner: Arc<Inner>,
    projection: Arc<P>,
    live: Arc<LiveProjection<P::State>>,
    _name: Taken,
}

impl<P: Projection> Drop for Held<P> {
    fn drop(&mut self) {
        self.inner.projections.remove(&*self.live);
        // Nobody is left to be told; the log has all that a snapshot would have.
        let mut woken = Woken::default();
        let _ = self.live.close(&mut woken);
        woken.wake();
    }
}

impl<P: Projection> Follows for Held<P> {
    fn name(&self) -> &str {
        P::NAME
    }

    fn progress(&self, shard: u32) -> Option<u64> {
        Follows::progress(&*self.live, shard)
    }

    fn look(
        &self,
        place: Place,
        number: &mut Option<u64>,
        waker: &Waker,
    ) -> Poll<Result<u64, Error>> {
        self.live.look(place, number, waker)
    }

    fn forget(&self, shard: u32, number: u64) {
        self.live.forget(shard, number);
    }
}

impl<P: Projection> Clone for ProjectionHandle<P> {
    fn clone(&self) -> Self {
        Self {
            held: Arc::clone(&self.held),
        }
    }
}

impl<P: Projection> std::fmt::Debug for ProjectionHandle<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards = 0..self.held.inner.readers.len() as u32;
        let progress: Vec<u64> = shards.map(|shard| self.progress(shard)).collect();
        f.debug_struct("ProjectionHandle")
            .field("name", &P::NAME)
            .field("progress", &progress)
            .finish_non_exhaustive()
    }
}

impl<P: Projection> ProjectionOptions<P> {
    /// Starts the projection; it ends when the handle and its clones are dropped, or with the
    /// store. With [`sync`](Self::sync) the states are filled first; otherwise that is done behind
    /// it as well, see [`ProjectionHandle::wait_for`].
    ///
    /// # Errors
    /// [`Error::InUse`] where a handle of one with this name is still held,
    /// [`Error::BadName`], [`Error::Stopped`] where one with [`sync`](Self::sync) fails
    /// on what is stored, damage, or what the disk said.
    pub fn start(self) -> Result<ProjectionHandle<P>, Error> {
        ProjectionHandle::start(self)
    }
}

impl<P: Projection> ProjectionHandle<P> {
    /// Takes up what was kept, fills the rest from the log, then follows what is new.
    pub(super) fn start(options: ProjectionOptions<P>) -> Result<Self, Error> {
        if !is_name(P::NAME) {
            return Err(Error::BadName {
                what: Named::Projection,
                name: P::NAME.to_owned(),
            });
        }
        let inner = options.inner;
        let name = inner.projections.take(P::NAME)?;
        let mut keep = None;
        if let Some((policy, codec)) = options.snapshots {
            let may_write = inner.is_running();
            let text = projection_text::<P>();
            let store = inner.manifest.store;
            let files = Files::open(&inner.storage, store, P::NAME, text, may_write)?;
            keep = files.map(|files| Keep::new(policy, codec, files));
        }
        let projection = Arc::new(options.projection);
        let limits = (!options.is_sync).then_some(options.limits);
        let definition = Definition::of(&projection, options.on_error);
        let live = LiveProjection::new(definition, limits, keep, &inner.readers);
        live.load();
        let projected = Self {
            held: Arc::new(Held {
                live: Arc::clone(&live),
                projection,
                inner,
                _name: name,
            }),
        };
        // From here on the handle ends what was begun, whatever fails.
        if live.is_sync() {
            // What becomes durable between this and the next lines is caught up with by whoever
            // comes across it first.
            live.fill()?;
        }
        let follows: Arc<dyn Live> = Arc::<LiveProjection<P::State>>::clone(&live);
        if !projected.held.inner.projections.add(follows) {
            live.end();
        }
        if let Some(limits) = live.limits {
            live.spawn("project", move |live| runner::run(live, limits))?;
        }
        if live.wants_saver() {
            live.spawn("snapshot", saver::run)?;
        }
        Ok(projected)
    }

    pub(super) fn live(&self) -> &Arc<LiveProjection<P::State>> {
        &self.held.live
    }

    /// Runs `read` on the state of a shard. The shard's events wait for it meanwhile, so it should
    /// be short.
    ///
    /// Inside `read`, wait for no answer of the store, and do not ask for
    /// [`progress`](Self::progress), [`stats`](Self::stats),
    /// [`Store::stats`](crate::StoreReader::stats) or the `Debug` of this projection: they need the
    /// same lock, and would wait for ever.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{ApplyError, Batch, Expected, NewEvent, Projection, Timeout};
    ///
    /// /// How many events there are.
    /// struct Count;
    ///
    /// impl Projection for Count {
    ///     const NAME: &'static str = "count";
    ///     const VERSION: u32 = 1;
    ///     type State = u64;
    ///
    ///     fn apply(&self, count: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *count += batch.rows().count() as u64;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let count = store.projection(Count).start()?;
    /// let opened = NewEvent::json("Opened", b"{}");
    /// let appended = store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// count.wait_for(appended.place(), Timeout::Error(std::time::Duration::from_secs(60)))?;
    /// let events = count.read(appended.place().shard, |count| *count)?;
    /// assert_eq!(events, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Stopped`] says why the projection stopped in this shard, if it did.
    ///
    /// # Panics
    /// Where there is no such shard.
    pub fn read<T>(&self, shard: u32, read: impl FnOnce(&P::State) -> T) -> Result<T, Error> {
        self.held.live.read(shard, read)
    }

    /// Runs `read` on the state of the shard that an aggregate belongs to, as [`read`](Self::read)
    /// does.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{ApplyError, Batch, Expected, NewEvent, Projection, Timeout};
    ///
    /// /// How many events there are.
    /// struct Count;
    ///
    /// impl Projection for Count {
    ///     const NAME: &'static str = "count";
    ///     const VERSION: u32 = 1;
    ///     type State = u64;
    ///
    ///     fn apply(&self, count: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *count += batch.rows().count() as u64;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let count = store.projection(Count).start()?;
    /// let opened = NewEvent::json("Opened", b"{}");
    /// let appended = store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// count.wait_for(appended.place(), Timeout::Error(std::time::Duration::from_secs(60)))?;
    /// assert_eq!(count.read_of("account-42", |count| *count)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_of<T>(&self, key: &str, read: impl FnOnce(&P::State) -> T) -> Result<T, Error> {
        self.read(self.held.inner.shard_of(key), read)
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

    /// The states of all shards as one, for a question that no shard can answer alone.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn merged(&self) -> Result<P::State, Error>
    where
        P: Merge,
    {
        let mut merged = P::State::default();
        let projection = &self.held.projection;
        self.each_shard(|_, state| projection.merge(&mut merged, state))?;
        Ok(merged)
    }

    /// Position after the last event that the state of a shard holds. Where the projection has
    /// stopped it stays where it is.
    ///
    /// # Panics
    /// Where there is no such shard.
    #[must_use]
    pub fn progress(&self, shard: u32) -> u64 {
        self.held.live.progress(shard)
    }

    /// Waits until the projection holds the event at a place, such as the one that an append was
    /// answered. Returns its [`progress`](Self::progress) in that shard then, which is not past the
    /// place where [`Timeout::Stale`] is over.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{ApplyError, Batch, Expected, NewEvent, Projection, Timeout};
    ///
    /// /// How many events there are.
    /// struct Count;
    ///
    /// impl Projection for Count {
    ///     const NAME: &'static str = "count";
    ///     const VERSION: u32 = 1;
    ///     type State = u64;
    ///
    ///     fn apply(&self, count: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *count += batch.rows().count() as u64;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let count = store.projection(Count).start()?;
    /// let opened = NewEvent::json("Opened", b"{}");
    /// let appended = store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// let minute = std::time::Duration::from_secs(60);
    /// let position = count.wait_for(appended.place(), Timeout::Error(minute))?;
    /// assert!(position > appended.place().position);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Behind`] where [`Timeout::Error`] is over, [`Error::Stopped`] where it
    /// will not get there, [`Error::NotFound`], or that the store was closed.
    pub fn wait_for(&self, place: Place, timeout: Timeout) -> Result<u64, Error> {
        self.reaches(place).wait(timeout)
    }

    /// As [`wait_for`](Self::wait_for), to be awaited from any async runtime; time-outs are those
    /// of the runtime.
    pub fn reaches(&self, place: Place) -> Reached {
        let held: Arc<Held<P>> = Arc::clone(&self.held);
        Reached::new(held, place)
    }

    /// Waits until the projection holds all that is durable now. Returns its
    /// [`progress`](Self::progress) in each shard then, which is less than that where
    /// [`Timeout::Stale`] is over.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub fn catch_up(&self, timeout: Timeout) -> Result<Vec<u64>, Error> {
        let held: Arc<dyn Follows> = Arc::<Held<P>>::clone(&self.held);
        reached::catch_up(&held, &self.held.inner.positions(), timeout)
    }

    /// Begins to fill the states anew from the log, on all cores, beside those in use, which go on
    /// meanwhile. When that is done the new ones take their place, in all shards at once; a
    /// projection that has stopped goes on with them. See [`Rebuild`].
    ///
    /// Beside the new states it takes memory for the blocks that are read ahead: for each shard
    /// that is being filled, of which there are no more than cores, two times 8 MiB and up to two
    /// blocks a core.
    ///
    /// # Errors
    /// What the system said, where it gave no thread.
    pub fn rebuild(&self) -> Result<Rebuild, Error> {
        Rebuild::start(&self.held.live)
    }

    /// The aggregates that are parked, by shard and key, where that is the policy of the
    /// projection; see [`OnError::Park`](crate::projection::OnError::Park). Its states hold what
    /// came before the event that failed, and its [`progress`](Self::progress) passes over what
    /// waits.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        self.held.live.parked()
    }

    /// Applies what waits of an aggregate that is parked, from the event that failed on, each event
    /// once: for a handler that was mended since. Says whether it was parked; where an event fails
    /// again, it is from there on. What came of it is kept at once, where snapshots are.
    ///
    /// The shard's events wait meanwhile: for as long as it takes to read those of the aggregate,
    /// and to write the state.
    ///
    /// # Errors
    /// [`Error::Stopped`], damage, or what the disk said. What could not be read stays
    /// parked; what could not be kept is applied again by the next start.
    pub fn redrive(&self, key: &str) -> Result<bool, Error> {
        self.held.live.redrive(key)
    }

    /// The states as they were at a moment of the past, of all shards. [`AsOf::Position`] is taken
    /// in each shard. Takes the time of applying what came before that and after the nearest
    /// snapshot; nobody else waits for it. Events that were given up since do not count.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{ApplyError, Batch, Expected, NewEvent, Projection, Timeout};
    ///
    /// /// How many events there are.
    /// struct Count;
    ///
    /// impl Projection for Count {
    ///     const NAME: &'static str = "count";
    ///     const VERSION: u32 = 1;
    ///     type State = u64;
    ///
    ///     fn apply(&self, count: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *count += batch.rows().count() as u64;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let count = store.projection(Count).start()?;
    /// let opened = NewEvent::json("Opened", b"{}");
    /// let appended = store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// count.wait_for(appended.place(), Timeout::Error(std::time::Duration::from_secs(60)))?;
    /// use eventcask::{AsOf, Timestamp};
    /// let long_ago: Timestamp = "2001-01-01T00:00:00Z".parse()?;
    /// assert_eq!(count.as_of(AsOf::Time(long_ago))?.state_of("account-42"), &0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::Stopped`] where it fails on what is stored,
    /// damage, or what the disk said.
    pub fn as_of(&self, as_of: AsOf) -> Result<ProjectionAsOf<P>, Error> {
        let states = past::states_as_of(&self.held.live, as_of)?;
        Ok(ProjectionAsOf::new(
            &self.held.projection,
            self.held.inner.manifest.routing(),
            states,
        ))
    }

    /// How it is getting on: how far it is behind, and why it stopped, if it did.
    #[must_use]
    pub fn stats(&self) -> ProjectionStats {
        self.held.live.stats_of(P::VERSION)
    }
}
