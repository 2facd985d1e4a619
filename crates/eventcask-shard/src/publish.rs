//! What happens to a block once it is durable.

use eventcask_log::Block;

/// Follows the durable blocks of a shard: the seam to projections, which this crate does not
/// know.
pub trait Apply: Send {
    /// Takes a block that has just become durable. Blocks of a shard come in order, each once.
    fn apply(&mut self, block: &Block);

    /// Takes note that something is settled that was under way, whether a block came of it or not.
    fn settled(&mut self) {}

    /// Takes note that the shard has stopped, and why.
    fn stopped(&mut self, _reason: &str) {}
}
