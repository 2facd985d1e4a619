//! Finds the end of a shard's log, and mends a torn one.
//!
//! 1. Of each sealed segment the header is read. It tells what the segment ends with, so its
//!    blocks need not be.
//! 2. The segments after the last sealed one are walked, block by block, each checked against
//!    the one before.
//! 3. A segment that is not the last must end at its end: anything else is damage.
//! 4. In the last one, bytes that are no good block are the torn end of a write, unless a
//!    block further on proves that they were durable: then they are damage, and nothing is
//!    touched.
//! 5. A log that is shorter than it is known to be is refused: its end is missing.
//! 6. What was to become a segment is removed. A torn end is copied beside the segment, then cut
//!    off.
//! 7. What no later block vouches for is written again and synced before it is served: after
//!    an unclean end the page cache may hold what the disk has not. A clean close is written
//!    again as well, since nothing vouches for the close itself. So are the names on the way.

pub(crate) mod ends;
pub(crate) mod reserve;

use crate::disk::chunks::for_chunks;
use crate::disk::storage::Open;
use crate::sealed::closed::ClosedSegment;
use crate::segment::dir::{SegmentHeader, ShardDir};
use crate::segment::open_block::open_block;
use crate::segment::scan::{Scan, Step};
use crate::{Block, BlockHead, BlockPlace, Error, ErrorKind, LogEnd, Problem, Tail};

impl Tail {
    fn enter(&mut self, scan: &Scan) {
        self.ended = false;
        self.segment = scan.number;
        self.place = scan.place;
        self.next_position = scan.next_position;
        self.previous_checksum = scan.previous_checksum;
        self.durable_place = scan.place;
        self.closed = false;
    }

    /// Goes on after a segment to which nothing is added any more.
    fn pass_ended(&mut self, segment: &ClosedSegment) {
        let sealed = segment.sealed();
        self.segment = segment.number();
        self.place = sealed.length;
        self.durable_place = sealed.length;
        self.next_position = sealed.next_position;
        self.previous_checksum = sealed.last_checksum;
        self.epoch = self.epoch.max(sealed.epoch);
        self.last_commit = self.last_commit.max(sealed.newest_commit);
        self.closed = false;
        self.ended = true;
    }

    fn pass(&mut self, head: &BlockHead) {
        self.place = head.place + u64::from(head.length);
        self.next_position = head.next_position();
        self.previous_checksum = head.checksum;
        self.epoch = head.epoch;
        self.last_commit = if head.rows > 0 {
            head.last_commit
        } else {
            self.last_commit
        };
        self.closed = head.close;
        self.durable_place = head.durable_place;
    }
}

/// What opening a shard for writing found and did.
#[derive(Debug)]
pub struct Recovery {
    /// Where the log goes on.
    pub tail: Tail,
    /// The torn end that was taken off, with the file that keeps it.
    pub cut: Option<Problem>,
    /// The segments whose blocks were not read, oldest first.
    pub ended: Vec<ClosedSegment>,
}

/// Is told of each good block with events, and its place. Of the payloads those of truncations
/// are open.
pub type Visit<'v> = dyn FnMut(&Block, &BlockPlace) -> Result<(), Error> + 'v;

impl ShardDir {
    /// Reads the log for a writer: tells `visit` of each block with events after the sealed
    /// segments, mends a torn end and makes everything durable.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`] where stored events are not what was written, or
    /// [`crate::ErrorKind::NewerFormat`], [`crate::ErrorKind::OlderFormat`]; nothing is changed
    /// then. Or what the disk said.
    pub fn recover(&self, visit: &mut Visit<'_>) -> Result<Recovery, Error> {
        let mut tail = Tail::empty();
        let mut ended = Vec::new();
        let torn = self.walk(&mut tail, &mut ended, visit)?;
        self.check_end(&tail)?;
        if tail.segment != 0 {
            self.check_writable(tail.segment)?;
        }
        self.remove_unfinished()?;
        let cut = match torn {
            Some(reason) => Some(self.with_room(|| self.cut(&tail, reason))?),
            None => None,
        };
        self.confirm_names()?;
        if tail.segment != 0 && !tail.ended {
            self.confirm(&tail)?;
        }
        tail.durable_place = tail.place;
        Ok(Recovery { tail, cut, ended })
    }

