//! Blocks that were read and checked, kept decoded for whoever asks for single events.

use std::fmt;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::Block;
use crate::BlockPlace;

/// Bytes of memory that the blocks of all shards may take together, unless set: of events that lie
/// scattered over the log each takes a block of 64 to 256 KiB, of which only some sections are
/// opened, so this keeps some five hundred at hand.
pub const BLOCK_CACHE_BYTES: u64 = 32 << 20;
/// Bytes of a block, about. The cache is cut into parts by it, each of some thirty blocks, and what is
/// larger than its part is never kept.
const BLOCK_BYTES: u64 = 128 << 10;
/// What a block takes beside its sections, about: its head and what the cache keeps for it.
const BLOCK_OVERHEAD_BYTES: u64 = 1024;

/// Shard and place of a block.
type BlockName = (u32, BlockPlace);

/// Decoded blocks, those that are asked for most; shared by all shards. A block is checked when it is
/// read, and not again for as long as it is kept.
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
