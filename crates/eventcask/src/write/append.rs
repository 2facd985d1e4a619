//! Appends of callers that are many and short-lived, from any thread.
//!
//! One router serves all of them. Its open batches have a lock each, one a shard, so callers of
//! different shards do not meet, and those of one shard only while an event is written into the
//! batch. Nobody waits for room in a queue under such a lock.

use eventcask_event::{Expected, NewEvent};
use eventcask_shard::Expectation;

use crate::store::inner::Inner;
use crate::store::router::{Lane, OpenBy, Room};
use crate::write::check::check_append;
use crate::write::ticket::Ticket;
use crate::{Error, Store};

impl Store {
    /// Appends events to an aggregate, all or none, and returns the ticket of the answer, which can
    /// be waited for or awaited. For callers that are many and short-lived, such as the handlers of
    /// a web service: any thread and any async runtime may call it, and there is no producer to
    /// keep. What one caller appends to a shard is stored in the order of its calls. A thread that
    /// has much to append is faster with a [`Producer`](crate::Producer) of its own.
    ///
    /// Waits while the shard's queue is full; see [`try_append`](Self::try_append). Where shards
    /// have [owners](crate::ShardOwner), events are taken up when the owner runs.
    ///
    /// ```
    /// use eventcask::{Expected, NewEvent, Place, Store};
    ///
    /// /// What a handler does, on whichever thread its runtime runs it.
    /// async fn deposit(store: &Store, account: &str, json: &[u8]) -> Result<Place, eventcask::Error> {
    ///     let event = NewEvent::json("Deposited", json);
    ///     let appended = store.append(account, Expected::Any, &[event])?.await?;
    ///     Ok(appended.place())
    /// }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// let event = NewEvent::json("Opened", b"{}");
    /// let appended = store.append("account-42", Expected::NoStream, &[event])?.wait()?;
    /// assert_eq!(appended.version(), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An event that can not be taken, or a shard that stopped. Whether the events
    /// are stored is the ticket's answer.
    pub fn append(
        &self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, Error> {
        self.append_by(key, expected, events, |lane, room| {
            lane.when_room(|| lane.open(room, Lane::try_send))
        })
    }

    /// As [`append`](Self::append), but never waits for room in the queue.
    ///
    /// ```
    /// use eventcask::{Error, Expected, NewEvent};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// let event = NewEvent::json("Opened", b"{}");
    /// match store.try_append("account-42", Expected::Any, &[event]) {
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
        &self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, Error> {
        self.append_by(key, expected, events, |lane, room| {
            lane.open(room, Lane::try_send)
        })
    }

    fn append_by(
        &self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
        open: OpenBy,
    ) -> Result<Ticket, Error> {
        let engine = self.engine();
        let bytes = check_append(key, events, engine.max_payload_bytes)?;
        let new_router = || self.inner.router(engine);
        let router = self.inner.appender.get_or_init(new_router);
        let (lane, hash) = router.lane_of(key);
        let room = Room {
            bytes,
            events: events.len(),
            of_source: false,
        };
        let (mut open, was_empty) = open(lane, &room)?;
        let first_row = open.batch.len();
        for event in events {
            open.batch.push(key, hash, event)?;
        }
        let ticket = open.join(first_row, Expectation::One(expected));
        lane.leave_waiting(open, was_empty);
        Ok(Ticket::new(ticket))
    }
}

impl Inner {
    /// Hands over what was appended without a producer and no worker has taken yet.
    pub(crate) fn hand_over_appended(&self) -> Result<(), Error> {
        match self.appender.get() {
            Some(router) => router.send_shared(),
            None => Ok(()),
        }
    }
}
