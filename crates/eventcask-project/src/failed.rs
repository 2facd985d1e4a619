//! Why a projection could not take in a batch.

/// Why a projection could not take in a batch: whatever its own code says.
pub type ApplyError = Box<dyn std::error::Error + Send + Sync>;

/// An event that a projection could not take in, as [`Batch::failed`](crate::Batch::failed) names
/// it.
#[derive(Debug, thiserror::Error)]
#[error(
    "version {version} of aggregate {key:?}, at position {position}, can not be applied: {reason}"
)]
pub struct FailedEvent {
    /// Its row in the batch.
    pub row: usize,
    /// Key of its aggregate.
    pub key: String,
    /// Its version there.
    pub version: u64,
    /// Its position in the shard.
    pub position: u64,
    /// What the projection says.
    pub reason: ApplyError,
}
