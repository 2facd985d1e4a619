//! Keeps what is whole of a damaged shard.
//!
//! 1. Each segment is read as far as it is whole. One that fits between its neighbours, and
//!    whose header and tables say what its blocks hold, is left alone.
//! 2. Of a damaged one, good blocks are looked for behind the damage as well. It is copied
//!    aside, then written anew, sealed, with what is left; its header says how many events were
//!    given up.
//! 3. A segment that is missing becomes one without events, so that those behind it fit again. So
//!    does the end of a log that is known to have gone further.
//!
//! A torn end is no damage: the next recovery cuts it.

use eventcask_event::Events;

use crate::FIRST_BLOCK;
use crate::check::verify::SealedCheck;
use crate::disk::chunks::for_chunks;
use crate::disk::storage::Open;
use crate::format::sealed_header::Sealed;
use crate::sealed::rewrite::{Before, Rewriter};
use crate::segment::dir::{SegmentHeader, ShardDir};
use crate::segment::open_block::decode_block;
use crate::segment::scan::{Bounds, Scan, Step};
use crate::{
    Block, BlockHead, Codec, Error, ErrorKind, Fate, NewSegment, Payloads, Rewriting, SORT_BYTES,
};

/// Segments that may be missing together: more of them tell of a name that was made up, and each
/// would become a file.
const MAX_MISSING: u64 = 1000;

/// What was done to a damaged segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedSegment {
    /// Its file.
    pub file: String,
    /// Where the damage begins, and what it is.
    pub reason: String,
    /// The file that keeps it as it was; none where it was missing.
    pub aside: Option<String>,
    /// Position of the first event that was ever in it.
    pub first_position: u64,
    /// Position after the last one.
    pub next_position: u64,
    /// Events that were kept.
    pub kept: u64,
    /// Events that were given up now; the segment's header counts earlier ones as well.
    pub lost: u64,
}

/// What the segment before ends with: what the next one must follow.
type Ends = (u64, u32);

/// What was found of a damaged segment.
struct Found {
    before: Before,
    /// Events between and in its blocks that were gone before the damage.
    gone: u64,
}

/// A segment that is to be mended: what is known of it.
struct Damaged {
    number: u64,
    reason: String,
    sealed: Option<Sealed>,
    is_missing: bool,
}

impl Damaged {
    /// A segment of which not even the header could be read.
    fn unread(number: u64, error: &Error) -> Self {
        let is_missing = error.kind() != ErrorKind::Damaged;
        let reason = match is_missing {
            true => "the segment is missing".to_owned(),
            false => error.to_string(),
        };
        Self {
            number,
            reason,
            sealed: None,
            is_missing,
        }
    }
}

impl ShardDir {
    /// Mends what is damaged. Nobody may write to the store meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::NewerFormat`], [`ErrorKind::OlderFormat`], or what the disk said.
    pub fn repair(&self) -> Result<Vec<RepairedSegment>, Error> {
        let dir = self.dir();
        let names = self.storage.list(&dir);
        let names = names.map_err(|e| Error::io("list", &self.storage.describe(&dir), e))?;
        let numbers = Self::numbers_of(&names);
        let last = numbers.last().copied().unwrap_or(0);
        if last - numbers.len() as u64 > MAX_MISSING {
            let reason = "more segments before it are missing than can be repaired";
            return Err(Error::damaged(&self.describe(last), 0, reason));
        }
        let mut repaired = Vec::new();
        let mut before = (0, 0);
        for number in 1..=last {
            let after = match number < last {
                true => self.begins(number + 1)?,
                false => None,
            };
            let mut examined = self.examine(number, before, after, number == last)?;
            // An unfinished write may end a log, and not a segment that others come after.
            if number == last && examined.is_ok() && self.is_short(&self.find_end()?) {
                examined = self.examine(number, before, after, false)?;
            }
            before = match examined {
                Ok(ends) => ends,
                Err(damaged) => {
                    let (report, ends) = self.mend(&damaged, before, after)?;
                    repaired.push(report);
                    ends
                }
            };
        }
        if self.is_short(&self.find_end()?) {
            repaired.push(self.give_up_end(last, before)?);
        }
        Ok(repaired)
    }

    /// Has the log go on where it is known to have ended: a segment without events stands for what
    /// is missing, so that nothing else ever takes those positions.
    fn give_up_end(&self, last: u64, before: Ends) -> Result<RepairedSegment, Error> {
        let missing = Damaged {
            number: last + 1,
            reason: "the end of the log is missing".to_owned(),
            sealed: None,
            is_missing: true,
        };
        let known = self.known_end.map_or(0, |end| end.position);
        let after = Some((known.max(before.0), before.1));
        Ok(self.mend(&missing, before, after)?.0)
    }

