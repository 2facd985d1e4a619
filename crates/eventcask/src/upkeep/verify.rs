//! Reads everything and says what is wrong.
//!
//! The log checks bytes: every checksum, the chain of blocks, their places and positions. Here
//! the meaning is checked on top: 1. each key belongs to its shard; 2. versions of an aggregate
//! have no gaps and link back to the event before, but where events were given up; 3. ids are
//! stored once; 4. commit times never step back; 5. definitions and snapshots of views and
//! projections, and subscriptions, are whole.
//! Segments are read on all cores; what is known of each is merged in their order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use eventcask_event::{EventId, Events, NO_POSITION, Routing, erased_id, erased_id_of};
use eventcask_log::{
    Block, BlockHead, Error as LogError, Framed, Manifest, Payloads, Problem, ShardDir, Storage,
    VerifiedSegment,
};

use eventcask_shard::KeyHasher;

use crate::store::location::Location;
use crate::store::origin::{self, Origin};
use crate::store::seen::known_ends;
use crate::store::side_files;
use crate::{Error, parallel};

/// What a check of a whole store found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Blocks that were read.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
    /// Aggregates that they are about, or were before those were given up.
    pub aggregates: u64,
    /// Events with the id of an event of the same aggregate before: [`crate::Options::dedup`] had
    /// forgotten it, or that event had been given up.
    pub repeated_ids: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// What is wrong, and where; empty where all is well.
    pub problems: Vec<Problem>,
    /// Writes that ended with their process, at the end of a log: no damage, nothing in them was
    /// acknowledged, and they are set aside when the store is next opened for writing.
    pub unfinished: Vec<Problem>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Reads and checks every byte of a store, on all cores, changing nothing.
///
/// A writer may be at work meanwhile: what it has not finished is not a problem.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let bank = directory.path().join("bank");
/// eventcask::open(&bank)?.close()?;
/// let report = eventcask::verify(&bank)?;
/// assert!(report.is_ok(), "{:?}", report.problems);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`crate::ErrorKind::NotAStore`], [`crate::ErrorKind::NewerFormat`],
/// [`crate::ErrorKind::OlderFormat`], or what the disk said. Damage is no error but part of the
/// report.
pub fn verify(location: impl Into<Location>) -> Result<VerifyReport, Error> {
    verify_storage(&location.into().into_storage())
}

