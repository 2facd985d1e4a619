//! Segments to which nothing is added any more, and what is looked up in them.
//!
//! A sealed segment answers from its tables: a filter says in most cases that it has nothing,
//! otherwise one page of a table is read. Tables are derived from the blocks, so where one is
//! damaged, or the segment is not sealed, the blocks are read once and the answers come from
//! memory from then on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use eventcask_event::EventId;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::BlockPlace;
use crate::format::sealed_header::{Sealed, TableKind};
use crate::read::reader::BlockReader;
use crate::recovery::open_block;
use crate::sealed::cluster::Order;
use crate::sealed::filter;
use crate::sealed::index::{self, Index, KeyPlace};
use crate::sealed::pages;
use crate::segment::dir::ShardDir;
use crate::segment::scan::{Scan, Step};
use crate::{BlockHead, Error, ErrorKind, NewSegment, SourceMark};

/// A segment to which nothing is added any more.
pub struct EndedSegment {
    new: NewSegment,
    sealed: Sealed,
    gathered: OnceLock<Arc<Index>>,
    clusters_are_bad: AtomicBool,
}

impl fmt::Debug for EndedSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedSegment")
            .field("number", &self.new.number)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}

impl EndedSegment {
    pub(crate) fn new(new: NewSegment, sealed: Sealed) -> Self {
        Self {
            new,
            sealed,
            gathered: OnceLock::new(),
            clusters_are_bad: AtomicBool::new(false),
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.new.number
    }

    /// Position of the first event that was ever in it.
    #[must_use]
    pub fn first_position(&self) -> u64 {
        self.new.first_position
    }

    /// What its header says. Of a segment that is not sealed `rewrite` is 0, and there are no
    /// tables.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Whether its tables could be read whenever they were asked.
    #[must_use]
    pub fn answers_from_tables(&self) -> bool {
        self.gathered.get().is_none()
    }

    /// Whether it has a clustered copy that could be read whenever it was asked.
    #[must_use]
    pub fn has_good_clusters(&self) -> bool {
        // Relaxed: nothing else goes with it.
        self.sealed.is_clustered() && !self.has_bad_clusters()
    }

    /// Whether its clustered copy was found damaged.
    #[must_use]
    pub fn has_bad_clusters(&self) -> bool {
        self.clusters_are_bad.load(Ordering::Relaxed)
    }

    /// Whether it could have a clustered copy, and has none.
    #[must_use]
    pub fn lacks_clusters(&self) -> bool {
        let sealed = &self.sealed;
        let last = sealed.next_position.saturating_sub(1);
        let is_possible = Order::of(0, last, self.first_position()).is_some();
        sealed.events > 0 && is_possible && !sealed.is_clustered()
    }

    pub(crate) fn note_bad_clusters(&self) {
        self.clusters_are_bad.store(true, Ordering::Relaxed);
    }

    /// Whether it certainly holds no event that came with an id.
    #[must_use]
    pub fn has_no_ids(&self) -> bool {
        match self.gathered.get() {
            Some(index) => index.ids.is_empty(),
            None => self.sealed.rewrite > 0 && self.sealed.table(TableKind::IdPages).is_none(),
        }
    }

    /// How many blocks with events it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match (self.gathered.get(), self.sealed.table(TableKind::Blocks)) {
            (Some(index), _) => index.blocks.len() as u64,
            (None, Some(table)) => table.length / 48,
            (None, None) => 0,
        }
    }
}

/// Bytes of memory that the tables of all shards may take together, unless set.
pub const TABLE_CACHE_BYTES: u64 = 32 << 20;

type TableName = (u32, u64, u32, TableKind);

/// Filters, directories and block tables that were read, newest first; shared by all shards.
#[derive(Clone)]
pub struct TableCache {
    tables: Arc<Cache<TableName, Arc<[u8]>, TableWeight>>,
}

#[derive(Clone)]
struct TableWeight;

impl Weighter<TableName, Arc<[u8]>> for TableWeight {
    fn weight(&self, _: &TableName, table: &Arc<[u8]>) -> u64 {
        // What the cache itself keeps for an entry counts as well.
        table.len() as u64 + 64
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
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        // The number of entries is only a first guess at the size of a hash table.
        let tables = Cache::with_weighter(256, bytes.max(1), TableWeight);
        Self {
            tables: Arc::new(tables),
        }
    }

    /// Bytes that are kept now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tables.weight()
    }
}

