//! What is kept in memory of what was read; shared by all shards of a store.

use crate::read::block_cache::BlockCache;
use crate::sealed::ended::TableCache;

/// The caches of a store; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Caches {
    /// Tables of sealed segments.
    pub tables: TableCache,
    /// Blocks.
    pub blocks: BlockCache,
}

impl Caches {
    /// Caches of so many bytes each.
    #[must_use]
    pub fn new(table_bytes: u64, block_bytes: u64) -> Self {
        Self {
            tables: TableCache::new(table_bytes),
            blocks: BlockCache::new(block_bytes),
        }
    }
}
