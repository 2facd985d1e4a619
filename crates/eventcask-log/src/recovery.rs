//! Finds the end of a shard's log, and mends a torn one.
//!
//! 1. All segments are walked, block by block, each checked against the one before.
//! 2. A segment that is not the last must end at its end: anything else is damage.
//! 3. In the last one, bytes that are no good block are the torn end of a write, unless a
//!    block further on proves that they were durable: then they are damage, and nothing is
//!    touched.
//! 4. A torn end is copied beside the segment, then cut off.
//! 5. What no later block vouches for is written again and synced before it is served: after
//!    an unclean end the page cache may hold what the disk has not. A clean close is written
//!    again as well, since nothing vouches for the close itself. So are the names on the way.

use crate::scan::{BlockPlace, Depth, Problem, Scan, Step};
use crate::segment::ShardDir;
use crate::storage::{Open, StoredFile};
use crate::{Block, BlockHead, Error, Payloads};

/// Bytes copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Where the next block of a shard goes, and what it follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// Number of the last segment; 0 where there is none yet.
    pub segment: u64,
    /// Place of the next block in it.
    pub place: u64,
    /// Position of the next event.
    pub next_position: u64,
    /// Head checksum of the last block.
    pub previous_crc: u32,
    /// Epoch of the last block.
    pub epoch: u64,
    /// Commit time of the newest event, in nanoseconds; the lowest number of all without one.
    pub last_commit: i64,
    /// Whether the log ends with a clean close.
    pub closed: bool,
    /// The durable place that the last block knew.
    pub durable_place: u64,
}

impl Tail {
    /// The tail of a log without a block.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            last_commit: i64::MIN,
            ..Self::default()
        }
    }

    fn enter(&mut self, scan: &Scan) {
        self.segment = scan.number;
        self.place = scan.place;
        self.next_position = scan.next_position;
        self.previous_crc = scan.previous_crc;
        self.durable_place = scan.place;
        self.closed = false;
    }

    fn pass(&mut self, head: &BlockHead) {
        self.place = head.place + u64::from(head.length);
        self.next_position = head.next_position();
        self.previous_crc = head.crc;
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Where the log goes on.
    pub tail: Tail,
    /// The torn end that was taken off, with the file that keeps it.
    pub cut: Option<Problem>,
}

/// Is told of each good block with events, and its place.
pub type Visit<'v> = dyn FnMut(&Block, &BlockPlace) -> Result<(), Error> + 'v;

/// What a check of a shard read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Bytes of good blocks and headers.
    pub bytes: u64,
    /// A write at the end that ended with its process: no damage, and set aside when the store is
    /// next opened for writing.
    pub unfinished: Option<Problem>,
}

/// Is told of each good block's head and bytes and how many problems were met so far, and says
/// what is wrong with it.
pub type Check<'v> = dyn FnMut(&BlockHead, &[u8], usize) -> Result<(), &'static str> + 'v;

impl ShardDir {
    /// Reads the log for a writer: tells `visit` of each block with events (payloads shut),
    /// mends a torn end and makes everything durable.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`] where stored events are not what was written, or
    /// [`crate::ErrorKind::NewerFormat`]; nothing is changed then. Or what the disk said.
    pub fn recover(&self, visit: &mut Visit<'_>) -> Result<Recovery, Error> {
        let mut tail = Tail::empty();
        let torn = self.walk(&mut tail, visit)?;
        if tail.segment != 0 {
            self.check_writable(tail.segment)?;
        }
        let cut = match torn {
            Some(reason) => Some(self.cut(&tail, reason)?),
            None => None,
        };
        self.confirm_names()?;
        if tail.segment != 0 {
            self.confirm(&tail)?;
        }
        tail.durable_place = tail.place;
        Ok(Recovery { tail, cut })
    }