impl BlockReader {
    /// The block of a segment that holds its first event at `position` or after it.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`], [`ErrorKind::Replaced`], or what the disk said.
    pub fn place_from(
        &self,
        segment: &EndedSegment,
        position: u64,
    ) -> Result<Option<BlockPlace>, Error> {
        let find = |blocks: &[BlockPlace]| {
            let at = blocks.partition_point(|block| block.next_position <= position);
            blocks.get(at).copied()
        };
        if let Some(index) = segment.gathered.get() {
            return Ok(find(&index.blocks));
        }
        let sealed = &segment.sealed;
        let found = self.decoded(segment, TableKind::Blocks, |table| {
            index::find_block(table, position, segment.number(), sealed)
        });
        match found {
            Ok(found) => Ok(found),
            Err(error) => Ok(find(&self.gather_after(segment, error)?.blocks)),
        }
    }

    /// Where an aggregate stands at the end of a segment, if it is in it.
    ///
    /// # Errors
    /// As [`place_from`](Self::place_from).
    pub fn find_key(&self, segment: &EndedSegment, key: &str) -> Result<Option<KeyPlace>, Error> {
        if let Some(index) = segment.gathered.get() {
            return Ok(index.keys.get(key).copied());
        }
        let hash = index::hash(self.dir().store, key.as_bytes());
        let tables = [
            TableKind::KeyFilter,
            TableKind::KeyDirectory,
            TableKind::KeyPages,
        ];
        let next = segment.sealed.next_position;
        match self.page(segment, tables, hash, |page| {
            index::find_key(page, key, next)
        }) {
            Ok(found) => Ok(found),
            Err(error) => Ok(self.gather_after(segment, error)?.keys.get(key).copied()),
        }
    }

    /// Position of the event of a segment that came with an id.
    ///
    /// # Errors
    /// As [`place_from`](Self::place_from).
    pub fn find_id(&self, segment: &EndedSegment, id: EventId) -> Result<Option<u64>, Error> {
        let id = id.as_u128();
        if let Some(index) = segment.gathered.get() {
            return Ok(index.ids.get(id));
        }
        let hash = index::hash(self.dir().store, &id.to_le_bytes());
        let tables = [
            TableKind::IdFilter,
            TableKind::IdDirectory,
            TableKind::IdPages,
        ];
        let next = segment.sealed.next_position;
        match self.page(segment, tables, hash, |page| index::find_id(page, id, next)) {
            Ok(found) => Ok(found),
            Err(error) => Ok(self.gather_after(segment, error)?.ids.get(id)),
        }
    }

    /// How far sources were consumed at the end of a segment, as far as it tells.
    ///
    /// # Errors
    /// As [`place_from`](Self::place_from).
    pub fn marks(&self, segment: &EndedSegment) -> Result<Vec<SourceMark>, Error> {
        if let Some(index) = segment.gathered.get() {
            return Ok(index.marks.clone());
        }
        let decoded = self.decoded(segment, TableKind::Marks, index::decode_marks);
        decoded.or_else(|error| Ok(self.gather_after(segment, error)?.marks.clone()))
    }

    /// The aggregates whose beginning was given up by events of a segment, with the first
    /// version that is still there.
    ///
    /// # Errors
    /// As [`place_from`](Self::place_from).
    pub fn truncations(&self, segment: &EndedSegment) -> Result<Vec<(String, u64)>, Error> {
        let of = |index: &Index| index.truncations.clone().into_iter().collect();
        if let Some(index) = segment.gathered.get() {
            return Ok(of(index));
        }
        let decoded = self.decoded(segment, TableKind::Truncations, index::decode_truncations);
        decoded.or_else(|error| Ok(of(&*self.gather_after(segment, error)?)))
    }

