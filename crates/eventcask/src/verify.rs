//! Reads everything and says what is wrong.
//!
//! The log checks bytes: every checksum, the chain of blocks, their places and positions. Here
//! the meaning is checked on top: 1. each key belongs to its shard; 2. versions of an aggregate
//! have no gaps and link back to the event before; 3. ids are stored once; 4. commit times
//! never step back; 5. definitions and snapshots of views are whole.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use eventcask_event::{EventId, Events, NO_POSITION, route};
use eventcask_log::{
    Block, BlockHead, Error as LogError, FileStorage, Framed, Manifest, Payloads, Problem,
    ShardDir, Storage,
};
use rayon::prelude::*;

use crate::Error;

/// What a check of a whole store found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Blocks that were read.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
    /// Aggregates that they are about.
    pub aggregates: u64,
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

/// Reads and checks every byte of the store in a directory, on all cores, changing nothing.
///
/// A writer may be at work meanwhile: what it has not finished is not a problem.
///
/// # Errors
/// [`crate::ErrorKind::NotAStore`], [`crate::ErrorKind::NewerFormat`], or what the disk said. Damage is no
/// error but part of the report.
pub fn verify(directory: impl AsRef<Path>) -> Result<VerifyReport, Error> {
    verify_storage(&(Arc::new(FileStorage::new(directory.as_ref())) as Arc<dyn Storage>))
}

pub(crate) fn verify_storage(storage: &Arc<dyn Storage>) -> Result<VerifyReport, Error> {
    let started = Instant::now();
    let mut report = VerifyReport {
        blocks: 0,
        events: 0,
        aggregates: 0,
        bytes: 0,
        seconds: 0.0,
        problems: Vec::new(),
        unfinished: Vec::new(),
    };
    if let Some(manifest) = keep_damage(Manifest::read(&**storage), &mut report.problems)? {
        let live = || storage.is_locked().unwrap_or(false);
        let parts: Result<Vec<_>, LogError> = (0..manifest.shards)
            .into_par_iter()
            .map(|shard| {
                let dir = ShardDir::new(Arc::clone(storage), &manifest, shard);
                verify_shard(&dir, manifest.shards, &live)
            })
            .collect();
        for part in parts? {
            report.add(part);
        }
        verify_views(&**storage, &mut report)?;
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

impl VerifyReport {
    fn add(&mut self, part: Part) {
        self.blocks += part.blocks;
        self.events += part.events;
        self.aggregates += part.aggregates.len() as u64;
        self.bytes += part.bytes;
        self.problems.extend(part.problems);
        self.unfinished.extend(part.unfinished);
    }
}

/// What is known of one shard while it is read.
#[derive(Default)]
struct Part {
    blocks: u64,
    events: u64,
    bytes: u64,
    problems: Vec<Problem>,
    unfinished: Option<Problem>,
    /// Version and position of the newest event of each aggregate.
    aggregates: HashMap<String, (u64, u64)>,
    ids: HashSet<EventId>,
    last_commit: i64,
    /// Whether a damaged block was passed, so that versions can not be followed any more.
    is_broken: bool,
}

fn verify_shard(
    dir: &ShardDir,
    shards: u32,
    live: &(dyn Fn() -> bool + Sync),
) -> Result<Part, LogError> {
    let mut part = Part {
        last_commit: i64::MIN,
        ..Part::default()
    };
    let mut problems = Vec::new();
    let mut found_before = 0;
    let verified = dir.verify(live, &mut problems, &mut |head, bytes, damaged| {
        part.is_broken |= damaged > found_before;
        found_before = damaged;
        part.check_block(head, bytes, shards)
    })?;
    part.bytes = verified.bytes;
    part.unfinished = verified.unfinished;
    part.problems = problems;
    Ok(part)
}

impl Part {
    fn check_block(
        &mut self,
        head: &BlockHead,
        bytes: &[u8],
        shards: u32,
    ) -> Result<(), &'static str> {
        self.blocks += 1;
        if head.rows == 0 {
            return Ok(());
        }
        self.events += u64::from(head.rows);
        let block = Block::decode(head.clone(), bytes, Payloads::All)?;
        self.check_events(&block.events(), shards)
    }

    fn check_events(&mut self, events: &Events<'_>, shards: u32) -> Result<(), &'static str> {
        for row in 0..events.len() {
            let event = events.event(row);
            if route(event.aggregate, shards) != event.shard {
                return Err("an event is in a shard that its key does not belong to");
            }
            if event.commit_time.as_nanos() < self.last_commit {
                return Err("commit times step back");
            }
            self.last_commit = event.commit_time.as_nanos();
            if events.given_id(row).is_some_and(|id| !self.ids.insert(id)) {
                return Err("an id is stored twice");
            }
        }
        self.check_versions(events)
    }

    fn check_versions(&mut self, events: &Events<'_>) -> Result<(), &'static str> {
        let mut linked = vec![false; events.aggregates()];
        for row in 0..events.len() {
            let event = events.event(row);
            let index = events.aggregate_index(row);
            let known = self.aggregates.get(event.aggregate).copied();
            let (version, position) = known.unwrap_or((0, NO_POSITION));
            let previous = events.previous(index).unwrap_or(NO_POSITION);
            let links = linked[index] || previous == position;
            if !self.is_broken && (event.version != version + 1 || !links) {
                return Err(
                    "an aggregate's versions have a gap or do not link to the event before",
                );
            }
            linked[index] = true;
            self.aggregates
                .insert(event.aggregate.to_owned(), (event.version, event.position));
        }
        Ok(())
    }
}

/// Checks the files of views. Snapshots are derived, so damage to one loses nothing; it is
/// named all the same.
fn verify_views(storage: &dyn Storage, report: &mut VerifyReport) -> Result<(), Error> {
    let list = |dir: &str| {
        storage
            .list(dir)
            .map_err(|error| LogError::io("list", &storage.describe(dir), error))
    };
    for view in list("views")? {
        let dir = format!("views/{view}");
        let mut names = list(&dir)?;
        names.retain(|name| name == "definition" || name.ends_with(".snapshot"));
        for name in names {
            let framed = Framed::read(storage, &format!("{dir}/{name}"));
            if let Some(framed) = keep_damage(framed, &mut report.problems)? {
                report.bytes += 128 + framed.body.len() as u64;
            }
        }
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
