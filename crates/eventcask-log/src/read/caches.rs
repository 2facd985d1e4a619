//! Tables and blocks that are kept in memory, for all shards of a store together.

use crate::read::block_cache::BlockCache;
use crate::read::table_cache::TableCache;
use crate::sealed::budget::Budget;

/// Bytes of memory that the filters of all shards may take together, unless set: those of 150
/// million ids.
pub const FILTER_BYTES: u64 = 256 << 20;
/// Bytes of memory that pages of tables may take together, unless set.
pub const PAGE_CACHE_BYTES: u64 = 128 << 20;
/// Segment files that a shard keeps open, unless set.
const KEPT_FILES: usize = 16;

/// The caches of a store; clones share them.
#[derive(Debug, Clone)]
pub struct Caches {
    /// Tables of sealed segments.
    pub tables: TableCache,
    /// Pages of those of their tables that are looked up by a hash.
    pub pages: TableCache,
    /// Blocks.
    pub blocks: BlockCache,
    /// Memory for the filters of sealed segments. One that was read once stays as long as its
    /// segment; where there is no room for it, a question goes to the table behind it.
    pub filters: Budget,
    /// How many segment files a shard keeps open.
    pub kept_files: usize,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            tables: TableCache::default(),
            pages: TableCache::new(PAGE_CACHE_BYTES),
            blocks: BlockCache::default(),
            filters: Budget::new(FILTER_BYTES),
            kept_files: KEPT_FILES,
        }
    }
}

impl Caches {
    /// Caches of so many bytes each.
    #[must_use]
    pub fn new(table_bytes: u64, block_bytes: u64) -> Self {
        Self {
            tables: TableCache::new(table_bytes),
            blocks: BlockCache::new(block_bytes),
            ..Self::default()
        }
    }
}
