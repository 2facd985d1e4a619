//! Events on their way in: encoded once, into the open batch of their shard.

use std::sync::Arc;

use eventcask_event::{EventBatch, Expected, Invalid, NewEvent, check_key};
use eventcask_shard::{Expectation, FlushCounter, FlushShare, Flushed};

use crate::named::Named;
use crate::store::router::{Lane, Room, Route, Router, SendBy};
use crate::sync::locked;
use crate::write::check::check_append;
use crate::write::ticket::{FlushTicket, Ticket};
use crate::{AppendSet, Error, ErrorKind, Store};

/// Appends events to a store, for one thread; each thread makes its own.
///
/// Events go into an open batch for each shard. A worker with nothing else to do takes it as
/// it is, so a single event is not held up; under load it fills first, see
/// [`Options::batch_bytes`](crate::Options::batch_bytes).
///
/// Dropping a producer hands over what it holds; [`flush`](Self::flush) also tells what became
/// of it.
#[derive(Debug)]
pub struct Producer {
    store: Store,
    router: Router,
    pub(crate) origin: Origin,
    ledger: Ledger,
}

/// Where the events of a producer come from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// Nowhere that the store knows of.
    Unmarked,
    /// A source, by whose offsets the store knows them.
    Source(String),
    /// A session, which is a source whose offsets the producer gives.
    Session {
        source: String,
        /// The ordinal of the next event.
        next: u64,
    },
}

impl Origin {
    fn source(&self) -> Option<&str> {
        match self {
            Self::Unmarked => None,
            Self::Source(source) | Self::Session { source, .. } => Some(source),
        }
    }
}

/// Counts what becomes of the events that are pushed, from one flush to the next.
#[derive(Debug)]
pub(crate) struct Ledger {
    account: Arc<FlushCounter>,
    own: Option<FlushShare>,
}

impl Default for Ledger {
    fn default() -> Self {
        let (account, own) = FlushCounter::open();
        Self {
            account,
            own: Some(own),
        }
    }
}

impl Ledger {
    /// A batch's part of what is counted.
    pub(crate) fn share(&self) -> FlushShare {
        FlushCounter::share(&self.account)
    }

    /// Ends the counting of what was pushed so far, and begins anew.
    pub(crate) fn flush(&mut self) -> FlushTicket {
        let flushed = std::mem::take(self);
        FlushTicket::new(Arc::clone(&flushed.account))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.settle(Flushed::default(), None);
        }
    }
}

impl Producer {
    pub(crate) fn new(store: &Store, origin: Origin) -> Self {
        let router = store.inner.router(store.engine());
        Self {
            router,
            origin,
            ledger: Ledger::default(),
            store: store.clone(),
        }
    }

