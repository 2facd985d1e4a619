//! Reading the log: one aggregate, or the events of all in the order of their commits.

pub(crate) mod event;
mod block_events;
pub(crate) mod shard_events;
pub(crate) mod merge;
pub(crate) mod aggregate;
pub(crate) mod query;
mod batches;
mod find;
pub(crate) mod consumed;

pub use aggregate::AggregateEvents;
pub use batches::{BatchIter, StoredBatch};
pub use consumed::Consumed;
pub use query::EventIter;
