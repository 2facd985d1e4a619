//! The events of all aggregates, in the order in which they were committed.
//!
//! Each shard is read block by block. What comes next is the event with the lowest commit time
//! among the shards' next ones; commit times come from one clock for the whole store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_log::{Block, Payloads};
use eventcask_shard::{Hidden, ShardReader};

use crate::store::Inner;
use crate::{Error, Event};

/// Says which events are wanted; [`iter`](Self::iter) reads them.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::NewEvent;
/// let mut producer = store.producer();
/// producer.push("a", &NewEvent::json("Opened", b"{}"))?;
/// producer.push("b", &NewEvent::json("Closed", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// let opened: Vec<_> = store.events().types(&["Opened"]).iter().collect::<Result<_, _>>()?;
/// assert_eq!(opened.len(), 1);
/// assert_eq!(opened[0].get().aggregate, "a");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Scan {
    inner: Arc<Inner>,
    shard: Option<u32>,
    from: Vec<u64>,
    types: Option<Vec<String>>,
    since: Timestamp,
    until: Timestamp,
}

impl Scan {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let from = vec![0; inner.readers.len()];
        let (since, until) = (
            Timestamp::from_nanos(i64::MIN),
            Timestamp::from_nanos(i64::MAX),
        );
        Self {
            inner,
            shard: None,
            from,
            types: None,
            since,
            until,
        }
    }

    /// Only the events of this shard.
    pub fn shard(mut self, shard: u32) -> Self {
        self.shard = Some(shard);
        self
    }

    /// Begins at this position in each shard.
    pub fn from_position(mut self, position: u64) -> Self {
        self.from.fill(position);
        self
    }

    /// Begins at these positions, one a shard; those that are left out begin at 0.
    pub fn from_positions(mut self, positions: &[u64]) -> Self {
        for (from, position) in self.from.iter_mut().zip(positions) {
            *from = *position;
        }
        self
    }

    /// Only events of the types with these names.
    pub fn types<S: AsRef<str>>(mut self, types: &[S]) -> Self {
        self.types = Some(types.iter().map(|name| name.as_ref().to_owned()).collect());
        self
    }

    /// Only events committed at this time or later.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = time;
        self
    }

    /// Only events committed at this time or earlier.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = time;
        self
    }

    /// Reads what is durable now, in the order of the commits.
    #[must_use]
    pub fn iter(&self) -> ScanEvents {
        let wanted =
            |reader: &&Arc<ShardReader>| self.shard.is_none_or(|shard| shard == reader.shard());
        let cursors = self
            .inner
            .readers
            .iter()
            .filter(wanted)
            .map(|reader| self.cursor(reader));
        ScanEvents {
            cursors: cursors.collect(),
            order: BinaryHeap::new(),
            types: self.types.clone(),
            is_started: false,
        }
    }

    fn cursor(&self, reader: &Arc<ShardReader>) -> Cursor {
        let from = self.from[reader.shard() as usize];
        let published = reader.published();
        Cursor {
            reader: Arc::clone(reader),
            hidden: Arc::clone(&published.hidden),
            from,
            next: from,
            end: published.watermark,
            since: self.since,
            until: self.until,
            block: None,
            row: 0,
        }
    }
}

/// The events of a store in the order of their commits.
#[derive(Debug)]
pub struct ScanEvents {
    cursors: Vec<Cursor>,
    /// The shards that have a next event, by its commit time.
    order: BinaryHeap<Reverse<(Timestamp, usize)>>,
    types: Option<Vec<String>>,
    is_started: bool,
}

/// How far one shard was read.
#[derive(Debug)]
struct Cursor {
    reader: Arc<ShardReader>,
    hidden: Arc<Hidden>,
    from: u64,
    /// Position after the block that was read last.
    next: u64,
    /// Position after the last event that was durable when the scan began.
    end: u64,
    since: Timestamp,
    until: Timestamp,
    block: Option<Arc<Block>>,
    row: usize,
}

impl Cursor {
    /// Moves on to the next wanted event, if it is not on one, and tells its commit time.
    fn settle(&mut self, types: Option<&[String]>) -> Result<Option<Timestamp>, Error> {
        loop {
            if let Some(block) = &self.block {
                let events = block.events();
                while self.row < events.len() {
                    let time = events.commit_time(self.row);
                    let in_time = self.since <= time && time <= self.until;
                    let in_place = (self.from..self.end).contains(&events.position(self.row));
                    let is_open = events.payload(self.row).is_some();
                    if in_time && in_place && is_open && !self.hidden.hides(&events, self.row) {
                        return Ok(Some(time));
                    }
                    self.row += 1;
                }
            }
            if !self.open_next(types)? {
                return Ok(None);
            }
        }
    }

    /// Opens the next block that may hold wanted events; says whether there is one.
    fn open_next(&mut self, types: Option<&[String]>) -> Result<bool, Error> {
        self.block = None;
        // Blocks out of the time that is asked for are not read.
        let (since, until) = (self.since.as_nanos(), self.until.as_nanos());
        while self.next < self.end {
            let Some(at) = self.reader.place_from(self.next)? else {
                return Ok(false);
            };
            if at.first_commit > until {
                return Ok(false);
            }
            if at.last_commit < since {
                self.next = at.next_position;
                continue;
            }
            let want = types.map_or(Payloads::All, Payloads::Types);
            let Some((at, block)) = self.reader.read_from(self.next, want)? else {
                return Ok(false);
            };
            // A block may begin with events that were handed out before, when it was another.
            self.from = self.from.max(self.next);
            self.next = at.next_position;
            (self.block, self.row) = (Some(Arc::new(block)), 0);
            return Ok(true);
        }
        Ok(false)
    }

    fn take(&mut self) -> Option<Event> {
        let event = Event::new(Arc::clone(self.block.as_ref()?), self.row);
        self.row += 1;
        Some(event)
    }
}

impl ScanEvents {
    fn enter(&mut self, index: usize) -> Result<(), Error> {
        if let Some(time) = self.cursors[index].settle(self.types.as_deref())? {
            self.order.push(Reverse((time, index)));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Event>, Error> {
        if !self.is_started {
            self.is_started = true;
            for index in 0..self.cursors.len() {
                self.enter(index)?;
            }
        }
        let Some(Reverse((_, index))) = self.order.pop() else {
            return Ok(None);
        };
        let event = self.cursors[index].take();
        self.enter(index)?;
        Ok(event)
    }
}

impl Iterator for ScanEvents {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
