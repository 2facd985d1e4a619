//! The events of one aggregate.
//!
//! The directory or a segment's table knows where the newest one is, and each block where the
//! aggregate's newest event before it is: 1. walk back from block to block to where the caller
//! wants to begin; 2. hand the events out forwards, a block at a time. Where an event on the
//! way is gone, the tables of the segments before tell where to go on.

use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_log::{Block, Error};

use crate::index::row_at;
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

/// The events of one aggregate, forwards, as rows of blocks.
#[derive(Debug)]
pub struct Aggregate {
    reader: Arc<ShardReader>,
    hidden: Arc<Hidden>,
    bounds: Bounds,
    /// The aggregate's newest position in each of its blocks; the next block is last.
    newest: Vec<u64>,
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
        let mut position = reader.newest(key)?;
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
            next: 0,
            open: None,
        })
    }

    fn step(&mut self) -> Result<Option<(Arc<Block>, usize)>, Error> {
        loop {
            if let Some((block, rows)) = &mut self.open
                && let Some(row) = rows.next()
            {
                return Ok(Some((Arc::clone(block), row)));
            }
            let Some(position) = self.newest.pop() else {
                return Ok(None);
            };
            let block = block_at(&self.reader, position)?;
            if let Some(before) = self.left_out(&block.events(), position) {
                self.newest.extend([position, before]);
                continue;
            }
            let rows = self.rows_of(&block.events(), position);
            self.next = position + 1;
            self.open = Some((block, rows.into_iter()));
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
        let Some(last) = row_at(events, position) else {
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
        .block_at(position)?
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
    let Some(block) = reader.block_at(position)? else {
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
    let Some(row) = row_at(events, position) else {
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