    /// Refuses a log that is shorter than it is known to be: what is appended to it would take the
    /// positions of events that were acknowledged.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`].
    pub fn check_end(&self, tail: &Tail) -> Result<(), Error> {
        match self.missing_known(&LogEnd::of(tail)) {
            None => Ok(()),
            Some(problem) => Err(Error::of(problem)),
        }
    }

    /// Reads on from `tail` and moves it, changing nothing on disk: for readers beside a
    /// writer. A block that is not whole yet is left for the next call. Returns the segments
    /// that were found ended; only where `tail` was empty were their blocks not visited.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub fn follow(
        &self,
        tail: &mut Tail,
        visit: &mut Visit<'_>,
    ) -> Result<Vec<ClosedSegment>, Error> {
        let mut ended = Vec::new();
        self.walk(tail, &mut ended, visit)?;
        Ok(ended)
    }

    /// Walks from `tail` to the end and says why it is torn, if it is.
    fn walk(
        &self,
        tail: &mut Tail,
        ended: &mut Vec<ClosedSegment>,
        visit: &mut Visit<'_>,
    ) -> Result<Option<&'static str>, Error> {
        let segments = self.segments()?;
        let last = segments.last().copied().unwrap_or(0);
        let begin = tail.segment;
        let skipped = if begin == 0 {
            self.last_sealed(&segments)?
        } else {
            0
        };
        for number in segments.into_iter().filter(|number| *number >= begin) {
            if number == begin && tail.ended {
                continue;
            }
            let (mut scan, header) = Scan::begin(self, number)?;
            let follows = header
                .new
                .follows(tail.next_position, tail.previous_checksum);
            if number != begin && !follows {
                let reason = "it does not follow the segment before";
                return Err(Error::damaged(scan.name(), 72, reason));
            }
            if number <= skipped || header.sealed.is_some() {
                if begin != 0 {
                    visit_from(&mut scan, &header, tail.next_position, visit)?;
                }
                let segment = self.end(scan, header)?;
                tail.pass_ended(&segment);
                ended.push(segment);
                continue;
            }
            if number == begin {
                scan.go_on_at(tail);
            } else {
                tail.enter(&scan);
            }
            match walk_segment(&mut scan, tail, visit)? {
                None => {}
                Some(reason) if number == last => return self.torn_or_damaged(tail, reason, visit),
                Some(reason) => return Err(scan.damaged(reason)),
            }
        }
        Ok(None)
    }

    /// A sealed segment as it is now, for a reader that knows an older form of it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], or what the disk said.
    pub fn sealed_segment(&self, number: u64) -> Result<ClosedSegment, Error> {
        let (scan, header) = Scan::begin(self, number)?;
        match header.sealed {
            Some(_) => self.end(scan, header),
            None => Err(scan.damaged("it was sealed, and is not any more")),
        }
    }

    /// The number of the last segment that is sealed; 0 where none is.
    fn last_sealed(&self, segments: &[u64]) -> Result<u64, Error> {
        for number in segments.iter().rev() {
            let file = self.open(*number, Open::Read)?;
            if self.read_header(*number, &*file)?.sealed.is_some() {
                return Ok(*number);
            }
        }
        Ok(0)
    }

    /// A segment to which nothing is added any more.
    fn end(&self, scan: Scan, header: SegmentHeader) -> Result<ClosedSegment, Error> {
        let Some(sealed) = header.sealed else {
            return self.gather_unsealed(scan, header.new);
        };
        if scan.len()? < sealed.blocks_end {
            return Err(scan.damaged("it is shorter than its blocks"));
        }
        Ok(ClosedSegment::new(header.new, sealed))
    }

    /// Tells a torn end from damage. A writer may have gone on while this was read, so the
    /// place is looked at once more before damage is called.
    fn torn_or_damaged(
        &self,
        tail: &mut Tail,
        mut reason: &'static str,
        visit: &mut Visit<'_>,
    ) -> Result<Option<&'static str>, Error> {
        loop {
            let mut scan = Scan::resume(self, tail)?;
            // A writer that completed the segment and sealed it meanwhile is met the next time.
            if scan.is_sealed() || !scan.was_durable()? {
                return Ok(Some(reason));
            }
            let before = tail.place;
            reason = match walk_segment(&mut scan, tail, visit)? {
                None => return Ok(None),
                Some(reason) if tail.place == before => return Err(scan.damaged(reason)),
                Some(reason) => reason,
            };
        }
    }

    /// Keeps what is beyond the tail beside the segment, then takes it off.
    pub(crate) fn cut(&self, tail: &Tail, reason: &str) -> Result<Problem, Error> {
        let name = self.describe(tail.segment);
        let kept = self.name_for_cut(tail)?;
        let new = format!("{kept}.new");
        let file = self.open(tail.segment, Open::Write)?;
        let bytes = Scan::resume(self, tail)?.bytes_left()?;
        let keep = || {
            let copy = self.storage.open(&new, Open::Create)?;
            for_chunks(&*file, tail.place, |at, chunk| {
                copy.write_all_at(chunk, at - tail.place)
            })?;
            copy.sync()?;
            self.storage.rename(&new, &kept)?;
            self.storage.sync_dir(&self.dir())?;
            file.set_len(tail.place)?;
            file.sync()
        };
        keep().map_err(|error| Error::io("mend", &name, error))?;
        let reason = format!(
            "{bytes} bytes of an unfinished write ({reason}) were moved to {}",
            self.storage.describe(&kept)
        );
        Ok(Problem {
            file: name,
            place: tail.place,
            reason,
        })
    }

    /// A name that no earlier cut at the same place has.
    fn name_for_cut(&self, tail: &Tail) -> Result<String, Error> {
        let dir = self.dir();
        let names = self.storage.list(&dir);
        let names = names.map_err(|e| Error::io("list", &self.storage.describe(&dir), e))?;
        let first = format!("{:010}.cut-{}", tail.segment, tail.place);
        let mut name = first.clone();
        // One more than there are files is free at the latest.
        for count in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{first}.{count}");
        }
        Ok(format!("{dir}/{name}"))
    }

    /// Makes the names from the store's directory down to the segments durable: whoever gave
    /// them may have ended before that.
    fn confirm_names(&self) -> Result<(), Error> {
        for dir in [&self.dir(), "shards", ""] {
            let synced = self.storage.sync_dir(dir);
            synced.map_err(|e| Error::io("sync", &self.storage.describe(dir), e))?;
        }
        Ok(())
    }

    /// Writes again what was not known to be durable, and syncs it. On a full disk the zeros behind
    /// it are taken off before: a hole of them has no room there.
    fn confirm(&self, tail: &Tail) -> Result<(), Error> {
        match self.write_again(tail) {
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                let file = self.open(tail.segment, Open::Write)?;
                let cut = file.set_len(tail.place);
                cut.map_err(|error| Error::io("cut", &self.describe(tail.segment), error))?;
                self.with_room(|| self.write_again(tail))
            }
            other => other,
        }
    }

    fn write_again(&self, tail: &Tail) -> Result<(), Error> {
        let file = self.open(tail.segment, Open::Write)?;
        let from = tail.durable_place.min(tail.place);
        let again = || {
            for_chunks(&*file, from, |at, chunk| file.write_all_at(chunk, at))?;
            file.sync()
        };
        again().map_err(|error| Error::io("confirm", &self.describe(tail.segment), error))
    }
}

/// Walks to the end of a segment; says why it does not end well, if so.
fn walk_segment(
    scan: &mut Scan,
    tail: &mut Tail,
    visit: &mut Visit<'_>,
) -> Result<Option<&'static str>, Error> {
    loop {
        match scan.step()? {
            Step::End => return Ok(None),
            Step::Bad(reason) => return Ok(Some(reason)),
            Step::Block(head) => {
                if head.rows > 0 {
                    visit(&open_block(scan, &head)?, &BlockPlace::of(&head))?;
                }
                tail.pass(&head);
            }
        }
    }
}

/// Tells `visit` of the blocks of an ended segment that hold events from `position` on.
fn visit_from(
    scan: &mut Scan,
    header: &SegmentHeader,
    position: u64,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let rewrite = header.sealed.as_ref().map_or(0, |sealed| sealed.rewrite);
    loop {
        match scan.step()? {
            Step::End => return Ok(()),
            Step::Bad(reason) => return Err(scan.damaged(reason)),
            Step::Block(head) if head.rows > 0 && head.next_position() > position => {
                let at = BlockPlace::of(&head);
                visit(&open_block(scan, &head)?, &BlockPlace { rewrite, ..at })?;
            }
            Step::Block(_) => {}
        }
    }
}
