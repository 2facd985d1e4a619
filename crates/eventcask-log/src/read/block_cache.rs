//! Blocks that were read, checked and decoded, kept for reads of single events.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::Block;
use crate::BlockPlace;

/// Bytes of memory that the blocks of all shards may take together, unless set. Events that lie
/// scattered over the log take a block each, of 64 to 256 KiB. Only some of its sections are
/// opened, so some five hundred blocks fit.
pub const BLOCK_CACHE_BYTES: u64 = 32 << 20;
/// Bytes of a block, about. They decide into how many parts the cache is cut: a part takes some
/// thirty blocks. A block larger than a part is never kept.
const BLOCK_BYTES: u64 = 128 << 10;
/// What a block takes beside its sections, about: its head and what the cache keeps for it.
const BLOCK_OVERHEAD_BYTES: u64 = 1024;

/// Shard and place of a block.
type BlockName = (u32, BlockPlace);

/// The decoded blocks that are read most, of all shards. A block is checked when it is read, and
/// not again while it is kept.
#[derive(Clone)]
pub struct BlockCache {
    blocks: Arc<Cache<BlockName, Arc<Block>, BlockWeight>>,
}

#[derive(Clone)]
struct BlockWeight;

impl Weighter<BlockName, Arc<Block>> for BlockWeight {
    fn weight(&self, _: &BlockName, block: &Arc<Block>) -> u64 {
        let starts = u64::from(block.head().rows) * 4;
        block.raw_bytes() as u64 + starts + BLOCK_OVERHEAD_BYTES
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockCache({} bytes)", self.bytes())
    }
}

impl Default for BlockCache {
    fn default() -> Self {
        Self::new(BLOCK_CACHE_BYTES)
    }
}

impl BlockCache {
    /// A cache of up to `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let blocks = (bytes / BLOCK_BYTES).clamp(1, 1024) as usize;
        let blocks = Cache::with_weighter(blocks, bytes.max(1), BlockWeight);
        Self {
            blocks: Arc::new(blocks),
        }
    }

    /// Bytes that are kept now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.weight()
    }

    pub(crate) fn get(&self, shard: u32, at: &BlockPlace) -> Option<Arc<Block>> {
        self.blocks.get(&(shard, *at))
    }

    pub(crate) fn insert(&self, shard: u32, at: &BlockPlace, block: &Arc<Block>) {
        self.blocks.insert((shard, *at), Arc::clone(block));
    }

    /// Lets go of the blocks of a segment that was written anew.
    pub(crate) fn forget(&self, shard: u32, segment: u64) {
        self.blocks
            .retain(|(of, at), _| (*of, at.segment) != (shard, segment));
    }
}
