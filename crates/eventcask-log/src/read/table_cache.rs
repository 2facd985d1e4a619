//! Tables of sealed segments, and pages of them, that were read and checked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::TableKind;

/// Bytes of memory that the tables of all shards may take together, unless set.
pub const TABLE_CACHE_BYTES: u64 = 32 << 20;
/// The cache is cut into parts, so that threads seldom wait for each other. What is larger than its
/// part is never kept: the largest table of blocks of a segment of 1 GiB takes 1 MiB.
const PART_BYTES: u64 = 4 << 20;
const MAX_PARTS: u64 = 8;
/// Bytes of an entry, about: most are pages. It is only a first guess at the size of a hash table.
const ENTRY_BYTES: u64 = 4096;
/// What the cache itself keeps for an entry.
const OVERHEAD_BYTES: u64 = 64;

/// Of so many pages that are read one is kept, where there is no room for all.
const TURNS: u64 = 8;

/// Which table it is, or which page of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    pub(crate) shard: u32,
    pub(crate) segment: u64,
    pub(crate) rewrite: u32,
    pub(crate) kind: TableKind,
    /// Where a page starts in its table; 0 for a table that is read as a whole.
    pub(crate) start: u32,
}

/// Tables and pages that are asked for most; shared by all shards.
#[derive(Clone)]
pub struct TableCache {
    tables: Arc<Cache<TableName, Arc<[u8]>, TableWeight, RandomState>>,
    /// Bytes that were offered so far.
    offered: Arc<AtomicU64>,
    limit: u64,
}

#[derive(Clone)]
struct TableWeight;

impl Weighter<TableName, Arc<[u8]>> for TableWeight {
    fn weight(&self, _: &TableName, table: &Arc<[u8]>) -> u64 {
        table.len() as u64 + OVERHEAD_BYTES
    }
}

impl fmt::Debug for TableCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableCache({} bytes)", self.tables.weight())
    }
}

impl Default for TableCache {
    fn default() -> Self {
        Self::new(TABLE_CACHE_BYTES)
    }
}

impl TableCache {
    /// A cache of up to `bytes`.
    ///
    /// # Panics
    /// Never: all that the cache asks for is set.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        // Not by the number of cores: on many of them a part would be smaller than a table.
        let parts = (bytes / PART_BYTES).clamp(1, MAX_PARTS);
        let options = OptionsBuilder::new()
            .shards(parts as usize)
            .estimated_items_capacity((bytes / ENTRY_BYTES).clamp(256, 1 << 16) as usize)
            .weight_capacity(bytes.max(1))
            .build()
            .expect("both capacities are set");
        let tables = Cache::with_options(
            options,
            TableWeight,
            RandomState::default(),
            DefaultLifecycle::default(),
        );
        Self {
            tables: Arc::new(tables),
            offered: Arc::default(),
            limit: bytes,
        }
    }

    /// Bytes that are kept now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tables.weight()
    }

    pub(crate) fn get(&self, name: &TableName) -> Option<Arc<[u8]>> {
        self.tables.get(name)
    }

    /// Whether so many bytes that were read are to be kept: all while there is room, then one in
    /// [`TURNS`]. Where look-ups are spread over more than there is room for, to keep what will be
    /// pushed out takes longer than to read it, and what is asked for often has its turn soon.
    pub(crate) fn has_turn(&self, bytes: u64) -> bool {
        // Relaxed: nothing else goes with the number.
        let offered = self.offered.fetch_add(bytes, Ordering::Relaxed);
        offered < self.limit || offered % (bytes.max(1) * TURNS) < bytes
    }

    pub(crate) fn insert(&self, name: TableName, table: &Arc<[u8]>) {
        self.tables.insert(name, Arc::clone(table));
    }
}