    /// Reads on from `tail` and moves it, changing nothing on disk: for readers beside a
    /// writer. A block that is not whole yet is left for the next call.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub fn follow(&self, tail: &mut Tail, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.walk(tail, visit).map(|_torn| ())
    }

    /// Walks from `tail` to the end and says why it is torn, if it is.
    fn walk(&self, tail: &mut Tail, visit: &mut Visit<'_>) -> Result<Option<&'static str>, Error> {
        let segments = self.segments()?;
        let last = segments.last().copied().unwrap_or(0);
        let from = tail.segment;
        for number in segments.into_iter().filter(|number| *number >= from) {
            let mut scan = if number == from {
                Scan::resume(self, tail)?
            } else {
                Scan::begin(self, number, tail)?
            };
            if number != from {
                tail.enter(&scan);
            }
            let depth = if number == last {
                Depth::Full
            } else {
                Depth::Envelopes
            };
            let ended = walk_segment(&mut scan, depth, tail, visit)?;
            match ended {
                None => {}
                Some(reason) if number == last => return self.torn_or_damaged(tail, reason, visit),
                Some(reason) => return Err(scan.damaged(reason)),
            }
        }
        Ok(None)
    }

    /// Tells a torn end from damage. A writer may have gone on while this was read, so the
    /// place is looked at once more before damage is called.
    fn torn_or_damaged(
        &self,
        tail: &mut Tail,
        mut reason: &'static str,
        visit: &mut Visit<'_>,
    ) -> Result<Option<&'static str>, Error> {
        while Scan::resume(self, tail)?.was_durable()? {
            let before = tail.place;
            let mut scan = Scan::resume(self, tail)?;
            reason = match walk_segment(&mut scan, Depth::Full, tail, visit)? {
                None => return Ok(None),
                Some(reason) if tail.place == before => return Err(scan.damaged(reason)),
                Some(reason) => reason,
            };
        }
        Ok(Some(reason))
    }

    /// Keeps what is beyond the tail beside the segment, then takes it off.
    fn cut(&self, tail: &Tail, reason: &str) -> Result<Problem, Error> {
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

    /// Writes again what was not known to be durable, and syncs it.
    fn confirm(&self, tail: &Tail) -> Result<(), Error> {
        let file = self.open(tail.segment, Open::Write)?;
        let from = tail.durable_place.min(tail.place);
        let again = || {
            for_chunks(&*file, from, |at, chunk| file.write_all_at(chunk, at))?;
            file.sync()
        };
        again().map_err(|error| Error::io("confirm", &self.describe(tail.segment), error))
    }

    /// Reads and checks every byte; tells `visit` of each good block and collects what is
    /// wrong. `live` says whether a writer is at work, so that an unfinished end is fine.
    ///
    /// # Errors
    /// What the disk said; damage is no error here.
    pub fn verify(
        &self,
        live: &dyn Fn() -> bool,
        problems: &mut Vec<Problem>,
        visit: &mut Check<'_>,
    ) -> Result<Verified, Error> {
        let segments = keep_damage(self.segments(), problems)?.unwrap_or_default();
        let last = segments.last().copied();
        let mut tail = Tail::empty();
        let mut verified = Verified::default();
        for number in segments {
            let Some(mut scan) = keep_damage(Scan::begin(self, number, &tail), problems)? else {
                // What follows a segment without a header can not be chained to it.
                tail = Tail::empty();
                continue;
            };
            tail.enter(&scan);
            let mut seen_bad_at = None;
            let bad = loop {
                let place = scan.place;
                match scan.step(Depth::Full)? {
                    Step::Block(head) => {
                        let wrong = visit(&head, scan.bytes(), problems.len()).err();
                        problems.extend(wrong.map(|reason| scan.problem(place, reason)));
                        tail.pass(&head);
                    }
                    Step::End => break None,
                    Step::Bad(reason) if last != Some(number) => break Some(reason),
                    Step::Bad(_) if !scan.was_durable()? && live() => break None,
                    Step::Bad(reason) if scan.is_unfinished()? => {
                        verified.unfinished = Some(scan.problem(place, reason));
                        break None;
                    }
                    // A writer may have finished the block while this was looked at.
                    Step::Bad(_) if seen_bad_at != Some(place) => seen_bad_at = Some(place),
                    Step::Bad(reason) => break Some(reason),
                }
            };
            verified.bytes += scan.place;
            if let Some(reason) = bad {
                problems.push(scan.problem(scan.place, reason));
                tail = Tail::empty();
            }
        }
        Ok(verified)
    }
}

/// Turns damage into an entry of the list; other errors stay errors.
fn keep_damage<T>(
    result: Result<T, Error>,
    problems: &mut Vec<Problem>,
) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            problems.push(error.into_problem()?);
            Ok(None)
        }
    }
}

/// Walks to the end of a segment; says why it does not end well, if so.
fn walk_segment(
    scan: &mut Scan,
    depth: Depth,
    tail: &mut Tail,
    visit: &mut Visit<'_>,
) -> Result<Option<&'static str>, Error> {
    loop {
        match scan.step(depth)? {
            Step::End => return Ok(None),
            Step::Bad(reason) => return Ok(Some(reason)),
            Step::Block(head) => {
                if head.rows > 0 {
                    let at = BlockPlace::of(&head);
                    let block = Block::decode(head.clone(), scan.bytes(), Payloads::Shut);
                    let block =
                        block.map_err(|reason| Error::damaged(scan.name(), at.place, reason))?;
                    visit(&block, &at)?;
                }
                tail.pass(&head);
            }
        }
    }
}

/// Hands the bytes of a file from `place` on to `each`, a chunk at a time.
fn for_chunks(
    file: &dyn StoredFile,
    mut place: u64,
    mut each: impl FnMut(u64, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read_at(&mut buffer, place)?;
        if read == 0 {
            return Ok(());
        }
        each(place, &buffer[..read])?;
        place += read as u64;
    }
}