fn verify_storage(storage: &Arc<dyn Storage>) -> Result<VerifyReport, Error> {
    let started = Instant::now();
    let mut report = VerifyReport {
        blocks: 0,
        events: 0,
        aggregates: 0,
        repeated_ids: 0,
        bytes: 0,
        seconds: 0.0,
        problems: Vec::new(),
        unfinished: Vec::new(),
    };
    if let Some(manifest) = keep_damage(Manifest::read(&**storage), &mut report.problems)? {
        let live = || storage.is_locked().unwrap_or(false);
        // Before the logs, which only grow.
        let ends = known_ends(&**storage, &manifest)?;
        let origin = keep_damage(Origin::read(&**storage, &manifest), &mut report.problems)?;
        let origin = origin.unwrap_or_default();
        let mut erased = HashSet::new();
        for shard in 0..manifest.shards {
            let dir = ShardDir::new(Arc::clone(storage), &manifest, shard);
            let dir = dir.known_to(ends.of(shard));
            let whole = verify_shard(&dir, origin.thin_to(shard), &live, &mut report)?;
            report.aggregates += whole.aggregates_with_keys(&dir);
            erased.extend(whole.erased);
        }
        report.aggregates += erased.len() as u64;
        verify_side_files(&**storage, &mut report)?;
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Segments that are read at once at most, for each core: what is known of each is kept until
/// those before it are merged.
const SEGMENTS_A_CORE: usize = 2;

/// Reads the segments of a shard, several at a time, and looks whether they go together.
///
/// Versions need not follow before the position `thin_to`.
fn verify_shard(
    dir: &ShardDir,
    thin_to: u64,
    live: &(dyn Fn() -> bool + Sync),
    report: &mut VerifyReport,
) -> Result<Whole, LogError> {
    let mut whole = Whole::default();
    let Some(segments) = dir.segments_to_verify(&mut report.problems)? else {
        return Ok(whole);
    };
    let last = segments.last().copied();
    let mut order = Vec::new();
    let identity = Identity::default();
    for some in segments.chunks(SEGMENTS_A_CORE * parallel::width()) {
        let parts = parallel::map(some.len(), |index| {
            let is_last = Some(some[index]) == last;
            Part::read(dir, thin_to, some[index], is_last, &identity, live)
        });
        let parts: Result<Vec<_>, LogError> = parts.into_iter().collect();
        for (part, verified) in parts? {
            report.bytes += verified.bytes;
            report.unfinished.extend(verified.unfinished.clone());
            whole.merge(dir, part, report);
            order.push(verified);
        }
    }
    report.problems.extend(dir.check_order(&segments, &order)?);
    whole.count_repeated_ids(report);
    Ok(whole)
}

/// Makes one number of an id and the key of its aggregate. Two differ that are not the same, but
/// for a chance of 2^-128.
#[derive(Default)]
struct Identity([KeyHasher; 2]);

impl Identity {
    fn of_key(&self, key: &str) -> u128 {
        let [high, low] = &self.0;
        u128::from(high.hash(key)) << 64 | u128::from(low.hash(key))
    }
}

/// Where an aggregate begins and ends in a segment.
struct Span {
    first_version: u64,
    /// Position of its newest event before, as its first event says.
    link: u64,
    version: u64,
    position: u64,
    /// Place of the block with its first event.
    place: u64,
}

/// What is known of one segment.
struct Part<'v> {
    segment: u64,
    routing: Routing,
    /// Versions need not follow before this position: the store was made without events that had
    /// been given up, or were lost, in the one before.
    thin_to: u64,
    identity: &'v Identity,
    blocks: u64,
    events: u64,
    gone: u64,
    problems: Vec<Problem>,
    aggregates: HashMap<String, Span>,
    /// Of the events that came with an id.
    identities: Vec<u128>,
    /// Commit times of the first and last event.
    commits: Option<(i64, i64)>,
    next_position: Option<u64>,
    /// Whether a damaged block or a gap was passed, so that versions can not be followed.
    is_broken: bool,
    /// Whether it has events before which others may be missing.
    is_thin: bool,
}

impl<'v> Part<'v> {
    fn new(segment: u64, dir: &ShardDir, thin_to: u64, identity: &'v Identity) -> Self {
        Self {
            segment,
            routing: dir.routing(),
            thin_to,
            identity,
            blocks: 0,
            events: 0,
            gone: 0,
            problems: Vec::new(),
            aggregates: HashMap::new(),
            identities: Vec::new(),
            commits: None,
            next_position: None,
            is_broken: false,
            is_thin: false,
        }
    }

    /// Reads a segment and gathers what has to be known of it.
    fn read(
        dir: &ShardDir,
        thin_to: u64,
        segment: u64,
        is_last: bool,
        identity: &'v Identity,
        live: &dyn Fn() -> bool,
    ) -> Result<(Self, VerifiedSegment), LogError> {
        let mut part = Self::new(segment, dir, thin_to, identity);
        let mut problems = Vec::new();
        let mut check =
            |head: &BlockHead, bytes: &[u8], damaged| part.check_block(head, bytes, damaged);
        let verified = dir.verify_segment(segment, is_last, live, &mut problems, &mut check)?;
        (part.problems, part.gone) = (problems, verified.gone);
        Ok((part, verified))
    }

    fn check_block(
        &mut self,
        head: &BlockHead,
        bytes: &[u8],
        damaged: usize,
    ) -> Result<(), &'static str> {
        self.is_broken |= damaged > 0;
        self.blocks += 1;
        if head.rows == 0 {
            return Ok(());
        }
        let next = self.next_position.replace(head.next_position());
        self.is_broken |= head.gaps > 0 || next.is_some_and(|next| next != head.first_position);
        self.events += u64::from(head.rows);
        let block = Block::decode(head.clone(), bytes, Payloads::All)?;
        block.check_closely()?;
        self.check_events(&block.events(), head)
    }

    fn check_events(&mut self, events: &Events<'_>, head: &BlockHead) -> Result<(), &'static str> {
        for index in 0..events.aggregates() {
            if self.routing.shard_of(events.key(index)) != events.shard() {
                return Err("an event is in a shard that its key does not belong to");
            }
        }
        let (first, last) = (head.first_commit, head.last_commit);
        let before = self.commits.map_or(first, |(_, last)| last);
        if first < before || last < first {
            return Err("commit times step back");
        }
        self.commits = Some((self.commits.map_or(first, |(first, _)| first), last));
        let keys = (0..events.aggregates()).map(|index| self.identity.of_key(events.key(index)));
        let keys: Vec<u128> = keys.collect();
        let identities = (0..events.len()).filter_map(|row| {
            let id = events.given_id(row)?;
            Some(id.as_u128() ^ keys[events.aggregate_index(row)])
        });
        self.identities.extend(identities);
        self.check_versions(events, head)
    }

    fn check_versions(
        &mut self,
        events: &Events<'_>,
        head: &BlockHead,
    ) -> Result<(), &'static str> {
        // Where events are gone, the versions of those that are left need not follow.
        self.is_thin |= head.first_position < self.thin_to;
        let may_skip = self.is_broken || head.first_position < self.thin_to;
        let mut linked = vec![false; events.aggregates()];
        let mut follows = true;
        for row in 0..events.len() {
            let index = events.aggregate_index(row);
            let (version, position) = (events.columns().versions[row], events.position(row));
            let link = events.previous(index).unwrap_or(NO_POSITION);
            match self.aggregates.get_mut(events.key(index)) {
                None => {
                    let span = Span {
                        first_version: version,
                        link,
                        version,
                        position,
                        place: head.place,
                    };
                    self.aggregates.insert(events.key(index).to_owned(), span);
                }
                Some(span) => {
                    let links = linked[index] || link == span.position;
                    follows &= may_skip || (Some(version) == span.version.checked_add(1) && links);
                    follows &= version > span.version;
                    (span.version, span.position) = (version, position);
                }
            }
            linked[index] = true;
        }
        if follows { Ok(()) } else { Err(BAD_VERSIONS) }
    }
}

