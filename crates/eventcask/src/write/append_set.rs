//! Appends over several aggregates of one shard.

use eventcask_event::{Expected, Invalid, NewEvent, check_key};
use eventcask_shard::{Delivery, Expectation, ExpectedOf, KeyHasher};

use crate::store::router::{Lane, OpenBy, Room};
use crate::write::check::check_events;
use crate::write::ticket::Ticket;
use crate::{Error, Store};

/// The most aggregates that one append can name. Each of them is looked up before any event is
/// stored: a few microseconds where none is in memory.
const MAX_SET_AGGREGATES: usize = 1024;

/// Events of several aggregates that are stored together or not at all, with what each of the
/// aggregates must be like. For [`Store::append_all`].
///
/// All of them must be in one shard. Stores that are
/// [routed by category](crate::Options::route_by) keep those of a type or a tenant in one.
///
/// Every expectation is held against the store as it is before the append, also where a key is
/// named more than once. Events are stored in the order in which they are given here.
///
/// ```
/// use eventcask::{AppendSet, Error, Expected, NewEvent, RouteBy, Store};
///
/// # let directory = tempfile::tempdir()?;
/// let store = Store::options().route_by(RouteBy::Category).open(directory.path())?;
/// let opened = [NewEvent::json("Opened", b"{}")];
/// store.append("bank-ada", Expected::NoStream, &opened)?.wait()?;
///
/// // Money moves from one account to the other while the rules are as they were read.
/// let withdrawn = NewEvent::json("Withdrawn", br#"{"cents":500}"#);
/// let deposited = NewEvent::json("Deposited", br#"{"cents":500}"#);
/// let transfer = AppendSet::new()
///     .append("bank-ada", Expected::Exact(1), &[withdrawn])
///     .append("bank-ben", Expected::Any, &[deposited])
///     .check("bank-rules", Expected::NoStream);
/// store.append_all(&transfer)?.wait()?;
///
/// // The second time it is refused: all that does not hold is said at once.
/// let Err(Error::Conflicts { conflicts }) = store.append_all(&transfer)?.wait() else {
///     panic!("ada's account is at version 2");
/// };
/// assert!(matches!(&conflicts[..], [Error::Conflict { key, .. }] if key == "bank-ada"));
/// assert_eq!(store.aggregate("bank-ben").version()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct AppendSet<'a> {
    parts: Vec<Part<'a>>,
    events: Vec<NewEvent<'a>>,
}

/// An aggregate of the set.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    key: &'a str,
    expected: Expected,
    /// How many of the events are its own.
    events: usize,
}

