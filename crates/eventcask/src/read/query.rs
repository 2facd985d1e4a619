//! One query for the events of all aggregates, in the order in which they were committed.
//!
//! It ends as a scan, in either direction, or goes on as a subscription (`subscribe::start`).

use std::sync::Arc;

use eventcask_event::{EventId, Timestamp};
use eventcask_shard::ShardReader;

use crate::follow::filter::Filter;
use crate::follow::prefetch::Prefetch;
use crate::read::merge::Merge;
use crate::read::shard_events::{Order, ShardEvents};
use crate::store::inner::Inner;
use crate::{Error, Event};
use crate::{Store, StoreReader};

/// Says which events are wanted. One query ends in any of these:
///
/// | ending | gives |
/// | --- | --- |
/// | [`iter`](Self::iter) | what is stored now, oldest first |
/// | [`rev`](Self::rev) | what is stored now, newest first |
/// | [`batches`](Self::batches) | what is stored now, block by block: the fast way through many events |
/// | [`subscribe`](Self::subscribe) | the same without an end: what is stored, and then what is new |
/// | [`named`](Self::named) | a subscription that goes on after a restart |
/// | [`group`](Self::group) | a named subscription that consumers share |
///
/// All options mean the same for each ending, but for [`until`](Self::until): a subscription has no
/// end, so it refuses one. Progress is kept by a store that is open for writing, so the query of a
/// [`StoreReader`] has neither `named` nor `group`.
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
/// let of_b = store.events().key_prefix("b");
/// assert_eq!(of_b.rev().next().ok_or("no event")??.event_type(), "Closed");
///
/// let mut news = of_b.subscribe()?;
/// assert_eq!(news.try_next()?.ok_or("what is stored comes first")?.event_type(), "Closed");
/// assert!(news.try_next()?.is_none());
/// producer.push("b", &NewEvent::json("Opened", b"{}"))?;
/// producer.flush()?.wait()?;
/// assert_eq!(news.try_next()?.ok_or("then what is new")?.event_type(), "Opened");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct EventQuery<S = Store> {
    pub(crate) store: S,
    pub(crate) shard: Option<u32>,
    /// Where it begins in each shard.
    pub(crate) from: Vec<u64>,
    pub(crate) filter: Filter,
}

impl<S: AsRef<StoreReader>> EventQuery<S> {
    pub(crate) fn new(store: S) -> Self {
        let from = vec![0; store.as_ref().inner.readers.len()];
        Self {
            store,
            shard: None,
            from,
            filter: Filter::default(),
        }
    }

    /// Only the events of this shard. A subscription to one shard need not wait for the events of
    /// others that were committed before.
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

