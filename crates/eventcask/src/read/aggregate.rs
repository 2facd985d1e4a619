//! The events of one aggregate.

use std::collections::VecDeque;
use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_log::{ErrorKind as LogErrorKind, RowGatherer};
use eventcask_shard::{AggregateCursor, Bounds, ShardReader};

use crate::StoreReader;
use crate::read::block_events::BlockEvents;
use crate::store::inner::Inner;
use crate::{AsOf, Error, Event};

/// Says which events of an aggregate are wanted; [`events`](Self::events) reads them.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::{Expected, NewEvent};
/// let mut producer = store.producer();
/// let steps: Vec<_> = (0..5).map(|_| NewEvent::json("Step", b"{}")).collect();
/// producer.append("walk", Expected::Any, &steps)?.wait()?;
///
/// let versions = |events: eventcask::read::AggregateEvents| {
///     events.map(|event| Ok(event?.version())).collect::<Result<Vec<_>, eventcask::Error>>()
/// };
/// assert_eq!(versions(store.aggregate("walk").from_version(4).events()?)?, [4, 5]);
/// assert_eq!(versions(store.aggregate("walk").as_of_version(2).events()?)?, [1, 2]);
/// assert_eq!(versions(store.aggregate("walk").last(1).events()?)?, [5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Aggregate {
    inner: Arc<Inner>,
    key: String,
    bounds: Bounds,
    last: Option<usize>,
}

impl Aggregate {
    pub(crate) fn new(inner: Arc<Inner>, key: &str) -> Self {
        Self {
            inner,
            key: key.to_owned(),
            bounds: Bounds::default(),
            last: None,
        }
    }

    /// Begins at this version; the first event of an aggregate has version 1.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let newer = store.aggregate("account-42").from_version(2).events()?;
    /// assert_eq!(newer.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_version(mut self, version: u64) -> Self {
        self.bounds.from_version = version.max(1);
        self
    }

    /// Ends with this version: the aggregate as it was then.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let before = store.aggregate("account-42").as_of_version(1).events()?;
    /// assert_eq!(before.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_of_version(mut self, version: u64) -> Self {
        self.bounds.to_version = version;
        self
    }

    /// Ends with what was committed at this time: the aggregate as it was then.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// use eventcask::Timestamp;
    /// let long_ago: Timestamp = "2001-01-01T00:00:00Z".parse()?;
    /// assert_eq!(store.aggregate("account-42").as_of_time(long_ago).events()?.count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_of_time(mut self, time: Timestamp) -> Self {
        self.bounds.until = time;
        self
    }

    /// Ends with the event at this position of the aggregate's shard, such as the one that an
    /// append was answered.
    pub fn as_of_position(mut self, position: u64) -> Self {
        self.bounds.to_position = position;
        self
    }

    /// Ends with this moment.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{AsOf, Expected, NewEvent};
    /// let mut producer = store.producer();
    /// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
    /// let first = producer.append("account-42", Expected::Any, &[deposit])?.wait()?;
    /// producer.append("account-42", Expected::Any, &[deposit])?.wait()?;
    ///
    /// let account = store.aggregate("account-42");
    /// assert_eq!(account.clone().as_of(AsOf::Version(1)).events()?.count(), 1);
    /// let position = first.position().ok_or("stored")?;
    /// assert_eq!(account.as_of(AsOf::Position(position)).events()?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_of(self, moment: AsOf) -> Self {
        match moment {
            AsOf::Version(version) => self.as_of_version(version),
            AsOf::Position(position) => self.as_of_position(position),
            AsOf::Time(time) => self.as_of_time(time),
        }
    }

    /// Only the newest so many of the events that are left.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let mut newest = store.aggregate("account-42").last(1).events()?;
    /// assert_eq!(newest.next().ok_or("there is one")??.event_type(), "Closed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last(mut self, events: usize) -> Self {
        self.last = Some(events);
        self
    }

    /// Version of the aggregate's newest event; 0 where there is none.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// assert_eq!(store.aggregate("account-42").version()?, 2);
    /// assert_eq!(store.aggregate("account-43").version()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn version(&self) -> Result<u64, Error> {
        let ask = || self.shard().version(&self.key);
        match ask() {
            // Another process has taken it out since this one looked, and what stands in for it is
            // new.
            Err(error) if error.kind() == LogErrorKind::Damaged && self.inner.engine.is_none() => {
                self.inner.refresh()?;
                Ok(ask()?)
            }
            other => Ok(other?),
        }
    }

    fn shard(&self) -> &Arc<ShardReader> {
        self.inner.reader_of(&self.key)
    }

    /// Reads the events, oldest first; none where the aggregate does not exist.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// for event in store.aggregate("account-42").events()? {
    ///     let event = event?;
    ///     println!("{} {} {:?}", event.version(), event.event_type(), event.payload());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Damage, or what the disk said; an event that can not be read ends the iterator with an
    /// error, never silently.
    pub fn events(&self) -> Result<AggregateEvents, Error> {
        let mut bounds = self.bounds;
        if let Some(count) = self.last {
            // As far as versions tell, nothing before these is read; other bounds may leave fewer.
            let newest = self.version()?.min(bounds.to_version);
            let all = Bounds::default();
            let is_bound_otherwise =
                (bounds.until, bounds.to_position) != (all.until, all.to_position);
            // A damaged block may say that a version is the largest number of all.
            let first = newest.saturating_add(1).saturating_sub(count as u64);
            if !is_bound_otherwise {
                bounds.from_version = bounds.from_version.max(first);
            }
        }
        let reader = Arc::clone(self.shard());
        let all = AggregateEvents {
            blocks: AggregateCursor::load(reader, &self.key, bounds)?,
            open: None,
            kept: None,
        };
        match self.last {
            Some(count) => all.keep_last(count),
            None => Ok(all),
        }
    }
}

/// The events of an aggregate, oldest first.
#[derive(Debug)]
pub struct AggregateEvents {
    blocks: AggregateCursor,
    open: Option<BlockEvents>,
    kept: Option<VecDeque<Event>>,
}

impl AggregateEvents {
    fn keep_last(mut self, count: usize) -> Result<Self, Error> {
        let mut kept = VecDeque::new();
        while let Some(event) = self.next().transpose()? {
            kept.push_back(event);
            if kept.len() > count {
                kept.pop_front();
            }
        }
        self.kept = Some(kept);
        Ok(self)
    }

    /// What was handed out and is not held by anyone is memory for the next load.
    fn recycle(&mut self) {
        if let Some(done) = self.open.take() {
            RowGatherer::recycle(done.into_block());
        }
    }
}

impl Drop for AggregateEvents {
    fn drop(&mut self) {
        self.recycle();
    }
}

impl Iterator for AggregateEvents {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(kept) = &mut self.kept {
            return kept.pop_front().map(Ok);
        }
        loop {
            if let Some(event) = self.open.as_mut().and_then(BlockEvents::next) {
                return Some(Ok(event));
            }
            self.recycle();
            match self.blocks.next_block().transpose()? {
                Ok((block, rows)) => self.open = Some(BlockEvents::new(block, rows)),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

impl StoreReader {
    /// Reads the events of one aggregate.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let account = store.aggregate("account-42");
    /// assert_eq!(account.version()?, 2);
    /// assert_eq!(account.events()?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn aggregate(&self, key: &str) -> Aggregate {
        Aggregate::new(Arc::clone(&self.inner), key)
    }
}
