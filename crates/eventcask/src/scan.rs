//! The events of all aggregates, in the order in which they were committed.
//!
//! Each shard is read block by block. What comes next is the event with the lowest commit time
//! among the shards' next ones; commit times come from one clock for the whole store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_log::{Block, BlockPlace, Payloads};
use eventcask_shard::ShardReader;

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
        let (since, until) = (self.since.as_nanos(), self.until.as_nanos());
        let overlaps = |at: &&BlockPlace| at.last_commit >= since && at.first_commit <= until;
        let places: Vec<_> = reader
            .published()
            .from(from)
            .iter()
            .filter(overlaps)
            .copied()
            .collect();
        Cursor {
            reader: Arc::clone(reader),
            places: places.into_iter(),
            from,
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
    places: std::vec::IntoIter<BlockPlace>,
    from: u64,
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
                    let in_place = events.position(self.row) >= self.from;
                    if in_time && in_place && events.payload(self.row).is_some() {
                        return Ok(Some(time));
                    }
                    self.row += 1;
                }
            }
            let Some(at) = self.places.next() else {
                return Ok(None);
            };
            let want = types.map_or(Payloads::All, Payloads::Types);
            self.block = Some(Arc::new(self.reader.blocks().read(&at, want)?));
            self.row = 0;
        }
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
