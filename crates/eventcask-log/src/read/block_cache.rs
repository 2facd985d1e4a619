//! Blocks, and parts of blocks, that were read, checked and decoded, kept for reads of single
//! events.

use std::fmt;
use std::sync::Arc;

use eventcask_event::Words;
use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::format::front::Front;
use crate::read::kept_group::{KeptGroup, KeptMetadata};
use crate::{Block, BlockPlace};

/// Bytes of memory that blocks and their parts may take together, of all shards, unless set. An
/// event that lies by itself takes up to 32 KiB, the group of its row and the chunk that its payload
/// is in, and four times as much where blocks are compressed. What is read again and again should fit; nothing is taken before it is read.
pub const BLOCK_CACHE_BYTES: u64 = 256 << 20;
/// Bytes of what is kept, about. They decide into how many pieces the cache is cut: a piece takes
/// some thirty of them. A block that is larger than a piece is never kept.
const KEPT_BYTES: u64 = 16 << 10;
/// The most of them that the cache makes room for in advance.
const MOST_KEPT: u64 = 16 << 10;
/// What a block takes beside its columns and payloads, about: its head and what the cache keeps for
/// it.
const BLOCK_OVERHEAD_BYTES: u64 = 1024;
/// The same of a part of a block.
const PART_OVERHEAD_BYTES: u64 = 256;

/// What is kept under a name.
#[derive(Clone)]
pub(crate) enum Kept {
    /// A whole block, of which some payloads may be shut.
    Block(Arc<Block>),
    /// The head and the types of a block.
    Front(Arc<Front>),
    /// The rows of a group.
    Group(Arc<KeptGroup>),
    /// The metadata of a group.
    Metadata(Arc<KeptMetadata>),
    /// The words of a block.
    Words(Arc<Words>),
    /// A chunk of payloads.
    Payloads(Arc<[u8]>),
}

/// Of what a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// All of a block.
    Whole,
    /// Its head and types.
    Front,
    /// The group with this index.
    Group(u32),
    /// The metadata of the group with this index.
    Metadata(u32),
    /// Its words.
    Words,
    /// The section with this index.
    Section(u16),
}

/// Where a block is, and what of it. In one form of a segment no place is ever that of two blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    segment: u64,
    place: u64,
    rewrite: u32,
    shard: u32,
    part: Part,
}

impl Name {
    fn new(shard: u32, at: &BlockPlace, part: Part) -> Self {
        Self {
            segment: at.segment,
            place: at.place,
            rewrite: at.rewrite,
            shard,
            part,
        }
    }
}

/// The decoded blocks and parts of blocks that are read most, of all shards. Each is checked when it
/// is read, and not again while it is kept.
#[derive(Clone)]
pub struct BlockCache {
    kept: Arc<Cache<Name, Kept, Weight, RandomState>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Name, Kept> for Weight {
    fn weight(&self, _: &Name, kept: &Kept) -> u64 {
        match kept {
            Kept::Block(block) => {
                let starts = u64::from(block.head().rows) * 4;
                block.raw_bytes() as u64 + starts + BLOCK_OVERHEAD_BYTES
            }
            Kept::Front(front) => front.bytes() as u64 + PART_OVERHEAD_BYTES,
            Kept::Group(group) => group.bytes() as u64 + PART_OVERHEAD_BYTES,
            Kept::Metadata(metadata) => metadata.bytes() as u64 + PART_OVERHEAD_BYTES,
            Kept::Words(words) => words.size() as u64 + PART_OVERHEAD_BYTES,
            Kept::Payloads(bytes) => bytes.len() as u64 + PART_OVERHEAD_BYTES,
        }
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
        let some = (bytes / KEPT_BYTES).clamp(1, MOST_KEPT) as usize;
        let (hasher, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        let kept = Cache::with(some, bytes.max(1), Weight, hasher, lifecycle);
        Self {
            kept: Arc::new(kept),
        }
    }

    /// Whether so many bytes could be kept.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        self.kept.capacity() >= bytes
    }

    /// Bytes that are kept now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.kept.weight()
    }

    pub(crate) fn get(&self, shard: u32, at: &BlockPlace) -> Option<Arc<Block>> {
        match self.part(shard, at, Part::Whole) {
            Some(Kept::Block(block)) => Some(block),
            _ => None,
        }
    }

    pub(crate) fn insert(&self, shard: u32, at: &BlockPlace, block: &Arc<Block>) {
        self.insert_part(shard, at, Part::Whole, Kept::Block(Arc::clone(block)));
    }

    pub(crate) fn part(&self, shard: u32, at: &BlockPlace, part: Part) -> Option<Kept> {
        self.kept.get(&Name::new(shard, at, part))
    }

    pub(crate) fn insert_part(&self, shard: u32, at: &BlockPlace, part: Part, kept: Kept) {
        self.kept.insert(Name::new(shard, at, part), kept);
    }

    /// Lets go of the blocks of a segment that was written anew.
    pub(crate) fn forget(&self, shard: u32, segment: u64) {
        self.kept
            .retain(|name, _| (name.shard, name.segment) != (shard, segment));
    }
}
