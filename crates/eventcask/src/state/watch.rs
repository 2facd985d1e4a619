//! Who is told of each batch that was applied to a state.

use std::sync::Weak;

use eventcask_project::Batch;

/// What is told of the states of a projection, under the lock of the one that it is about.
pub(crate) trait Watch<S>: Send + Sync {
    /// A batch was applied to the state of its shard.
    fn applied(&self, state: &S, batch: &Batch<'_>);

    /// The state of a shard has come to a position.
    fn reached(&self, shard: u32, progress: u64);

    /// A state was replaced, or has stopped.
    fn replaced(&self);
}

/// Those who watch a state, for as long as they do.
pub(crate) type Watches<S> = Vec<Weak<dyn Watch<S>>>;
