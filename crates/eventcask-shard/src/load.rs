//! The events of one aggregate.
//!
//! The directory or a segment's table knows where the newest one is, and each block where the
//! aggregate's newest event before it is: 1. walk back from block to block to where the caller
//! wants to begin; 2. hand the events out forwards, a block at a time. Where an event on the
//! way is gone, the tables of the segments before tell where to go on. Of each block only the
//! payloads are opened that the aggregate needs.

use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_log::{Block, Error};

use crate::{Hidden, ShardReader};

/// Which events of an aggregate are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first version, from 1.
    pub from_version: u64,
    /// The last version.
    pub to_version: u64,
    /// The last position.
    pub to_position: u64,
    /// Nothing that was committed later than this.
    pub until: Timestamp,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            from_version: 1,
            to_version: u64::MAX,
            to_position: u64::MAX,
            until: Timestamp::from_nanos(i64::MAX),
        }
    }
}

impl Bounds {
    /// Whether nothing that comes after the event at `position` is wanted.
    fn end_before(&self, events: &Events<'_>, position: u64) -> bool {
        position > self.to_position
            || events.row_at(position).is_some_and(|row| {
                events.version(row) > self.to_version || events.commit_time(row) > self.until
            })
    }
}

/// The events of one aggregate, forwards, as rows of blocks.
#[derive(Debug)]
pub struct Aggregate {
    reader: Arc<ShardReader>,
    hidden: Arc<Hidden>,
    bounds: Bounds,
    /// The aggregate's newest position in each of its blocks; the next block is last.
    newest: Vec<u64>,
    /// The newest of all when it was looked up.
    newest_of_all: Option<u64>,
    /// Position after the last event that was handed out: blocks may become one meanwhile.
    next: u64,
    open: Option<(Arc<Block>, std::vec::IntoIter<usize>)>,
}

impl Aggregate {
    /// Finds the events of an aggregate; there are none where it does not exist.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn load(reader: Arc<ShardReader>, key: &str, bounds: Bounds) -> Result<Self, Error> {
        let hidden = Arc::clone(&reader.published().hidden);
        let from_version = bounds.from_version.max(hidden.first_version(key));
        let bounds = Bounds {
            from_version,
            ..bounds
        };
        let mut newest = Vec::new();
        let newest_of_all = reader.newest(key)?;
        let mut position = newest_of_all;
        while let Some(at) = position {
            position = match step_back(&reader, at, from_version, hidden.before())? {
                Step::Back(before) => {
                    newest.push(at);
                    before
                }
                Step::Gone => {
                    let before = reader.newest_before(key, at)?;
                    before
                        .map(|place| place.position)
                        .filter(|before| *before < at)
                }
            };
        }
        Ok(Self {
            reader,
            hidden,
            bounds,
            newest,
            newest_of_all,
            next: 0,
            open: None,
        })
    }

    /// Position of the aggregate's newest event when it was looked up, whatever the bounds; none
    /// where it does not exist.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest_of_all
    }

    /// The next block that holds wanted events, and their rows: for those who want to look at a block
    /// once for all of them.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn next_block(&mut self) -> Result<Option<(Arc<Block>, Vec<usize>)>, Error> {
        while let Some(position) = self.newest.pop() {
            let block = block_at(&self.reader, position)?;
            if let Some(before) = self.left_out(&block.events(), position) {
                self.newest.extend([position, before]);
                continue;
            }
            let rows = self.rows_of(&block.events(), position);
            self.next = position + 1;
            if self.bounds.end_before(&block.events(), position) {
                self.newest.clear();
            }
            if !rows.is_empty() {
                return Ok(Some((block, rows)));
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> Result<Option<(Arc<Block>, usize)>, Error> {
        loop {
            if let Some((block, rows)) = &mut self.open
                && let Some(row) = rows.next()
            {
                return Ok(Some((Arc::clone(block), row)));
            }
            match self.next_block()? {
                None => return Ok(None),
                Some((block, rows)) => self.open = Some((block, rows.into_iter())),
            }
        }
    }
}

impl Aggregate {
    /// The aggregate's newest position before a block, if it was not handed out: the block that held
    /// both when we walked back was cut in two since, as its segment was written anew.
    fn left_out(&self, events: &Events<'_>, position: u64) -> Option<u64> {
        let from_commit = self.hidden.before();
        match back_from(events, position, self.bounds.from_version, from_commit) {
            Step::Back(before) => before.filter(|before| *before >= self.next),
            Step::Gone => None,
        }
    }

    /// The rows that the aggregate of the event at `position` has in a block up to there,
    /// within bounds.
    fn rows_of(&self, events: &Events<'_>, position: u64) -> Vec<usize> {
        let Some(last) = events.row_at(position) else {
            return Vec::new();
        };
        let (aggregate, bounds) = (events.aggregate_index(last), &self.bounds);
        let wanted = |row: &usize| {
            let version = events.columns().versions[*row].to_native();
            events.aggregate_index(*row) == aggregate
                && events.position(*row) >= self.next
                && (bounds.from_version..=bounds.to_version).contains(&version)
                && events.position(*row) <= bounds.to_position
                && events.commit_time(*row) <= bounds.until
                && !self.hidden.hides(events, *row)
        };
        (0..=last).filter(wanted).collect()
    }
}

impl Iterator for Aggregate {
    type Item = Result<(Arc<Block>, usize), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn block_at(reader: &ShardReader, position: u64) -> Result<Arc<Block>, Error> {
    reader
        .block_of(position)?
        .ok_or_else(|| reader.lost(position))
}

/// Where a walk back comes to.
enum Step {
    /// The event is there; this is the aggregate's newest event in an earlier block, unless this
    /// one goes back far enough.
    Back(Option<u64>),
    /// The event is gone.
    Gone,
}

fn step_back(
    reader: &ShardReader,
    position: u64,
    from_version: u64,
    from_commit: i64,
) -> Result<Step, Error> {
    let Some(block) = reader.block_of(position)? else {
        return Ok(Step::Gone);
    };
    Ok(back_from(
        &block.events(),
        position,
        from_version,
        from_commit,
    ))
}

fn back_from(events: &Events<'_>, position: u64, from_version: u64, from_commit: i64) -> Step {
    let Some(row) = events.row_at(position) else {
        return Step::Gone;
    };
    let aggregate = events.aggregate_index(row);
    let first = (0..events.len()).find(|row| events.aggregate_index(*row) == aggregate);
    let first = first.unwrap_or(row);
    let version = events.columns().versions[first].to_native();
    let goes_on = version > from_version && events.commit_time(first).as_nanos() >= from_commit;
    let previous = events.previous(aggregate);
    let previous = previous.filter(|previous| goes_on && *previous < position);
    Step::Back(previous)
}