impl<'a> AppendSet<'a> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// With events of an aggregate, which must be like this.
    pub fn append(mut self, key: &'a str, expected: Expected, events: &[NewEvent<'a>]) -> Self {
        self.events.extend_from_slice(events);
        self.parts.push(Part {
            key,
            expected,
            events: events.len(),
        });
        self
    }

    /// With an aggregate that gets no event and must be like this.
    pub fn check(self, key: &'a str, expected: Expected) -> Self {
        self.append(key, expected, &[])
    }

    /// The keys of all aggregates.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().map(|part| part.key)
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    /// Whether the aggregates may be like anything.
    pub(crate) fn expects_nothing(&self) -> bool {
        self.parts.iter().all(|part| part.expected == Expected::Any)
    }

    /// Whether it can not be stored twice, by what it expects of an aggregate that it adds to.
    pub(crate) fn is_stored_once(&self) -> bool {
        let moves_on = |part: &Part<'_>| {
            part.events > 0 && matches!(part.expected, Expected::NoStream | Expected::Exact(_))
        };
        self.parts.iter().any(moves_on)
    }

    /// Each event and the key of its aggregate.
    fn rows(&self) -> impl Iterator<Item = (&'a str, &NewEvent<'a>)> + Clone {
        let keys = self.parts.iter();
        let keys = keys.flat_map(|part| std::iter::repeat_n(part.key, part.events));
        keys.zip(&self.events)
    }

    /// Checks all that can be said without the store, and returns the shard that it goes to and the
    /// room that it takes there.
    pub(crate) fn place(
        &self,
        payload_limit: usize,
        shard_of: impl Fn(&str) -> u32,
    ) -> Result<(u32, Room), Error> {
        for part in &self.parts {
            check_key(part.key)?;
        }
        let aggregates = self.parts.len();
        if aggregates > MAX_SET_AGGREGATES {
            let limit = MAX_SET_AGGREGATES;
            return Err(Invalid::TooManyAggregates { aggregates, limit }.into());
        }
        let room = Room {
            bytes: check_events(self.rows(), payload_limit)?,
            events: self.events.len(),
            of_source: false,
        };
        let shards = self.parts.iter().map(|part| shard_of(part.key));
        let shards: Vec<u32> = shards.collect();
        if shards.iter().any(|shard| *shard != shards[0]) {
            let keys = self.parts.iter().map(|part| part.key.to_owned());
            let keys = keys.zip(shards).collect();
            return Err(Error::SeveralShards { keys });
        }
        Ok((shards[0], room))
    }

    /// Puts it into the open batch of its shard; `push` adds a row with this key and its hash.
    pub(crate) fn add_to(
        &self,
        open: &mut Delivery,
        hasher: &KeyHasher,
        mut push: impl FnMut(&mut Delivery, &str, u64, &NewEvent<'_>) -> Result<(), Invalid>,
    ) -> Result<Ticket, Error> {
        let first_row = open.batch.len();
        for (key, event) in self.rows() {
            push(open, key, hasher.hash(key), event)?;
        }
        let expected_of = |part: &Part<'_>| ExpectedOf {
            key: part.key.to_owned(),
            hash: hasher.hash(part.key),
            expected: part.expected,
        };
        let each = self.parts.iter().map(expected_of).collect();
        let ticket = open.join(first_row, Expectation::Each(each));
        Ok(Ticket::new(ticket))
    }
}

impl Store {
    /// Appends events to several aggregates of one shard, all or none, and returns the ticket of
    /// the answer. It answers with the place and the version of the last event. Otherwise as
    /// [`append`](Self::append).
    ///
    /// The expected versions of all aggregates are looked at, also of those that are only
    /// [checked](AppendSet::check). What comes again with the ids that it had is a duplicate,
    /// whatever they are by then.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{AppendSet, Expected, NewEvent, RouteBy, Store};
    /// let store = Store::options().route_by(RouteBy::Category).open(directory.path())?;
    /// let event = NewEvent::json("Merged", b"{}");
    /// let merged = AppendSet::new()
    ///     .append("cart-1", Expected::Any, &[event])
    ///     .append("cart-2", Expected::NoStream, &[event, event]);
    /// let appended = store.append_all(&merged)?.wait()?;
    /// assert_eq!(appended.version(), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::SeveralShards`] where the aggregates are not in one shard, an event that can not be
    /// taken, or a shard that stopped. Whether the events are stored is the ticket's answer, which
    /// is [`Error::Conflicts`] where aggregates are not as expected.
    pub fn append_all(&self, set: &AppendSet<'_>) -> Result<Ticket, Error> {
        self.append_all_by(set, |lane, room| {
            lane.when_room(|| lane.open(room, Lane::try_send))
        })
    }

    /// As [`append_all`](Self::append_all), but never waits for room in the queue.
    ///
    /// # Errors
    /// As [`append_all`](Self::append_all), and [`Error::Full`] where the shard's queue is full.
    pub fn try_append_all(&self, set: &AppendSet<'_>) -> Result<Ticket, Error> {
        self.append_all_by(set, |lane, room| lane.open(room, Lane::try_send))
    }

    fn append_all_by(&self, set: &AppendSet<'_>, open: OpenBy) -> Result<Ticket, Error> {
        let (inner, engine) = (&self.inner, self.engine());
        let (shard, room) = set.place(engine.max_payload_bytes, |key| inner.shard_of(key))?;
        let router = inner.appender.get_or_init(|| inner.router(engine));
        let lane = router.lane(shard);
        let (mut batch, was_empty) = open(lane, &room)?;
        let ticket = set.add_to(&mut batch, &inner.hasher, |batch, key, hash, event| {
            batch.batch.push(key, hash, event)
        })?;
        lane.leave_waiting(batch, was_empty);
        Ok(ticket)
    }
}
