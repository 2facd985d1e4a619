//! Folds that users write.

use crate::{ApplyError, Batch};

/// A fold over the events of a shard: what becomes of a state by a batch of events.
///
/// It is pure: the same events in the same order give the same state, however they are cut into
/// batches. So it uses no clock, no random numbers, and nothing outside of the state. Each shard
/// has a state of its own, and each event is applied once.
///
/// ```
/// use eventcask_project::{ApplyError, Batch, PerAggregate, Projection};
///
/// /// How many events each aggregate has, and how many bytes they have.
/// struct Sizes;
///
/// impl Projection for Sizes {
///     const NAME: &'static str = "sizes";
///     const VERSION: u32 = 1;
///     type State = PerAggregate<(u64, u64)>;
///
///     fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
///         let mut sizes = state.of(batch);
///         for row in batch.rows() {
///             let (events, bytes) = &mut sizes[batch.aggregate_index(row)];
///             *events += 1;
///             *bytes += batch.payload(row).len() as u64;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// What it is called, in figures and where its states are kept: 1 to 64 letters, digits, `-`,
    /// `_` or `.`.
    const NAME: &'static str;

    /// Raise it whenever the same events give another state. Snapshots of another version are not
    /// used; the states are filled from the log.
    const VERSION: u32;

    /// Names of the event types that it is shown; by default all events are. Those of other types
    /// pass it by: their payloads are not even decompressed, and a position that it has come to is
    /// one before which nothing of interest is missing. States that were kept for other types are
    /// not taken up.
    ///
    /// ```
    /// use eventcask_project::{ApplyError, Batch, Projection};
    ///
    /// /// How many accounts were closed.
    /// struct Closed;
    ///
    /// impl Projection for Closed {
    ///     const NAME: &'static str = "closed";
    ///     const VERSION: u32 = 1;
    ///     const TYPES: Option<&'static [&'static str]> = Some(&["Closed"]);
    ///     type State = u64;
    ///
    ///     fn apply(&self, state: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *state += batch.len() as u64;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    const TYPES: Option<&'static [&'static str]> = None;

    /// What the keys of the aggregates begin with that it is shown; by default all are. Otherwise
    /// as [`TYPES`](Self::TYPES); with both, an event has to be one of both.
    ///
    /// ```
    /// use eventcask_project::{ApplyError, Batch, Projection};
    ///
    /// /// How many events orders have.
    /// struct OrderEvents;
    ///
    /// impl Projection for OrderEvents {
    ///     const NAME: &'static str = "order-events";
    ///     const VERSION: u32 = 1;
    ///     const KEY_PREFIX: Option<&'static str> = Some("order-");
    ///     type State = u64;
    ///
    ///     fn apply(&self, state: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *state += batch.len() as u64;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    const KEY_PREFIX: Option<&'static str> = None;

    /// Whether it looks at what events carry beside their payloads: ids of correlation and
    /// causation, headers, tags. By default it may. Where it says that it does not, metadata is not
    /// even decompressed, and it is told of none.
    ///
    /// ```
    /// use eventcask_project::{ApplyError, Batch, Projection};
    ///
    /// /// The number of events.
    /// struct Count;
    ///
    /// impl Projection for Count {
    ///     const NAME: &'static str = "count";
    ///     const VERSION: u32 = 1;
    ///     const METADATA: bool = false;
    ///     type State = u64;
    ///
    ///     fn apply(&self, state: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         *state += batch.len() as u64;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    const METADATA: bool = true;

    /// What is known of the events of one shard; its default is what is known of none.
    type State: Default + Send + 'static;

    /// Takes in the events of a batch.
    ///
    /// # Errors
    /// Why it could not. By default the projection then stops in this shard, as after a panic: what
    /// `state` holds is not used any more, and the store goes on. See `Error::Stopped` of
    /// `eventcask`. An error that names its event, by [`Batch::failed`], can park the aggregate of
    /// it instead.
    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError>;
}

/// A projection whose states of all shards make one.
///
/// ```
/// use eventcask_project::{ApplyError, Batch, Merge, Projection};
///
/// /// The number of events.
/// struct Count;
///
/// impl Projection for Count {
///     const NAME: &'static str = "count";
///     const VERSION: u32 = 1;
///     type State = u64;
///
///     fn apply(&self, state: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
///         *state += batch.len() as u64;
///         Ok(())
///     }
/// }
///
/// impl Merge for Count {
///     fn merge(&self, into: &mut u64, from: &u64) {
///         *into += from;
///     }
/// }
///
/// let mut all = 3;
/// Count.merge(&mut all, &4);
/// assert_eq!(all, 7);
/// ```
pub trait Merge: Projection {
    /// Adds what the state of another shard knows. The first shard is merged into the default
    /// state.
    fn merge(&self, into: &mut Self::State, from: &Self::State);
}