    /// Begins with what is not durable yet. A scan then finds what became durable since this call.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// assert_eq!(store.events().from_now().iter().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_now(mut self) -> Self {
        let readers = &self.store.as_ref().inner.readers;
        for (from, reader) in self.from.iter_mut().zip(readers) {
            *from = reader.published().watermark;
        }
        self
    }

    /// Only events of the types with these names. No others are decompressed.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// assert_eq!(store.events().types(&["Closed"]).iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn types<T: AsRef<str>>(mut self, types: &[T]) -> Self {
        let names = types.iter().map(|name| name.as_ref().to_owned());
        self.filter.types = Some(names.collect());
        self
    }

    /// Only events of aggregates whose key begins like this. Of a block that has none, nothing is
    /// decompressed but the keys.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// assert_eq!(store.events().key_prefix("account-").iter().count(), 2);
    /// assert_eq!(store.events().key_prefix("order-").iter().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.filter.key_prefix = Some(prefix.to_owned());
        self
    }

    /// Only events of this conversation. Of a block without metadata nothing is decompressed but
    /// keys and columns.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{EventId, Expected, NewEvent};
    /// let request = EventId::from_name("request 7");
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-7", Expected::Any, &[placed.correlation(request), placed])?.wait()?;
    ///
    /// assert_eq!(store.events().correlation(request).iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn correlation(mut self, id: EventId) -> Self {
        self.filter.carrying.correlation = Some(id);
        self
    }

    /// Only events with this tag. Of several calls all must hold.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// let by_ada = placed.tags(&[("customer", "ada"), ("shop", "7")]);
    /// store.append("order-7", Expected::Any, &[by_ada, placed])?.wait()?;
    ///
    /// assert_eq!(store.events().tag("customer", "ada").tag("shop", "7").iter().count(), 1);
    /// assert_eq!(store.events().tag("customer", "charles").iter().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tag(mut self, name: &str, value: &str) -> Self {
        let tag = (name.to_owned(), value.to_owned());
        self.filter.carrying.tags.push(tag);
        self
    }

    /// Only events committed at this time or later. Blocks from before are not read.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// use eventcask::Timestamp;
    /// let this_century: Timestamp = "2001-01-01T00:00:00Z".parse()?;
    /// assert_eq!(store.events().since(this_century).iter().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn since(mut self, time: Timestamp) -> Self {
        self.filter.since = time;
        self
    }

    /// Only events committed at this time or earlier. Blocks from after are not read. A
    /// subscription refuses it.
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
    /// assert_eq!(store.events().until(long_ago).iter().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn until(mut self, time: Timestamp) -> Self {
        self.filter.until = time;
        self
    }

    /// Reads what is durable now, in the order of the commits.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// for event in &store.events() {
    ///     let event = event?;
    ///     println!("{} {} {}", event.key(), event.version(), event.event_type());
    /// }
    /// assert_eq!(store.events().iter().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> EventIter {
        self.iter_in(Order::OldestFirst)
    }

    /// Reads what is durable now, the newest event first.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let newest = store.events().rev().next().ok_or("there is one")??;
    /// assert_eq!(newest.event_type(), "Closed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rev(&self) -> EventIter {
        self.iter_in(Order::NewestFirst)
    }

    fn iter_in(&self, order: Order) -> EventIter {
        let count = self.shards().count();
        let shards = self.shards().map(|(reader, from)| {
            let ahead = Prefetch::new(&self.filter, count);
            ShardEvents::new(reader, from, order).ahead(ahead)
        });
        EventIter {
            merge: Merge::new(shards.collect(), order),
            filter: self.filter.clone(),
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.store.as_ref().inner
    }

    /// The shards that are asked for, and where it begins in each.
    pub(crate) fn shards(&self) -> impl Iterator<Item = (&Arc<ShardReader>, u64)> {
        let is_wanted =
            |reader: &ShardReader| self.shard.is_none_or(|shard| shard == reader.shard());
        let readers = self.inner().readers.iter();
        let shards = readers.zip(self.from.iter().copied());
        shards.filter(move |(reader, _)| is_wanted(reader))
    }
}

impl<S: AsRef<StoreReader>> IntoIterator for &EventQuery<S> {
    type Item = Result<Event, Error>;
    type IntoIter = EventIter;

    fn into_iter(self) -> EventIter {
        self.iter()
    }
}

/// The events of a store in the order of their commits, or against it.
#[derive(Debug)]
pub struct EventIter {
    merge: Merge,
    filter: Filter,
}

impl Iterator for EventIter {
    type Item = Result<Event, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.merge.next(&self.filter).transpose()
    }
}

impl StoreReader {
    /// The events of all aggregates: says which are wanted, and how they are read.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let closed = store.events().types(&["Closed"]).key_prefix("account-");
    /// assert_eq!(closed.iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> EventQuery<Self> {
        EventQuery::new(self.clone())
    }
}

impl Store {
    /// The events of all aggregates: says which are wanted, and how they are read.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps = [NewEvent::json("Opened", b"{}"), NewEvent::json("Closed", b"{}")];
    /// store.append("account-42", Expected::NoStream, &steps)?.wait()?;
    ///
    /// let closed = store.events().types(&["Closed"]).key_prefix("account-");
    /// assert_eq!(closed.iter().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> EventQuery {
        EventQuery::new(self.clone())
    }
}
