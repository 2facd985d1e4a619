//! The events of all aggregates, in the order in which they were committed.

use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_shard::ShardReader;

use crate::Store;
use crate::read::backwards::Backwards;
use crate::read::filter::Filter;
use crate::read::forwards::Forwards;
use crate::read::merge::Merge;
use crate::store::handle::Inner;
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
/// assert_eq!(opened[0].key(), "a");
///
/// let newest = store.events().key_prefix("b").rev().iter().next();
/// assert_eq!(newest.ok_or("no event")??.event_type(), "Closed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Scan {
    inner: Arc<Inner>,
    shard: Option<u32>,
    from: Vec<u64>,
    filter: Filter,
    is_newest_first: bool,
}

impl Scan {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let from = vec![0; inner.readers.len()];
        Self {
            inner,
            shard: None,
            from,
            filter: Filter::default(),
            is_newest_first: false,
        }
    }

    /// Only the events of this shard.
    pub fn shard(mut self, shard: u32) -> Self {
        self.shard = Some(shard);
        self
    }

    /// Begins at this position in each shard; backwards it ends there.
    pub fn from_position(mut self, position: u64) -> Self {
        self.from.fill(position);
        self
    }

    /// Begins at these positions, one a shard; those that are left out begin at 0. Backwards it
    /// ends there.
    pub fn from_positions(mut self, positions: &[u64]) -> Self {
        for (from, position) in self.from.iter_mut().zip(positions) {
            *from = *position;
        }
        self
    }

    /// Only events of the types with these names. No others are decompressed.
    pub fn types<S: AsRef<str>>(mut self, types: &[S]) -> Self {
        let names = types.iter().map(|name| name.as_ref().to_owned());
        self.filter.types = Some(names.collect());
        self
    }

    /// Only events of aggregates whose key begins like this. Of a block that has none, nothing is
    /// decompressed but the keys.
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.filter.key_prefix = Some(prefix.to_owned());
        self
    }

    /// Only events committed at this time or later. Blocks from before are not read.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.filter.since = time;
        self
    }

    /// Only events committed at this time or earlier. Blocks from after are not read.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.filter.until = time;
        self
    }

    /// The newest event first.
    pub fn rev(mut self) -> Self {
        self.is_newest_first = true;
        self
    }

    /// Reads what is durable now, in the order of the commits.
    #[must_use]
    pub fn iter(&self) -> ScanEvents {
        let wanted =
            |reader: &&Arc<ShardReader>| self.shard.is_none_or(|shard| shard == reader.shard());
        let readers = self.inner.readers.iter().filter(wanted);
        let from = |reader: &ShardReader| self.from[reader.shard() as usize];
        let merge = if self.is_newest_first {
            let cursors = readers.map(|reader| Backwards::new(reader, from(reader)));
            Direction::NewestFirst(Merge::new(cursors.collect()))
        } else {
            let cursors = readers.map(|reader| Forwards::new(reader, from(reader)));
            Direction::OldestFirst(Merge::new(cursors.collect()))
        };
        ScanEvents {
            merge,
            filter: self.filter.clone(),
        }
    }
}

/// The events of a store in the order of their commits.
#[derive(Debug)]
pub struct ScanEvents {
    merge: Direction,
    filter: Filter,
}

#[derive(Debug)]
enum Direction {
    OldestFirst(Merge<Forwards>),
    NewestFirst(Merge<Backwards>),
}

impl Iterator for ScanEvents {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.merge {
            Direction::OldestFirst(merge) => merge.next(&self.filter),
            Direction::NewestFirst(merge) => merge.next(&self.filter),
        }
        .transpose()
    }
}

impl Store {
    /// Reads the events of all aggregates.
    pub fn events(&self) -> Scan {
        Scan::new(Arc::clone(&self.inner))
    }
}
