//! How a projection is started.

use std::sync::Arc;
use std::time::Duration;

use eventcask_project::{Projection, Snapshot};

use crate::StoreReader;
use crate::state::definition::Codec;
use crate::state::policy::{BATCH_BYTES, BATCH_EVENTS, BatchLimits, OnError, SnapshotPolicy};
use crate::store::inner::Inner;

/// How a projection is to follow a store; [`start`](Self::start) begins. From
/// [`Store::projection`](crate::StoreReader::projection).
///
/// ```
/// use eventcask::{ApplyError, Batch, PerAggregate, Projection};
/// use eventcask::projection::SnapshotPolicy;
///
/// /// How many events each aggregate has.
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
/// let counts = store.projection(Counts).snapshots(SnapshotPolicy::default()).start()?;
/// assert_eq!(counts.stats().name, "counts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct ProjectionOptions<P: Projection> {
    pub(crate) inner: Arc<Inner>,
    pub(crate) projection: P,
    pub(crate) is_sync: bool,
    pub(crate) on_error: OnError,
    pub(crate) limits: BatchLimits,
    pub(crate) snapshots: Option<(SnapshotPolicy, Codec<P::State>)>,
}

impl<P: Projection> std::fmt::Debug for ProjectionOptions<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProjectionOptions")
            .field("name", &P::NAME)
            .field("is_sync", &self.is_sync)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<P: Projection> ProjectionOptions<P> {
    pub(crate) fn new(inner: Arc<Inner>, projection: P) -> Self {
        Self {
            inner,
            projection,
            is_sync: false,
            on_error: OnError::Stop,
            limits: BatchLimits {
                events: BATCH_EVENTS,
                bytes: BATCH_BYTES,
                time: Duration::ZERO,
            },
            snapshots: None,
        }
    }

    /// Applies each event before its append is answered, on the thread of its shard: a state that
    /// is asked for holds all that was acknowledged. By default events are applied behind the
    /// acknowledgement, on a thread of the projection's own.
    pub fn sync(mut self) -> Self {
        self.is_sync = true;
        self
    }

    /// What becomes of it where its `apply` gives an error. By default it stops in that shard.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// Events that are applied at once behind the acknowledgement, about: whole blocks are. 10,000
    /// by default.
    pub fn batch_events(mut self, events: u64) -> Self {
        self.limits.events = events.max(1);
        self
    }

    /// Bytes of blocks, as they are stored, that are applied at once behind the acknowledgement: 4
    /// MiB by default.
    pub fn batch_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes.max(1);
        self
    }

    /// How long a batch behind the acknowledgement waits to be full, of events or of bytes. By
    /// default not at all: what is there is applied.
    pub fn batch_time(mut self, time: Duration) -> Self {
        self.limits.time = time;
        self
    }

    /// Saves the states, so that a start takes up the newest snapshots and only what came after
    /// them. In a store that is open for reading only they are taken up and never written.
    ///
    /// No shard waits for it: a snapshot is made of the one before and the log, on a thread of its
    /// own and with a state of its own, one shard after the other. So a state is twice in memory
    /// while it is saved.
    pub fn snapshots(mut self, policy: SnapshotPolicy) -> Self
    where
        P::State: Snapshot,
    {
        self.snapshots = Some((policy, Codec::of_snapshots()));
        self
    }
}

impl StoreReader {
    /// Has a projection follow the store, as its options say; [`ProjectionOptions::start`] begins.
    /// In a store that is open for reading only, it follows what [`refresh`](Self::refresh) finds.
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
    pub fn projection<P: Projection>(&self, projection: P) -> ProjectionOptions<P> {
        ProjectionOptions::new(Arc::clone(&self.inner), projection)
    }
}
