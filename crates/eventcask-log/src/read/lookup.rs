//! Looks single things up in segments to which nothing is added any more.
//!
//! A sealed segment answers from its tables: a filter says in most cases that it has nothing,
//! otherwise one page of a table is read. Tables are derived from the blocks, so where one is
//! damaged, or the segment is not sealed, the blocks are read once and the answers come from
//! memory from then on.

use std::sync::{Arc, OnceLock};

use crate::format::checksum::checksum;
use crate::format::sealed_header::{Table, TableKind};
use crate::read::reader::{BlockReader, with_room};
use crate::read::table_cache::TableName;
use crate::sealed::closed::{ClosedSegment, KeptFilter};
use crate::sealed::filter;
use crate::sealed::gather::gather;
use crate::sealed::index::{self, IdPlace, IdQuery, Index};
use crate::sealed::keys::KeyPlace;
use crate::sealed::pages::{self, Page};
use crate::{BlockPlace, Error, ErrorKind, SourceMark};

/// So much room is made without a look at how long the file is.
const SMALL_BYTES: u64 = 64 << 10;

/// A table that is looked up by hash: what says that it has nothing, where its pages end, and they.
struct Paged {
    filter: TableKind,
    directory: TableKind,
    pages: TableKind,
    kept: fn(&ClosedSegment) -> &OnceLock<KeptFilter>,
}

const KEYS: Paged = Paged {
    filter: TableKind::KeyFilter,
    directory: TableKind::KeyDirectory,
    pages: TableKind::KeyPages,
    kept: |segment| &segment.key_filter,
};
const IDS: Paged = Paged {
    filter: TableKind::IdFilter,
    directory: TableKind::IdDirectory,
    pages: TableKind::IdPages,
    kept: |segment| &segment.id_filter,
};

