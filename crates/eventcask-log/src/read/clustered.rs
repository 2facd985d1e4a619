//! Reads the clusters of a sealed segment.

use std::sync::Arc;

use crate::BlockPlace;
use crate::format::sealed_header::TableKind;
use crate::read::reader::{BlockReader, with_room};
use crate::sealed::closed::ClosedSegment;
use crate::sealed::cluster::{self, Order};
use crate::sealed::index;
use crate::{Block, Error, ErrorKind, MAX_BLOCK_BYTES, Payloads};

impl BlockReader {
    /// The cluster of a segment that holds the event of an aggregate at this position, with the
    /// payloads that the aggregate needs. `None` where the segment has no clusters, or those can
    /// not be read, or none holds it: the blocks tell then.
    ///
    /// # Errors
    /// [`ErrorKind::Replaced`], or what the disk said.
    pub fn cluster_of(
        &self,
        segment: &ClosedSegment,
        key: &str,
        position: u64,
    ) -> Result<Option<Arc<Block>>, Error> {
        if !segment.has_good_clusters() {
            return Ok(None);
        }
        match self.find_cluster(segment, key, position) {
            Err(error) if error.kind() == ErrorKind::Damaged => {
                segment.note_bad_clusters();
                Ok(None)
            }
            other => other,
        }
    }

    fn find_cluster(
        &self,
        segment: &ClosedSegment,
        key: &str,
        position: u64,
    ) -> Result<Option<Arc<Block>>, Error> {
        let hash = index::hash(self.dir().store, key.as_bytes());
        let order = Order::of(hash, position, segment.first_position());
        let (Some(order), Some(table)) = (order, segment.sealed().table(TableKind::Clusters))
        else {
            return Ok(None);
        };
        let directory = self.table(segment, TableKind::ClusterDirectory)?;
        let Some(found) = cluster::find(&directory, order) else {
            return Ok(None);
        };
        let place = table.place.saturating_add(found.start);
        let length = found.end.saturating_sub(found.start);
        if found.end > table.length || length > u64::from(MAX_BLOCK_BYTES) {
            return Err(self.damaged(segment, place, "a cluster goes beyond its table"));
        }
        let block = self.cluster_at(segment, place, length as u32, position)?;
        Ok(has_event(&block, key, position).then_some(block))
    }

    /// The cluster at a place, from memory where it was read before.
    fn cluster_at(
        &self,
        segment: &ClosedSegment,
        place: u64,
        length: u32,
        position: u64,
    ) -> Result<Arc<Block>, Error> {
        let want = Payloads::OfAggregateAt(position);
        // Blocks and clusters share a file, so the place alone tells it from all others.
        let at = BlockPlace {
            segment: segment.number(),
            rewrite: segment.sealed().rewrite,
            place,
            length,
            ..BlockPlace::default()
        };
        self.get_or_read(&at, want, |want| {
            with_room(length as usize, |bytes| {
                self.read_cluster(segment, bytes, place)?;
                self.open_cluster(&at, bytes, want)
                    .map_err(|reason| self.damaged(segment, place, reason))
            })
        })
    }

    fn open_cluster(
        &self,
        at: &BlockPlace,
        bytes: &[u8],
        want: Payloads<'_>,
    ) -> Result<Block, &'static str> {
        let head = cluster::head_at(bytes, self.dir(), at.segment, at.place)?;
        Block::decode(head, bytes, want)
    }
}

/// Whether the event at a position is there and of this aggregate.
fn has_event(block: &Block, key: &str, position: u64) -> bool {
    let events = block.events();
    let row = events.row_at(position);
    row.is_some_and(|row| events.key(events.aggregate_index(row)) == key)
}
