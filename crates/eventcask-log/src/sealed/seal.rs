//! Seals a segment, and writes a sealed one anew without the events that were truncated.

use crate::disk::storage::Open;
use crate::format::sealed_header::Sealed;
use crate::sealed::closed::ClosedSegment;
use crate::sealed::rewrite::{Before, Rewriter};
use crate::segment::dir::{SegmentHeader, ShardDir};
use crate::segment::scan::{Scan, Step};
use crate::{Block, Error, NewSegment, Payloads, Rewriting};

/// Bytes of an id in its section, which is never compressed.
const ID_BYTES: u64 = 16;

impl ShardDir {
    /// Writes a segment anew, sealed; it must be ended and durable. `None` where it was told
    /// not to go on; the segment is as it was then, as it is after an error.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], or what the disk said.
    pub fn seal(&self, number: u64, how: &Rewriting<'_>) -> Result<Option<ClosedSegment>, Error> {
        let (mut scan, header) = Scan::begin(self, number)?;
        let rewrite = header.sealed.as_ref().map_or(0, |sealed| sealed.rewrite) + 1;
        let was_clustered = header.sealed.as_ref().is_some_and(Sealed::is_clustered);
        let how = &Rewriting {
            clustered: how.clustered || was_clustered,
            ..*how
        };
        let events = self.events_of(&scan, &header)?;
        let mut rewriter = Rewriter::begin(self, &header.new, rewrite, how)?;
        rewriter.expect(events);
        match self.copy_whole(&mut scan, &header, &mut rewriter) {
            Ok(Some(read)) => rewriter.finish(&before(&scan, &header, &read)),
            other => {
                rewriter.abandon();
                other.map(|_| None)
            }
        }
    }

    /// How many events a segment has at most, as far as headers tell: no more than its ids would
    /// have room for.
    fn events_of(&self, scan: &Scan, header: &SegmentHeader) -> Result<usize, Error> {
        let next = match &header.sealed {
            Some(sealed) => Some(sealed.next_position),
            None => self.next_header(scan)?.map(|new| new.first_position),
        };
        let events = next.map_or(0, |next| next.saturating_sub(header.new.first_position));
        Ok(events.min(scan.len()? / ID_BYTES) as usize)
    }

    /// What the header of the segment behind one says, if there is one.
    fn next_header(&self, scan: &Scan) -> Result<Option<NewSegment>, Error> {
        let next = scan.number() + 1;
        if !self.segments()?.contains(&next) {
            return Ok(None);
        }
        let header = self.read_header(next, &*self.open(next, Open::Read)?)?;
        Ok(Some(header.new))
    }

    /// Hands all blocks on, and checks that these are all there are.
    fn copy_whole(
        &self,
        scan: &mut Scan,
        header: &SegmentHeader,
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Read>, Error> {
        let read = copy(scan, rewriter)?;
        if let Some(read) = &read {
            self.check_read(scan, header, read)?;
        }
        Ok(read)
    }

    /// Whether a segment was read to its end: it holds what its header says, or ends where the next
    /// one begins.
    fn check_read(&self, scan: &Scan, header: &SegmentHeader, read: &Read) -> Result<(), Error> {
        if let Some(sealed) = &header.sealed {
            return match sealed.events == read.events {
                true => Ok(()),
                false => Err(scan.damaged("its header does not say what its blocks hold")),
            };
        }
        let Some(next) = self.next_header(scan)? else {
            return Ok(());
        };
        match next.follows(scan.next_position, scan.previous_checksum) {
            true => Ok(()),
            false => Err(scan.damaged("blocks before the next segment are missing")),
        }
    }
}

/// What only the blocks of an unsealed segment tell.
#[derive(Debug, Default)]
struct Read {
    epoch: u64,
    newest_commit: Option<i64>,
    events: u64,
}

/// Hands all blocks on; `None` where it is not to go on.
fn copy(scan: &mut Scan, rewriter: &mut Rewriter<'_>) -> Result<Option<Read>, Error> {
    let mut read = Read::default();
    loop {
        let head = match scan.step()? {
            Step::End => return Ok(Some(read)),
            Step::Bad(reason) => return Err(scan.damaged(reason)),
            Step::Block(head) => head,
        };
        read.epoch = head.epoch;
        read.events += u64::from(head.rows);
        let decoded = (head.rows > 0).then(|| {
            let block = Block::decode(head.clone(), scan.bytes(), Payloads::All);
            block.map_err(|reason| Error::damaged(scan.name(), head.place, reason))
        });
        let block = decoded.transpose()?;
        if block.is_some() {
            read.newest_commit = Some(head.last_commit);
        }
        if !rewriter.add(&head, block.as_ref())? {
            return Ok(None);
        }
    }
}

fn before(scan: &Scan, header: &SegmentHeader, read: &Read) -> Before {
    match &header.sealed {
        Some(sealed) => Before {
            next_position: sealed.next_position,
            last_checksum: sealed.last_checksum,
            newest_commit: sealed.newest_commit,
            epoch: sealed.epoch,
            removed: sealed.removed,
            first_events: sealed.first_events,
        },
        None => Before {
            next_position: scan.next_position,
            last_checksum: scan.previous_checksum,
            newest_commit: read.newest_commit.unwrap_or(i64::MIN),
            epoch: read.epoch,
            removed: 0,
            first_events: 0,
        },
    }
}
