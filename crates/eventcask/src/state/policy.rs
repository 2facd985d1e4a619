//! How much is applied at once, and when states are saved.

use std::time::Duration;

/// Events of a batch behind the acknowledgement. A reader waits for a batch at most, and that many
/// take about a millisecond.
pub(crate) const BATCH_EVENTS: u64 = 10_000;
/// Bytes of the blocks of a batch: they are in memory until it is applied.
pub(crate) const BATCH_BYTES: u64 = 4 << 20;

/// Shortest time between two looks whether a state is to be saved: far below what a snapshot takes,
/// and long enough to cost nothing.
const SHORTEST_TIME: Duration = Duration::from_millis(1);

/// When the states of a projection are saved: whenever one of these has come together since the
/// time before, in one shard. A state is also saved when its projection ends.
///
/// ```
/// use std::time::Duration;
/// use eventcask::projection::SnapshotPolicy;
/// let policy = SnapshotPolicy::default().events(100_000).time(Duration::from_secs(60));
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SnapshotPolicy {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Option<Duration>,
}

impl Default for SnapshotPolicy {
    /// After a million events: what a restart has to apply again at most, about a second's work.
    fn default() -> Self {
        Self {
            events: 1_000_000,
            bytes: u64::MAX,
            time: None,
        }
    }
}

impl SnapshotPolicy {
    /// After so many events.
    pub fn events(mut self, events: u64) -> Self {
        self.events = events.max(1);
        self
    }

    /// After so many bytes of blocks, as they are stored.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes.max(1);
        self
    }

    /// After so much time, and at least a millisecond, where anything was applied.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time.max(SHORTEST_TIME));
        self
    }
}

/// What becomes of a projection whose `apply` gives an error.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::{ApplyError, Batch, NewEvent, PerAggregate, Projection};
/// use eventcask::projection::OnError;
///
/// /// The cents of each account.
/// struct Balances;
///
/// impl Projection for Balances {
///     const NAME: &'static str = "balances";
///     const VERSION: u32 = 1;
///     type State = PerAggregate<i64>;
///
///     fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
///         let mut balances = state.of(batch);
///         for row in batch.rows() {
///             let cents = batch.payload(row).try_into();
///             let cents = cents.map_err(|error| batch.failed(row, error))?;
///             balances[batch.aggregate_index(row)] += i64::from_le_bytes(cents);
///         }
///         Ok(())
///     }
/// }
///
/// let balances = store.projection(Balances).sync().on_error(OnError::Park).start()?;
/// let mut producer = store.producer();
/// producer.push("account-1", &NewEvent::bytes("Deposited", b"five"))?;
/// producer.push("account-2", &NewEvent::bytes("Deposited", &5_i64.to_le_bytes()))?;
/// producer.flush()?.wait()?;
///
/// assert_eq!(balances.parked()[0].key, "account-1");
/// let cents = balances.read_of("account-2", |state| state.get("account-2").copied())?;
/// assert_eq!(cents, Some(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnError {
    /// It stops in that shard, as after a panic.
    #[default]
    Stop,
    /// The aggregate of the event that [`Batch::failed`](crate::Batch::failed) named is parked:
    /// this event and all later ones of it are left out until it is
    /// [redriven](crate::ProjectionHandle::redrive), and everything else goes on. At most 10,000
    /// aggregates of a shard are parked; then it stops, as it does for an error that names no event
    /// and after a panic.
    ///
    /// What is redriven is applied after events of other aggregates that came later. So it is for
    /// states in which aggregates do not depend on one another, such as
    /// [`PerAggregate`](crate::PerAggregate), sums and counts.
    Park,
}

/// How much is applied at once behind the acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}
