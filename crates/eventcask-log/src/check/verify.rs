//! Reads and checks every byte of a shard.
//!
//! Segments are checked one by one, in any order or at once: each says in its header what it
//! follows. Whether they fit together is looked at when all are read.

use std::ops::Range;

use crate::Problem;
use crate::check::cluster_check::{self, EventSum};
use crate::format::sealed_header::{START, Sealed, Table, TableKind};
use crate::sealed::index::Index;
use crate::segment::dir::{SegmentHeader, ShardDir};
use crate::segment::open_block::decode_whole;
use crate::segment::scan::{Scan, Step};
use crate::{BlockHead, Error, LogEnd};

/// What a check of a shard read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Bytes of good blocks, headers and tables.
    pub bytes: u64,
    /// A write at the end that ended with its process: no damage, and set aside when the store is
    /// next opened for writing.
    pub unfinished: Option<Problem>,
}

/// What a check of a segment read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifiedSegment {
    /// Bytes of good blocks, the header and tables.
    pub bytes: u64,
    /// A write at the end that ended with its process.
    pub unfinished: Option<Problem>,
    /// What it follows: position of its first event and checksum of the block before.
    begins: Option<(u64, u32)>,
    /// What the next one must follow, where all of it could be read.
    ends: Option<(u64, u32)>,
    /// Events that were in it and are not any more.
    pub gone: u64,
    /// Whether nothing is added to it any more.
    is_sealed: bool,
}

/// Is told of each good block's head and bytes and how many problems were met so far, and says
/// what is wrong with it.
pub type Check<'v> = dyn FnMut(&BlockHead, &[u8], usize) -> Result<(), &'static str> + 'v;