impl BlockReader {
    /// The block of a segment that holds its first event at `position` or after it.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`], [`ErrorKind::Replaced`], or what the disk said.
    pub fn place_from(
        &self,
        segment: &ClosedSegment,
        position: u64,
    ) -> Result<Option<BlockPlace>, Error> {
        let find = |blocks: &[BlockPlace]| {
            let at = blocks.partition_point(|block| block.next_position <= position);
            blocks.get(at).copied()
        };
        if let Some(index) = segment.gathered.get() {
            return Ok(find(&index.blocks));
        }
        let sealed = segment.sealed();
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
    pub fn find_key(&self, segment: &ClosedSegment, key: &str) -> Result<Option<KeyPlace>, Error> {
        if let Some(index) = segment.gathered.get() {
            return Ok(index.place_of(key));
        }
        let hash = index::hash(self.dir().store, key.as_bytes());
        let next = segment.sealed().next_position;
        match self.find_in_page(segment, &KEYS, hash, |page| {
            index::find_key(page, key, next)
        }) {
            Ok(found) => Ok(found),
            Err(error) => Ok(self.gather_after(segment, error)?.place_of(key)),
        }
    }

    /// The newest event of a segment that came with an id and lies before `before`. Several
    /// aggregates may have an event with the same id.
    ///
    /// # Errors
    /// As [`place_from`](Self::place_from).
    pub fn find_id(
        &self,
        segment: &ClosedSegment,
        query: &IdQuery,
        before: u64,
    ) -> Result<Option<IdPlace>, Error> {
        let IdQuery { id, hash } = *query;
        if let Some(index) = segment.gathered.get() {
            return Ok(index.ids.newest(id, before));
        }
        if segment.lacks_id(hash) {
            return Ok(None);
        }
        let next = segment.sealed().next_position;
        match self.find_in_page(segment, &IDS, hash, |page| {
            index::find_id(page, id, before, next)
        }) {
            Ok(found) => Ok(found),
            Err(error) => Ok(self.gather_after(segment, error)?.ids.newest(id, before)),
        }
    }

    /// How far sources were consumed at the end of a segment, as far as it tells.
    ///
    /// # Errors
    /// As [`place_from`](Self::place_from).
    pub fn marks(&self, segment: &ClosedSegment) -> Result<Vec<SourceMark>, Error> {
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
    pub fn truncations(&self, segment: &ClosedSegment) -> Result<Vec<(String, u64)>, Error> {
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
        segment: &ClosedSegment,
        kind: TableKind,
        decode: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<T, Error> {
        let Some(place) = segment.sealed().table(kind).map(|table| table.place) else {
            return Ok(T::default());
        };
        let table = self.table(segment, kind)?;
        decode(&table).map_err(|reason| self.damaged(segment, place, reason))
    }

    /// Looks something up by its hash: in the filter, then in the one page that can have it.
    fn find_in_page<T>(
        &self,
        segment: &ClosedSegment,
        paged: &Paged,
        hash: u64,
        find: impl FnOnce(&[u8]) -> Result<Option<T>, &'static str>,
    ) -> Result<Option<T>, Error> {
        let has = |kind| segment.sealed().table(kind).is_some();
        if !has(paged.pages) || !has(paged.filter) {
            return Ok(None);
        }
        let page = match self.kept_filter(segment, paged)? {
            Some(kept) if !filter::may_hold(&kept.filter, hash) => None,
            Some(kept) => pages::find(&kept.directory, hash),
            // To read a page takes a thousandth of the time in which a filter is read and checked.
            None => pages::find(&self.table(segment, paged.directory)?, hash),
        };
        let Some(page) = page else { return Ok(None) };
        let find = |bytes: &[u8]| {
            find(bytes).map_err(|reason| {
                let table = segment.sealed().table(paged.pages);
                let place = table.map_or(0, |table| table.place + u64::from(page.start));
                self.damaged(segment, place, reason)
            })
        };
        self.with_page(segment, paged.pages, page, find)
    }

    /// The filter of a table, which is read when it is first asked for; none where there is no
    /// memory for it.
    fn kept_filter<'s>(
        &self,
        segment: &'s ClosedSegment,
        paged: &Paged,
    ) -> Result<Option<&'s KeptFilter>, Error> {
        let kept = (paged.kept)(segment);
        if let Some(kept) = kept.get() {
            return Ok(Some(kept));
        }
        let tables = [paged.filter, paged.directory].map(|kind| segment.sealed().table(kind));
        let bytes = tables.iter().flatten().map(|table| table.length).sum();
        let Some(loan) = self.caches().filters.take(bytes) else {
            return Ok(None);
        };
        let read = |table: Option<&Table>| match table {
            Some(table) => self.bytes(segment, table),
            None => Ok(Vec::new()),
        };
        let [filter, directory] = tables;
        let new = KeptFilter {
            filter: read(filter)?,
            directory: read(directory)?,
            loan,
        };
        // Another thread may have been first.
        Ok(Some(kept.get_or_init(|| new)))
    }

    /// Lends a page of a table, from memory where it was read before.
    fn with_page<T>(
        &self,
        segment: &ClosedSegment,
        kind: TableKind,
        page: Page,
        look: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(table) = segment.sealed().table(kind) else {
            return look(&[]);
        };
        if u64::from(page.end) > table.length {
            return Err(self.damaged(segment, table.place, "a page goes beyond its table"));
        }
        let place = table.place + u64::from(page.start);
        let length = u64::from(page.end - page.start);
        let (pages, name) = (&self.caches().pages, self.name(segment, kind, page.start));
        if let Some(kept) = pages.get(&name) {
            return look(&kept);
        }
        self.with_bytes(segment, place, length, page.checksum, |bytes| {
            if pages.has_turn(length) {
                pages.insert(name, &Arc::from(bytes));
            }
            look(bytes)
        })
    }

    /// A table, from memory where it was read before; empty where the segment has none.
    pub(crate) fn table(
        &self,
        segment: &ClosedSegment,
        kind: TableKind,
    ) -> Result<Arc<[u8]>, Error> {
        let Some(table) = segment.sealed().table(kind) else {
            return Ok(Arc::default());
        };
        let (tables, name) = (&self.caches().tables, self.name(segment, kind, 0));
        if let Some(kept) = tables.get(&name) {
            return Ok(kept);
        }
        let bytes = self.bytes(segment, table)?;
        tables.insert(name, &bytes);
        Ok(bytes)
    }

    fn name(&self, segment: &ClosedSegment, kind: TableKind, start: u32) -> TableName {
        TableName {
            shard: self.dir().shard,
            segment: segment.number(),
            rewrite: segment.sealed().rewrite,
            kind,
            start,
        }
    }

    /// A table.
    fn bytes<T: for<'b> From<&'b [u8]>>(
        &self,
        segment: &ClosedSegment,
        table: &Table,
    ) -> Result<T, Error> {
        let copy = |bytes: &[u8]| Ok(T::from(bytes));
        self.with_bytes(segment, table.place, table.length, table.checksum, copy)
    }

    /// Lends bytes of a sealed segment that have this checksum.
    fn with_bytes<T>(
        &self,
        segment: &ClosedSegment,
        place: u64,
        length: u64,
        expected: u32,
        look: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let file = self.file(segment.number(), segment.sealed().rewrite)?;
        let failed = |e| Error::io("read", &self.dir().describe(segment.number()), e);
        // Much room is made only for what is there.
        let is_large = length > SMALL_BYTES;
        if is_large && file.len().map_err(failed)? < place.saturating_add(length) {
            return Err(self.damaged(segment, place, "a table is cut short"));
        }
        with_room(length as usize, |bytes| {
            let read = file.read_at(bytes, place).map_err(failed)?;
            if read < bytes.len() || checksum(bytes) != expected {
                return Err(self.damaged(segment, place, "the checksum of a table is wrong"));
            }
            look(bytes)
        })
    }

    pub(crate) fn damaged(&self, segment: &ClosedSegment, place: u64, reason: &str) -> Error {
        Error::damaged(&self.dir().describe(segment.number()), place, reason)
    }

    /// What the tables would say, where one of them is damaged.
    fn gather_after(&self, segment: &ClosedSegment, error: Error) -> Result<Arc<Index>, Error> {
        if error.kind() != ErrorKind::Damaged {
            return Err(error);
        }
        let mut scan = self.dir().scan_again(segment)?;
        let index = gather(&mut scan, segment.sealed().rewrite)?;
        Ok(Arc::clone(segment.gathered.get_or_init(|| Arc::new(index))))
    }
}
