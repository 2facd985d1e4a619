//! Digests of the events of segments that are not sealed: no table has them yet.
//!
//! Those of a whole block are made when one of them is first asked for, and kept where the pages of
//! tables are: the next look-up that leads to the block does not read it. Where there is no room
//! for all of them, they are made now and then: to compare a single event takes less time.

use std::sync::Arc;

use crate::format::sealed_header::TableKind;
use crate::read::reader::BlockReader;
use crate::read::table_cache::TableName;
use crate::sealed::digest::Digest;
use crate::sealed::index::IdPlace;
use crate::{Block, BlockPlace, Error, Payloads};

/// Bytes of an event: its version and its digest.
const ROW_BYTES: usize = 24;

impl BlockReader {
    /// The event at a position of a block of a segment that is not sealed, as a table would have
    /// it; `None` where the block is to be read for it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::Replaced`], or what the disk said.
    pub fn unsealed(&self, at: &BlockPlace, position: u64) -> Result<Option<IdPlace>, Error> {
        debug_assert_eq!(at.rewrite, 0);
        let Some(row) = position.checked_sub(at.first_position) else {
            return Ok(None);
        };
        let Some(rows) = self.digests(at)? else {
            return Ok(None);
        };
        let row = rows.as_chunks::<ROW_BYTES>().0.get(row as usize);
        Ok(row.map(|row| decode(row, position)))
    }

    fn digests(&self, at: &BlockPlace) -> Result<Option<Arc<[u8]>>, Error> {
        // A segment that is not sealed has no pages of ids, and is far below 4 GiB.
        let name = TableName {
            shard: self.dir().shard,
            segment: at.segment,
            rewrite: at.rewrite,
            kind: TableKind::IdPages,
            start: at.place as u32,
        };
        let pages = &self.caches().pages;
        if let Some(kept) = pages.get(&name) {
            return Ok(Some(kept));
        }
        if !pages.has_turn(u64::from(at.rows) * ROW_BYTES as u64) {
            return Ok(None);
        }
        let rows = encode(self.dir().store, &self.read(at, Payloads::All)?);
        pages.insert(name, &rows);
        Ok(Some(rows))
    }
}

fn encode(store: u128, block: &Block) -> Arc<[u8]> {
    let events = block.events();
    let mut rows = Vec::with_capacity(events.len() * ROW_BYTES);
    for row in 0..events.len() {
        let at = IdPlace::of(store, &events.event(row));
        rows.extend_from_slice(&at.version.to_le_bytes());
        rows.extend_from_slice(at.digest.as_bytes());
    }
    rows.into()
}

fn decode(row: &[u8; ROW_BYTES], position: u64) -> IdPlace {
    let (mut version, mut digest) = ([0; 8], [0; 16]);
    version.copy_from_slice(&row[..8]);
    digest.copy_from_slice(&row[8..]);
    IdPlace {
        position,
        version: u64::from_le_bytes(version),
        digest: Digest::from_bytes(digest),
    }
}