impl ShardDir {
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
        let Some(segments) = self.segments_to_verify(problems)? else {
            return Ok(Verified::default());
        };
        let mut parts = Vec::new();
        for number in &segments {
            let is_last = Some(number) == segments.last();
            parts.push(self.verify_segment(*number, is_last, live, problems, visit)?);
        }
        problems.extend(self.check_order(&segments, &parts)?);
        Ok(Verified {
            bytes: parts.iter().map(|part| part.bytes).sum(),
            unfinished: parts.pop().and_then(|part| part.unfinished),
        })
    }

    /// Numbers of the segments; `None` where one between them is missing, which is a problem.
    ///
    /// # Errors
    /// What the disk said.
    pub fn segments_to_verify(
        &self,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<Vec<u64>>, Error> {
        keep_damage(self.segments(), problems)
    }

    /// Reads and checks every byte of one segment, as [`verify`](Self::verify) does.
    ///
    /// # Errors
    /// What the disk said; damage is no error here.
    pub fn verify_segment(
        &self,
        number: u64,
        is_last: bool,
        live: &dyn Fn() -> bool,
        problems: &mut Vec<Problem>,
        visit: &mut Check<'_>,
    ) -> Result<VerifiedSegment, Error> {
        let mut verified = VerifiedSegment::default();
        let Some((mut scan, header)) = keep_damage(Scan::begin(self, number), problems)? else {
            return Ok(verified);
        };
        verified.begins = Some((header.new.first_position, header.new.previous_checksum));
        let mut checked = SealedCheck::of(&header);
        let mut seen_bad_at = None;
        let bad = loop {
            let place = scan.place;
            match scan.step()? {
                Step::Block(head) => {
                    let wrong = visit(&head, scan.bytes(), problems.len()).err();
                    let gathered = checked.as_mut().and_then(|one| one.add(&scan, &head).err());
                    let wrong = wrong.or(gathered);
                    problems.extend(wrong.map(|reason| scan.problem(place, reason)));
                }
                Step::End => break None,
                Step::Bad(reason) if !is_last || checked.is_some() => break Some(reason),
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
        verified.bytes = scan.place;
        match (bad, checked) {
            (Some(reason), _) => problems.push(scan.problem(scan.place, reason)),
            (None, None) => verified.ends = Some((scan.next_position, scan.previous_checksum)),
            (None, Some(checked)) => {
                let sealed = &checked.sealed;
                verified.ends = Some((sealed.next_position, sealed.last_checksum));
                verified.gone = sealed.removed + sealed.lost;
                verified.is_sealed = true;
                verified.bytes = scan.len()?;
                checked.finish(self, &mut scan, problems)?;
            }
        }
        Ok(verified)
    }

    /// What does not fit between segments that were checked one by one, and what is missing behind
    /// the last one.
    ///
    /// # Errors
    /// What the disk said.
    pub fn check_order(
        &self,
        segments: &[u64],
        parts: &[VerifiedSegment],
    ) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        let mut expected = Some((0, 0));
        for (number, part) in segments.iter().zip(parts) {
            // What follows a damaged segment says itself where it begins.
            if let (Some(begins), Some(expected)) = (part.begins, expected)
                && begins != expected
            {
                problems.push(Problem {
                    file: self.describe(*number),
                    place: 72,
                    reason: "it does not follow the segment before".to_owned(),
                });
            }
            expected = part.ends;
        }
        if let Some((position, _)) = expected {
            let last = parts.last();
            let written = last.filter(|part| !part.is_sealed);
            let end = LogEnd {
                position,
                segment: segments.last().copied().unwrap_or(0),
                place: written.map_or(0, |part| part.bytes),
            };
            problems.extend(self.missing_after(&end)?);
        }
        Ok(problems)
    }

    /// What is missing behind the last segment, unless a writer has gone on since the check began.
    fn missing_after(&self, end: &LogEnd) -> Result<Option<Problem>, Error> {
        let missing = self.missing_known(end);
        let missing = missing.or_else(|| self.missing_later(end));
        let is_last = self.segments()?.last().copied().unwrap_or(0) == end.segment;
        Ok(missing.filter(|_| is_last))
    }
}

/// Gathers from the blocks of a sealed segment what its header and its tables should say.
pub(crate) struct SealedCheck {
    sealed: Sealed,
    first_position: u64,
    /// Of the events, where there is a clustered copy to be compared.
    sum: Option<EventSum>,
    index: Index,
    events: u64,
    raw_bytes: u64,
    /// A block whose events can not be read is a problem that is named by itself.
    is_readable: bool,
}

impl SealedCheck {
    pub(crate) fn of(header: &SegmentHeader) -> Option<Self> {
        let sealed = header.sealed.clone()?;
        Some(Self {
            first_position: header.new.first_position,
            sum: sealed.is_clustered().then(EventSum::default),
            sealed,
            index: Index::of(header.store),
            events: 0,
            raw_bytes: 0,
            is_readable: true,
        })
    }

    pub(crate) fn add(&mut self, scan: &Scan, head: &BlockHead) -> Result<(), &'static str> {
        let block = (head.rows > 0).then(|| decode_whole(scan, head));
        let block = block
            .transpose()
            .inspect_err(|_| self.is_readable = false)?;
        if let (Some(sum), Some(block)) = (&mut self.sum, &block) {
            sum.add(&block.events());
        }
        self.index.add(head, self.sealed.rewrite, block.as_ref());
        self.events += u64::from(head.rows);
        self.raw_bytes += head.raw_bytes();
        Ok(())
    }

    pub(crate) fn finish(
        mut self,
        dir: &ShardDir,
        scan: &mut Scan,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Error> {
        if !self.is_readable {
            return Ok(());
        }
        let sealed = &self.sealed;
        let known = problems.len();
        let range = self.index.commit_range();
        let said = (sealed.events, sealed.raw_bytes);
        let found = (self.events, self.raw_bytes);
        let first_events = self.index.first_events;
        let gone = sealed.removed + sealed.lost;
        let ids = self.index.rising_ids();
        let is_so = said == found
            // Those that are not in it any more count as well.
            && (first_events..=first_events + gone).contains(&sealed.first_events)
            && (sealed.first_commit, sealed.last_commit) == range
            && sealed
                .highest_id
                .is_none_or(|highest| (sealed.lowest_id, highest) == ids);
        if !is_so {
            problems
                .push(scan.problem(START as u64, "its header does not say what its blocks hold"));
        }
        let mut at = sealed.blocks_end;
        let tables = self.index.tables(sealed);
        let (found, clusters) = split_tables(sealed);
        let kinds = tables.iter().map(|(kind, _)| *kind);
        if !kinds.eq(found.iter().map(|table| table.kind))
            || sealed.is_clustered() != (clusters.len() == 2)
        {
            problems.push(scan.problem(232, "it has other tables than its blocks ask for"));
            return Ok(());
        }
        for ((_, bytes), table) in tables.iter().zip(found) {
            let is_right = is_zero(scan, at..table.place)?
                && scan.holds(table.place, bytes)?
                && table.length == bytes.len() as u64;
            if !is_right {
                let reason =
                    "a table does not say what the blocks hold; repairing the store mends it";
                problems.push(scan.problem(table.place, reason));
            }
            at = table.place + table.length;
        }
        for table in clusters {
            if !is_zero(scan, at..table.place)? {
                problems.push(scan.problem(at, "the bytes before a table are not zero"));
            }
            at = table.place + table.length;
        }
        // What the blocks hold must be certain.
        if let Some(sum) = self.sum.filter(|_| problems.len() == known) {
            let wrong = cluster_check::check(dir, scan, sealed, self.first_position, &sum)?;
            problems.extend(wrong.map(|(place, reason)| {
                let reason =
                    format!("in its clustered copy: {reason}; repairing the store mends it");
                scan.problem(place, &reason)
            }));
        }
        if scan.len()? != sealed.length || at != sealed.length {
            problems.push(scan.problem(at, "it has another length than its header says"));
        }
        Ok(())
    }
}

/// The tables that follow from the blocks byte by byte, and those of the clustered copy behind
/// them.
fn split_tables(sealed: &Sealed) -> (&[Table], &[Table]) {
    let is_other = |table: &Table| {
        !matches!(
            table.kind,
            TableKind::Clusters | TableKind::ClusterDirectory
        )
    };
    let others = sealed.tables.iter().take_while(|table| is_other(table));
    sealed.tables.split_at(others.count())
}

/// Whether there is nothing but zeros between two tables, and not many.
fn is_zero(scan: &mut Scan, range: Range<u64>) -> Result<bool, Error> {
    let gap = range.end.saturating_sub(range.start);
    Ok(gap < 4096 && scan.holds(range.start, &vec![0; gap as usize])?)
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