    /// What a segment says that it follows; `None` where it can not be asked.
    fn begins(&self, number: u64) -> Result<Option<Ends>, Error> {
        let header = keep_damage(Scan::begin(self, number))?.ok();
        Ok(header.map(|(_, header)| (header.new.first_position, header.new.previous_checksum)))
    }

    /// Reads a segment: what it ends with, or why it is to be mended.
    fn examine(
        &self,
        number: u64,
        before: Ends,
        after: Option<Ends>,
        is_last: bool,
    ) -> Result<Result<Ends, Damaged>, Error> {
        let (mut scan, header) = match keep_damage(Scan::begin(self, number))? {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(Damaged::unread(number, &error))),
        };
        let damaged = |reason: String, header: SegmentHeader| Damaged {
            number,
            reason,
            sealed: header.sealed,
            is_missing: false,
        };
        let ends = match self.read_through(&mut scan, &header, is_last)? {
            Ok(ends) => ends,
            Err(reason) => return Ok(Err(damaged(reason, header))),
        };
        let begins = (header.new.first_position, header.new.previous_checksum);
        if begins != before || after.is_some_and(|after| after != ends) {
            let reason = "it does not fit between the segments before and after it";
            return Ok(Err(damaged(reason.to_owned(), header)));
        }
        Ok(Ok(ends))
    }

    /// Reads all of a segment: what it ends with, or what is damaged in it.
    fn read_through(
        &self,
        scan: &mut Scan,
        header: &SegmentHeader,
        is_last: bool,
    ) -> Result<Result<Ends, String>, Error> {
        let mut checked = SealedCheck::of(header);
        let may_be_torn = is_last && header.sealed.is_none();
        let mut bad = first_bad_block(scan, &mut checked, may_be_torn)?;
        if let (None, Some(checked)) = (&bad, checked) {
            let mut problems = Vec::new();
            checked.finish(self, scan, &mut problems)?;
            let first = problems.into_iter().next();
            bad = first.map(|problem| (problem.place, problem.reason));
        }
        Ok(match (bad, &header.sealed) {
            (Some((place, reason)), _) => Err(format!("damaged at byte {place}: {reason}")),
            (None, None) => Ok((scan.next_position, scan.previous_checksum)),
            (None, Some(sealed)) => Ok((sealed.next_position, sealed.last_checksum)),
        })
    }

    /// Writes a damaged segment anew with what is whole of it.
    fn mend(
        &self,
        damaged: &Damaged,
        before: Ends,
        after: Option<Ends>,
    ) -> Result<(RepairedSegment, Ends), Error> {
        let number = damaged.number;
        let aside = match damaged.is_missing {
            true => None,
            false => Some(self.keep_aside(number)?),
        };
        let new = NewSegment {
            number,
            first_position: before.0,
            previous_checksum: before.1,
        };
        let how = Rewriting {
            codec: Codec::Zstd(3),
            clustered: damaged.sealed.as_ref().is_some_and(Sealed::is_clustered),
            sort_bytes: SORT_BYTES,
            fate: &|_: &Events<'_>, _| Fate::Kept,
            go_on: &|| true,
        };
        let sealed = damaged.sealed.as_ref();
        let rewrite = sealed.map_or(0, |sealed| sealed.rewrite) + 1;
        let mut rewriter = Rewriter::begin(self, &new, rewrite, &how)?;
        let said = sealed.map(|sealed| (sealed.next_position, sealed.last_checksum));
        // What would end before it begins says nothing.
        let end = after.or(said).filter(|end| end.0 >= before.0);
        let limit = end.map_or(u64::MAX, |end| end.0);
        let mut found = Found {
            before: Before {
                next_position: before.0,
                last_checksum: before.1,
                newest_commit: sealed.map_or(i64::MIN, |sealed| sealed.newest_commit),
                epoch: sealed.map_or(0, |sealed| sealed.epoch),
                removed: 0,
                first_events: sealed.map_or(0, |sealed| sealed.first_events),
            },
            gone: 0,
        };
        if !damaged.is_missing {
            self.rescue(damaged, &mut found, limit, &mut rewriter)?;
        }
        let (removed, lost) =
            sealed.map_or((found.gone, 0), |sealed| (sealed.removed, sealed.lost));
        let mut found = found.before;
        (found.next_position, found.last_checksum) =
            end.unwrap_or((found.next_position, found.last_checksum));
        let segment = rewriter.finish_within(&mut found, removed)?;
        let segment = segment
            .ok_or_else(|| Error::damaged(&self.describe(number), 0, "its repair was not ended"))?;
        let sealed = segment.sealed();
        let report = RepairedSegment {
            file: self.describe(number),
            reason: damaged.reason.clone(),
            aside,
            first_position: before.0,
            next_position: sealed.next_position,
            kept: sealed.events,
            lost: sealed.lost.saturating_sub(lost),
        };
        Ok((report, (sealed.next_position, sealed.last_checksum)))
    }

    /// Hands on all good blocks of a file, also those behind damage.
    fn rescue(
        &self,
        damaged: &Damaged,
        found: &mut Found,
        limit: u64,
        rewriter: &mut Rewriter<'_>,
    ) -> Result<(), Error> {
        let file = self.open(damaged.number, Open::Read)?;
        let state = NewSegment {
            number: damaged.number,
            first_position: found.before.next_position,
            previous_checksum: found.before.last_checksum,
        };
        let ends = &mut found.before;
        let owner = (self.store, self.shard);
        let name = self.describe(damaged.number);
        let mut scan = Scan::over(file, name, owner, &state, FIRST_BLOCK);
        scan.allow_gaps(damaged.sealed.as_ref(), limit)?;
        while let Some(head) = scan.next_good()? {
            if head.previous_checksum == ends.last_checksum {
                found.gone += head.first_position - ends.next_position;
            }
            found.gone += head.gaps;
            ends.epoch = head.epoch;
            // Also where its events can not be read, or it has none, it says how far they went.
            (ends.next_position, ends.last_checksum) = (head.next_position(), head.checksum);
            let block = match head.rows {
                0 => None,
                _ => match Block::decode(head.clone(), scan.bytes(), Payloads::All) {
                    Ok(block) => Some(block),
                    Err(_) => continue,
                },
            };
            if block.is_some() {
                ends.newest_commit = ends.newest_commit.max(head.last_commit);
            }
            rewriter.add(&head, block.as_ref())?;
        }
        Ok(())
    }

    /// Copies a segment as it is to a name of its own.
    fn keep_aside(&self, number: u64) -> Result<String, Error> {
        let dir = self.dir();
        let names = self.storage.list(&dir);
        let names = names.map_err(|e| Error::io("list", &self.storage.describe(&dir), e))?;
        let first = format!("{number:010}.damaged");
        let mut name = first.clone();
        for count in 2..names.len() + 3 {
            if !names.contains(&name) {
                break;
            }
            name = format!("{first}.{count}");
        }
        let (path, new) = (format!("{dir}/{name}"), format!("{dir}/{name}.new"));
        let file = self.open(number, Open::Read)?;
        let keep = || {
            let copy = self.storage.open(&new, Open::Create)?;
            for_chunks(&*file, 0, |at, chunk| copy.write_all_at(chunk, at))?;
            copy.sync()?;
            self.storage.rename(&new, &path)?;
            self.storage.sync_dir(&dir)
        };
        keep().map_err(|e| Error::io("copy aside", &self.describe(number), e))?;
        Ok(self.storage.describe(&path))
    }
}

