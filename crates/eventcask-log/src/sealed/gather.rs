//! Tables that are not there, or are damaged, follow from the blocks.

use std::sync::Arc;

use crate::format::sealed_header::Sealed;
use crate::sealed::closed::ClosedSegment;
use crate::sealed::index::Index;
use crate::segment::dir::ShardDir;
use crate::segment::open_block::open_whole;
use crate::segment::scan::{Scan, Step};
use crate::{BlockHead, Error, NewSegment};

impl ShardDir {
    /// A walk over a segment that must still be the same.
    pub(crate) fn scan_again(&self, segment: &ClosedSegment) -> Result<Scan, Error> {
        let (scan, header) = Scan::begin(self, segment.number())?;
        let rewrite = header.sealed.map_or(0, |sealed| sealed.rewrite);
        if rewrite == segment.sealed().rewrite {
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
    ) -> Result<ClosedSegment, Error> {
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
        sealed.last_checksum = scan.previous_checksum;
        (sealed.blocks_end, sealed.length) = (scan.place, scan.place);
        let segment = ClosedSegment::new(new, sealed);
        let _ = segment.gathered.set(Arc::new(index));
        Ok(segment)
    }
}

/// What the tables of a segment say, gathered from its blocks.
pub(crate) fn gather(scan: &mut Scan, rewrite: u32) -> Result<Index, Error> {
    gather_noting(scan, rewrite, &mut |_| ())
}

/// As [`gather`]; tells `note` of each block.
fn gather_noting(
    scan: &mut Scan,
    rewrite: u32,
    note: &mut dyn FnMut(&BlockHead),
) -> Result<Index, Error> {
    let mut index = Index::of(scan.store());
    loop {
        match scan.step()? {
            Step::End => {
                index.ids.settle();
                return Ok(index);
            }
            Step::Bad(reason) => return Err(scan.damaged(reason)),
            Step::Block(head) => {
                note(&head);
                let block = (head.rows > 0).then(|| open_whole(scan, &head));
                index.add(&head, rewrite, block.transpose()?.as_ref());
            }
        }
    }
}
