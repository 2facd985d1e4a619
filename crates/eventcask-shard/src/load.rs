//! The events of one aggregate.
//!
//! The directory knows where the newest one is, and each block where the aggregate's newest
//! event before it is: 1. walk back from block to block to where the caller wants to begin;
//! 2. hand the events out forwards, a block at a time.

use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_log::{Block, Error};

use crate::ShardReader;
use crate::index::row_at;

/// Which events of an aggregate are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first version, from 1.
    pub from_version: u64,
    /// The last version.
    pub to_version: u64,
    /// Nothing that was committed later than this.
    pub until: Timestamp,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            from_version: 1,
            to_version: u64::MAX,
            until: Timestamp::from_nanos(i64::MAX),
        }
    }
}

/// The events of one aggregate, forwards, as rows of blocks.
#[derive(Debug)]
pub struct Aggregate {
    reader: Arc<ShardReader>,
    bounds: Bounds,
    /// The aggregate's newest position in each of its blocks; the next block is last.
    newest: Vec<u64>,
    open: Option<(Arc<Block>, std::vec::IntoIter<usize>)>,
}

impl Aggregate {
    /// Finds the events of an aggregate; there are none where it does not exist.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn load(reader: Arc<ShardReader>, key: &str, bounds: Bounds) -> Result<Self, Error> {
        let mut newest = Vec::new();
        let mut position = reader.newest(key);
        while let Some(at) = position {
            newest.push(at);
            position = step_back(&reader, at, bounds.from_version)?;
        }
        Ok(Self {
            reader,
            bounds,
            newest,
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
            let rows = rows_of(&block.events(), position, &self.bounds);
            self.open = Some((block, rows.into_iter()));
        }
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

/// Position of the aggregate's newest event in an earlier block, unless this one goes back far
/// enough.
fn step_back(reader: &ShardReader, position: u64, from_version: u64) -> Result<Option<u64>, Error> {
    let block = block_at(reader, position)?;
    let events = block.events();
    let Some(row) = row_at(&events, position) else {
        return Ok(None);
    };
    let aggregate = events.aggregate_index(row);
    let first = (0..events.len()).find(|row| events.aggregate_index(*row) == aggregate);
    let version = events.columns().versions[first.unwrap_or(row)].to_native();
    let previous = events
        .previous(aggregate)
        .filter(|previous| *previous < position);
    Ok(previous.filter(|_| version > from_version))
}

/// The rows that the aggregate of the event at `position` has in a block, within bounds.
fn rows_of(events: &Events<'_>, position: u64, bounds: &Bounds) -> Vec<usize> {
    let Some(row) = row_at(events, position) else {
        return Vec::new();
    };
    let aggregate = events.aggregate_index(row);
    let wanted = |row: &usize| {
        let version = events.columns().versions[*row].to_native();
        events.aggregate_index(*row) == aggregate
            && (bounds.from_version..=bounds.to_version).contains(&version)
            && events.commit_time(*row) <= bounds.until
    };
    (0..events.len()).filter(wanted).collect()
}
