//! An aggregate that waits, because one of its events failed.

/// An aggregate whose events are left out, because one of them failed: of a group of consumers, or
/// of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// Key of the aggregate.
    pub key: String,
    /// Version of the event that failed. It and all later ones wait.
    pub version: u64,
    /// The shard.
    pub shard: u32,
    /// Position of that event.
    pub position: u64,
    /// How often it has failed.
    pub tries: u32,
    /// What was said when it failed last.
    pub reason: String,
}