    /// A table that need not be there, decoded.
    fn decoded<T: Default>(
        &self,
        segment: &EndedSegment,
        kind: TableKind,
        decode: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<T, Error> {
        let Some(place) = segment.sealed.table(kind).map(|table| table.place) else {
            return Ok(T::default());
        };
        let table = self.table(segment, kind)?;
        decode(&table).map_err(|reason| self.damaged(segment, place, reason))
    }

    /// Looks something up by its hash: in the filter, then in the one page that can have it.
    fn page<T>(
        &self,
        segment: &EndedSegment,
        [filter, directory, pages]: [TableKind; 3],
        hash: u64,
        find: impl FnOnce(&[u8]) -> Result<Option<T>, &'static str>,
    ) -> Result<Option<T>, Error> {
        let Some(table) = segment.sealed.table(pages) else {
            return Ok(None);
        };
        if !filter::may_hold(&self.table(segment, filter)?, hash) {
            return Ok(None);
        }
        let directory = self.table(segment, directory)?;
        let Some(page) = pages::find(&directory, hash) else {
            return Ok(None);
        };
        if u64::from(page.end) > table.length {
            return Err(self.damaged(segment, table.place, "a page goes beyond its table"));
        }
        let place = table.place + u64::from(page.start);
        let bytes = self.bytes(segment, place, u64::from(page.end - page.start), page.crc)?;
        find(&bytes).map_err(|reason| self.damaged(segment, place, reason))
    }

    /// A table, from memory where it was read before; empty where the segment has none.
    pub(crate) fn table(
        &self,
        segment: &EndedSegment,
        kind: TableKind,
    ) -> Result<Arc<[u8]>, Error> {
        let Some(table) = segment.sealed.table(kind) else {
            return Ok(Arc::default());
        };
        let name = (
            self.dir().shard,
            segment.number(),
            segment.sealed.rewrite,
            kind,
        );
        if let Some(kept) = self.tables().tables.get(&name) {
            return Ok(kept);
        }
        let bytes: Arc<[u8]> = self
            .bytes(segment, table.place, table.length, table.crc)?
            .into();
        self.tables().tables.insert(name, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// Bytes of a sealed segment that have this checksum.
    fn bytes(
        &self,
        segment: &EndedSegment,
        place: u64,
        length: u64,
        crc: u32,
    ) -> Result<Vec<u8>, Error> {
        let file = self.file(segment.number(), segment.sealed.rewrite)?;
        let failed = |e| Error::io("read", &self.dir().describe(segment.number()), e);
        // Room is made only for what is there.
        if file.len().map_err(failed)? < place.saturating_add(length) {
            return Err(self.damaged(segment, place, "a table is cut short"));
        }
        let mut bytes = vec![0; length as usize];
        let read = file.read_at(&mut bytes, place).map_err(failed)?;
        if read < bytes.len() || crc32c::crc32c(&bytes) != crc {
            return Err(self.damaged(segment, place, "the checksum of a table is wrong"));
        }
        Ok(bytes)
    }

    pub(crate) fn damaged(&self, segment: &EndedSegment, place: u64, reason: &str) -> Error {
        Error::damaged(&self.dir().describe(segment.number()), place, reason)
    }

    /// What the tables would say, where one of them is damaged.
    fn gather_after(&self, segment: &EndedSegment, error: Error) -> Result<Arc<Index>, Error> {
        if error.kind() != ErrorKind::Damaged {
            return Err(error);
        }
        let mut scan = self.dir().scan_again(segment)?;
        let index = gather(&mut scan, segment.sealed.rewrite)?;
        Ok(Arc::clone(segment.gathered.get_or_init(|| Arc::new(index))))
    }
}

impl ShardDir {
    /// A walk over a segment that must still be the same.
    fn scan_again(&self, segment: &EndedSegment) -> Result<Scan, Error> {
        let (scan, header) = Scan::begin(self, segment.number())?;
        let rewrite = header.sealed.map_or(0, |sealed| sealed.rewrite);
        if rewrite == segment.sealed.rewrite {
            Ok(scan)
        } else {
            Err(Error::replaced(&self.describe(segment.number())))
        }
    }

    /// A segment that is complete but not sealed, though a later one is: its blocks are read,
    /// and it answers from memory.
    pub(crate) fn gather_unsealed(
        &self,
        mut scan: Scan,
        new: NewSegment,
    ) -> Result<EndedSegment, Error> {
        let mut sealed = Sealed::default();
        let index = gather_noting(&mut scan, 0, &mut |head| {
            sealed.epoch = head.epoch;
            sealed.raw_bytes += head.raw_bytes();
        })?;
        let rows = index.blocks.iter().map(|at| u64::from(at.rows));
        (sealed.first_commit, sealed.last_commit) = index.commit_range();
        sealed.newest_commit = sealed.last_commit;
        sealed.events = rows.sum();
        sealed.first_events = index.first_events;
        sealed.next_position = scan.next_position;
        sealed.last_crc = scan.previous_crc;
        (sealed.blocks_end, sealed.length) = (scan.place, scan.place);
        let segment = EndedSegment::new(new, sealed);
        let _ = segment.gathered.set(Arc::new(index));
        Ok(segment)
    }
}

fn gather(scan: &mut Scan, rewrite: u32) -> Result<Index, Error> {
    gather_noting(scan, rewrite, &mut |_| ())
}

/// Gathers what the tables say from the blocks themselves.
fn gather_noting(
    scan: &mut Scan,
    rewrite: u32,
    note: &mut dyn FnMut(&BlockHead),
) -> Result<Index, Error> {
    let mut index = Index::default();
    loop {
        match scan.step()? {
            Step::End => {
                index.ids.settle();
                return Ok(index);
            }
            Step::Bad(reason) => return Err(scan.damaged(reason)),
            Step::Block(head) => {
                note(&head);
                let block = (head.rows > 0).then(|| open_block(scan, &head));
                index.add(&head, rewrite, block.transpose()?.as_ref());
            }
        }
    }
}