impl Scan {
    /// Lets blocks have gaps between them: what a damaged header would say is not known.
    fn allow_gaps(&mut self, sealed: Option<&Sealed>, limit: u64) -> Result<(), Error> {
        let place = match sealed {
            Some(sealed) => sealed.blocks_end,
            None => self.len()?,
        };
        let position = limit;
        self.end_at(Bounds { place, position });
        Ok(())
    }

    /// The next good block, wherever it is.
    fn next_good(&mut self) -> Result<Option<BlockHead>, Error> {
        // The first one need not follow the segment before: that may be damaged as well.
        let mut from = self.place;
        loop {
            if let Step::Block(head) = self.step()? {
                return Ok(Some(head));
            }
            if !self.skip_to_head(from)? {
                return Ok(None);
            }
            from = self.place + 1;
        }
    }
}

/// Walks over the blocks of a segment to the first that is not whole: where it is, and why. A torn
/// end, where the segment may have one, is no damage.
fn first_bad_block(
    scan: &mut Scan,
    checked: &mut Option<SealedCheck>,
    may_be_torn: bool,
) -> Result<Option<(u64, String)>, Error> {
    loop {
        let place = scan.place;
        let checked = match scan.step()? {
            Step::Block(head) => match checked {
                Some(checked) => checked.add(scan, &head),
                None if head.rows > 0 => decode_block(scan, &head).map(drop),
                None => Ok(()),
            },
            Step::End => return Ok(None),
            Step::Bad(_) if may_be_torn && !scan.was_durable()? => return Ok(None),
            Step::Bad(reason) => Err(reason),
        };
        if let Err(reason) = checked {
            return Ok(Some((place, reason.to_owned())));
        }
    }
}

/// An error that tells of damage, or of a file that is not there, is an answer.
fn keep_damage<T>(result: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match result {
        Err(error) if error.kind() == ErrorKind::Damaged || error.is_not_found() => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(value) => Ok(Ok(value)),
    }
}
