//! Folds that users write.

use crate::Batch;

/// A fold over the events of a shard: what becomes of a state by a batch of events.
///
/// It is pure: the same events in the same order give the same state, however they are cut into
/// batches. So it uses no clock, no random numbers, and nothing outside of the state. Each shard
/// has a state of its own, and each event is applied once.
///
/// ```
/// use eventcask_project::{Batch, Keyed, Projection};
///
/// /// How many events each aggregate has, and how many bytes they have.
/// struct Sizes;
///
/// impl Projection for Sizes {
///     type State = Keyed<(u64, u64)>;
///
///     fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) {
///         let mut sizes = state.of(batch);
///         for row in batch.rows() {
///             let (events, bytes) = &mut sizes[batch.aggregate_index(row)];
///             *events += 1;
///             *bytes += batch.payload(row).len() as u64;
///         }
///     }
/// }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// What is known of the events of one shard; its default is what is known of none.
    type State: Default + Send + 'static;

    /// Takes in the events of a batch. A panic stops the projection in this shard.
    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>);
}