    /// Appends events to an aggregate, all or none, and returns the ticket of the answer.
    /// Waits while the shard's queue is full.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let mut producer = store.producer();
    /// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
    /// let first = producer.append("account-42", Expected::NoStream, &[deposit])?;
    /// let second = producer.append("account-42", Expected::Exact(1), &[deposit])?;
    /// // Both are on their way by now.
    /// assert_eq!(first.wait()?.version(), Some(1));
    /// assert_eq!(second.wait()?.version(), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An event that can not be taken, or a shard that stopped. Whether the events are stored
    /// is the ticket's answer.
    pub fn append(
        &mut self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, Error> {
        self.append_by(key, expected, events, Lane::send)
    }

    /// As [`append`](Self::append), but never waits.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Error, Expected, NewEvent};
    /// let mut producer = store.producer();
    /// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
    /// match producer.try_append("account-42", Expected::Any, &[deposit]) {
    ///     Ok(ticket) => println!("{:?}", ticket.wait()?),
    ///     Err(Error::Full { .. }) => println!("busy: try again later"),
    ///     Err(other) => return Err(other.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`Error::Full`] where the shard's queue is full.
    pub fn try_append(
        &mut self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, Error> {
        self.append_by(key, expected, events, Lane::try_send)
    }

    fn append_by(
        &mut self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
        send: SendBy,
    ) -> Result<Ticket, Error> {
        let bytes = self.check_append(key, events)?;
        let first = self.ordinals(expected, events.len())?;
        let ticket = self.append_checked(key, expected, events, bytes, first, send)?;
        if let (Some(_), Origin::Session { next, .. }) = (first, &mut self.origin) {
            *next += events.len() as u64;
        }
        Ok(ticket)
    }

    /// Gives up all versions of an aggregate before `version`.
    pub(crate) fn append_truncation(
        &mut self,
        key: &str,
        expected: Expected,
        version: u64,
    ) -> Result<Ticket, Error> {
        check_key(key)?;
        let version = version.to_le_bytes();
        let event = NewEvent::truncation(&version);
        let bytes = EventBatch::row_bytes(key, &event);
        self.append_checked(key, expected, &[event], bytes, None, Lane::send)
    }

    fn append_checked(
        &mut self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
        bytes: usize,
        first_ordinal: Option<u64>,
        send: SendBy,
    ) -> Result<Ticket, Error> {
        let Route { lane, sent, hash } = self.router.route(key);
        let room = Room {
            bytes,
            events: events.len(),
            of_source: first_ordinal.is_some(),
        };
        let (mut open, was_empty) = lane.open(&room, send)?;
        let first_row = open.batch.len();
        let mut ordinal = first_ordinal;
        for event in events {
            open.push(key, hash, event, || self.ledger.share())?;
            if let (Some(place), Some(source)) = (ordinal, self.origin.source()) {
                open.batch.mark(source, *sent, place, 0);
                *sent = place + 1;
                ordinal = Some(place + 1);
            }
        }
        let ticket = open.join(first_row, Expectation::One(expected));
        lane.leave_waiting(open, was_empty);
        Ok(Ticket::new(ticket))
    }

    /// Appends events to several aggregates of one shard, all or none: as
    /// [`append`](Self::append), and as [`Store::append_all`].
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{AppendSet, Expected, NewEvent, RouteBy, Store};
    /// let store = Store::options().route_by(RouteBy::Category).open(directory.path())?;
    /// let event = NewEvent::json("Paired", b"{}");
    /// let pair = AppendSet::new()
    ///     .append("glove-left", Expected::NoStream, &[event])
    ///     .append("glove-right", Expected::NoStream, &[event]);
    /// store.producer().append_all(&pair)?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`Error::SeveralShards`].
    pub fn append_all(&mut self, set: &AppendSet<'_>) -> Result<Ticket, Error> {
        let inner = Arc::clone(&self.store.inner);
        let limit = self.store.engine().max_payload_bytes;
        let (shard, mut room) = set.place(limit, |key| inner.shard_of(key))?;
        let mut ordinal = self.ordinals_of(set)?;
        let is_numbered = ordinal.is_some();
        room.of_source = is_numbered;
        let source = self.origin.source().unwrap_or_default();
        let ledger = &self.ledger;
        let (lane, sent) = self.router.way(shard);
        let (mut open, was_empty) = lane.open(&room, Lane::send)?;
        let ticket = set.add_to(&mut open, &inner.hasher, |open, key, hash, event| {
            open.push(key, hash, event, || ledger.share())?;
            if let Some(place) = ordinal {
                open.batch.mark(source, *sent, place, 0);
                *sent = place + 1;
                ordinal = Some(place + 1);
            }
            Ok(())
        })?;
        lane.leave_waiting(open, was_empty);
        if let (true, Origin::Session { next, .. }) = (is_numbered, &mut self.origin) {
            *next += set.events() as u64;
        }
        Ok(ticket)
    }

    fn check_append(&self, key: &str, events: &[NewEvent<'_>]) -> Result<usize, Error> {
        check_append(key, events, self.store.engine().max_payload_bytes)
    }

    /// Appends one event with any version and without an answer of its own: the fast way in.
    /// Waits while the shard's queue is full. [`flush`](Self::flush) tells what became of it.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::NewEvent;
    /// let mut producer = store.producer();
    /// for reading in 0..1000 {
    ///     let json = format!(r#"{{"celsius":{reading}}}"#);
    ///     producer.push("sensor-7", &NewEvent::json("Measured", json.as_bytes()))?;
    /// }
    /// assert_eq!(producer.flush()?.wait()?.stored, 1000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An event that can not be taken, or a shard that stopped.
    pub fn push(&mut self, key: &str, event: &NewEvent<'_>) -> Result<(), Error> {
        let Origin::Session { next, .. } = &self.origin else {
            return self.push_row(key, event, None);
        };
        self.push_row(key, event, Some((*next, 0)))?;
        if let Origin::Session { next, .. } = &mut self.origin {
            *next += 1;
        }
        Ok(())
    }

    /// As [`push`](Self::push), for a row of the producer's source: `offset` is its place
    /// there, and `check` the source's own word for everything up to and with this row, kept
    /// in its [mark](crate::StoreReader::source_marks). A row that the store has is a duplicate.
    ///
    /// # Errors
    /// As [`push`](Self::push); also a producer without a source (see
    /// [`crate::Store::producer_from`]), or an offset that is not higher than that of the row
    /// before in the same shard.
    pub fn push_at(
        &mut self,
        offset: u64,
        check: u64,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<(), Error> {
        if !matches!(self.origin, Origin::Source(_)) {
            return Err(Invalid::NoSource.into());
        }
        self.push_row(key, event, Some((offset, check)))
    }

    fn push_row(
        &mut self,
        key: &str,
        event: &NewEvent<'_>,
        place: Option<(u64, u64)>,
    ) -> Result<(), Error> {
        check_key(key)?;
        event.check(self.store.engine().max_payload_bytes)?;
        let Route { lane, sent, hash } = self.router.route(key);
        let next = *sent;
        if let Some((offset, _)) = place.filter(|(offset, _)| *offset < next || *offset == u64::MAX)
        {
            return Err(Invalid::Offset { offset, next }.into());
        }
        let room = Room {
            bytes: EventBatch::row_bytes(key, event),
            events: 1,
            of_source: place.is_some(),
        };
        let (mut open, was_empty) = lane.open(&room, Lane::send)?;
        open.push(key, hash, event, || self.ledger.share())?;
        if let (Some((offset, check)), Some(source)) = (place, self.origin.source()) {
            open.batch.mark(source, *sent, offset, check);
            *sent = offset + 1;
        }
        lane.leave(open, was_empty);
        Ok(())
    }

    /// Has everything pushed and appended so far stored soon. The ticket is done once all of it is
    /// answered: it is durable then, as the store's policy says. Only what was pushed is counted;
    /// appends have tickets of their own.
    ///
    /// Until then it may come behind what other producers hand over later; only what was answered
    /// comes before all that is sent afterwards.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::NewEvent;
    /// let mut producer = store.producer();
    /// producer.push("sensor-7", &NewEvent::json("Measured", b"{}"))?;
    /// let flushed = producer.flush()?;
    /// // More can be pushed while those before are written.
    /// producer.push("sensor-7", &NewEvent::json("Measured", b"{}"))?;
    /// assert_eq!(flushed.wait()?.stored, 1);
    /// assert_eq!(producer.flush()?.wait()?.stored, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::Closed`] where the store was closed.
    pub fn flush(&mut self) -> Result<FlushTicket, Error> {
        self.router.ask()?;
        Ok(self.ledger.flush())
    }

    /// Hands over the open batches; the next rows may be any of the source.
    pub(crate) fn begin_anew(&mut self) -> Result<(), Error> {
        self.router.send()?;
        self.router.begin_anew();
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // A closed store has refused what was open; nobody is left to be told. Also what somebody
        // waits for leaves the open batches, to which this producer adds no more.
        let _ = self.router.send();
        if let Some(source) = self.origin.source() {
            locked(&self.store.engine().sources).insert(source.to_owned(), false);
        }
    }
}

impl Store {
    /// A producer of events, for one thread.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// // One for each thread that writes.
    /// let mut producer = store.producer();
    /// let opened = NewEvent::json("Opened", b"{}");
    /// producer.append("account-42", Expected::NoStream, &[opened])?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn producer(&self) -> Producer {
        Producer::new(self, Origin::Unmarked)
    }

    /// A producer of the rows of an upstream that can be read again: a file, a topic, a table.
    ///
    /// Each row has an offset that rises. The store keeps with the events how far the source was
    /// consumed, so rows that it has are recognised without an id; see
    /// [`source_marks`](crate::StoreReader::source_marks). Where a producer of the source was dropped
    /// before, what it handed over is waited for: the marks say how far it came.
    ///
    /// # Errors
    /// [`Error::InUse`] while another producer of the same source is open, a name that is
    /// empty or too long, or why what is waited for was refused, such as a full disk.
    pub fn producer_from(&self, source: &str) -> Result<Producer, Error> {
        eventcask_event::check_source(source)?;
        self.producer_of(source, Origin::Source(source.to_owned()))
    }

    /// A producer of a source, once what the one before it handed over is in the marks.
    pub(crate) fn producer_of(&self, source: &str, origin: Origin) -> Result<Producer, Error> {
        let before = locked(&self.engine().sources).insert(source.to_owned(), true);
        if before == Some(true) {
            let name = source.to_owned();
            let what = Named::Source;
            return Err(Error::InUse { what, name });
        }
        let producer = Producer::new(self, origin);
        if before.is_some() {
            match self.flush() {
                Err(error) if error.kind() != ErrorKind::Poisoned => return Err(error),
                _ => {}
            }
        }
        Ok(producer)
    }
}