const BAD_VERSIONS: &str = "an aggregate's versions have a gap or do not link to the event before";

/// What is known of the segments of a shard so far.
#[derive(Default)]
struct Whole {
    aggregates: HashMap<String, Newest>,
    /// Keys that were erased: the versions of an aggregate go on behind that, and those of the key
    /// that stands for one are all that is left of several.
    erased: HashSet<EventId>,
    identities: Vec<u128>,
    last_commit: Option<i64>,
    /// Segments so far in which events are missing: behind each, the versions of an aggregate
    /// need not follow once.
    gaps: u32,
}

/// The newest event of an aggregate so far.
#[derive(Clone, Copy)]
struct Newest {
    version: u64,
    position: u64,
    /// Segments with missing events up to there.
    gaps: u32,
}

impl Whole {
    fn merge(&mut self, dir: &ShardDir, mut part: Part<'_>, report: &mut VerifyReport) {
        report.blocks += part.blocks;
        report.events += part.events;
        let is_whole = part.gone == 0 && part.problems.is_empty();
        let has_gap = part.is_broken || part.is_thin || !is_whole;
        let gaps_before = self.gaps;
        self.gaps += u32::from(has_gap);
        report.problems.append(&mut part.problems);
        let mut problem = |place, reason: &str| {
            report.problems.push(Problem {
                file: dir.describe(part.segment),
                place,
                reason: reason.to_owned(),
            });
        };
        if let (Some(before), Some((first, _))) = (self.last_commit, part.commits)
            && first < before
        {
            problem(4096, "commit times step back");
        }
        self.last_commit = part.commits.map(|(_, last)| last).or(self.last_commit);
        let keys = part.aggregates.keys();
        self.erased.extend(keys.filter_map(|key| erased_id_of(key)));
        let mut wrong: Option<u64> = None;
        for (key, span) in part.aggregates {
            let was_erased = !self.erased.is_empty()
                && (erased_id_of(&key).is_some()
                    || self.erased.contains(&erased_id(dir.first_store(), &key)));
            let newest = Newest {
                version: span.version,
                position: span.position,
                // What is missing may have come after this event.
                gaps: gaps_before,
            };
            let known = self.aggregates.insert(key, newest).unwrap_or(Newest {
                version: 0,
                position: NO_POSITION,
                gaps: 0,
            });
            let may_skip = known.gaps < self.gaps;
            let next = known.version.checked_add(1);
            let follows = Some(span.first_version) == next && span.link == known.position;
            if span.first_version <= known.version || !(follows || may_skip || was_erased) {
                wrong = Some(wrong.map_or(span.place, |place| place.min(span.place)));
            }
        }
        if let Some(place) = wrong {
            problem(place, BAD_VERSIONS);
        }
        self.identities.append(&mut part.identities);
    }

    /// How many aggregates there are whose keys are not erased. One that was erased and came again
    /// is in the log by two keys, and what stands for an erased one may be in several shards.
    fn aggregates_with_keys(&self, dir: &ShardDir) -> u64 {
        let keys = self.aggregates.keys();
        if self.erased.is_empty() {
            return keys.len() as u64;
        }
        let came_again = |key: &str| self.erased.contains(&erased_id(dir.first_store(), key));
        let keys = keys.filter(|key| erased_id_of(key).is_none() && !came_again(key));
        keys.count() as u64
    }

    /// A window of ids may have forgotten some; nothing on disk tells how long it was.
    fn count_repeated_ids(&mut self, report: &mut VerifyReport) {
        self.identities.sort_unstable();
        let twice = self.identities.windows(2).filter(|pair| pair[0] == pair[1]);
        report.repeated_ids += twice.count() as u64;
    }
}

/// Checks the files beside the log. Snapshots are derived, so damage to one loses nothing; it is
/// named all the same.
fn verify_side_files(storage: &dyn Storage, report: &mut VerifyReport) -> Result<(), Error> {
    for (_, path) in side_files::framed(storage)? {
        // What is wrong with it is known: it was needed.
        if path != origin::NAME {
            verify_framed(storage, &path, report)?;
        }
    }
    Ok(())
}

fn verify_framed(
    storage: &dyn Storage,
    path: &str,
    report: &mut VerifyReport,
) -> Result<(), Error> {
    let framed = Framed::read(storage, path);
    if let Some(framed) = keep_damage(framed, &mut report.problems)? {
        report.bytes += framed.file_bytes();
    }
    Ok(())
}

/// Turns damage into an entry of the list; other errors stay errors.
fn keep_damage<T>(
    result: Result<T, LogError>,
    problems: &mut Vec<Problem>,
) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.into_problem() {
            Ok(problem) => {
                problems.push(problem);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        },
    }
}
