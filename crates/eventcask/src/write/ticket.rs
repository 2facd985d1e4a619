//! What appends and flushes are answered, once that is known.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use eventcask_shard::{Appended, FlushCounter};

use crate::Error;

/// The one answer that each append gets.
pub type AppendResult = Result<Appended, Error>;

/// The answer to one append, once it is there.
///
/// It can be waited for ([`wait`](Self::wait)), asked for ([`poll`](Self::poll)) or awaited
/// from any async runtime. Dropping it changes nothing: the append goes on.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// use eventcask::{Expected, NewEvent};
/// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
/// let ticket = store.producer().append("account-42", Expected::Any, &[deposit])?;
/// let answer = ticket.wait()?; // or `ticket.await?`
/// assert_eq!(answer.version(), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it says whether the events were stored"]
pub struct Ticket(eventcask_shard::Ticket);

impl Ticket {
    pub(crate) fn new(ticket: eventcask_shard::Ticket) -> Self {
        Self(ticket)
    }

    /// Blocks until the answer is there.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Error, Expected, NewEvent};
    /// let opened = [NewEvent::json("Opened", b"{}")];
    /// let mut producer = store.producer();
    /// producer.append("account-42", Expected::NoStream, &opened)?.wait()?;
    /// let again = producer.append("account-42", Expected::NoStream, &opened)?.wait();
    /// assert!(matches!(again, Err(Error::Conflict { actual: 1, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Why the append was refused: [`Error::Conflict`] where the aggregate is not as expected.
    pub fn wait(self) -> AppendResult {
        Ok(self.0.wait()?)
    }

    /// The answer if it is there.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let opened = NewEvent::json("Opened", b"{}");
    /// let ticket = store.append("account-42", Expected::Any, &[opened])?;
    /// let answer = loop {
    ///     match ticket.poll() {
    ///         Some(answer) => break answer,
    ///         None => std::thread::yield_now(), // or other work
    ///     }
    /// };
    /// assert_eq!(answer?.version(), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poll(&self) -> Option<AppendResult> {
        Some(self.0.poll()?.map_err(Error::from))
    }
}

/// A [`Ticket`] being awaited.
#[derive(Debug)]
pub struct TicketFuture(eventcask_shard::TicketFuture);

impl IntoFuture for Ticket {
    type Output = AppendResult;
    type IntoFuture = TicketFuture;

    fn into_future(self) -> TicketFuture {
        TicketFuture(self.0.into_future())
    }
}

impl Future for TicketFuture {
    type Output = AppendResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AppendResult> {
        Pin::new(&mut self.0).poll(cx).map_err(Error::from)
    }
}

/// What became of the events that were pushed between two flushes.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Flushed {
    /// Stored now.
    pub stored: u64,
    /// Stored before.
    pub duplicates: u64,
    /// Refused for what they are: their id belongs to an event with other content.
    pub refused: u64,
    /// Why the first of them was refused.
    pub first_refused: Option<Error>,
}

impl From<eventcask_shard::Flushed> for Flushed {
    fn from(flushed: eventcask_shard::Flushed) -> Self {
        Self {
            stored: flushed.stored,
            duplicates: flushed.duplicates,
            refused: flushed.refused,
            first_refused: flushed.first_refused.map(Error::from),
        }
    }
}

/// What became of pushed events, once all of it is known.
#[derive(Debug)]
#[must_use = "it says whether the events were stored"]
pub struct FlushTicket {
    account: Arc<FlushCounter>,
}

impl FlushTicket {
    pub(crate) fn new(account: Arc<FlushCounter>) -> Self {
        Self { account }
    }

    /// Blocks until all events before the flush are answered.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{EventId, NewEvent};
    /// let mut producer = store.producer();
    /// let order = NewEvent::json("Placed", b"{}").id(EventId::from_u128(7));
    /// producer.push("order-7", &order)?;
    /// producer.push("order-7", &order)?; // the same again
    /// let flushed = producer.flush()?.wait()?;
    /// assert_eq!((flushed.stored, flushed.duplicates), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Why a shard refused what it was given: a full disk, a failed one, a closed store. An event
    /// that is refused for what it is counts as refused, and is no error.
    pub fn wait(self) -> Result<Flushed, Error> {
        Ok(self.account.wait()?.into())
    }

    /// Whether all events before the flush are answered, so that [`wait`](Self::wait) returns
    /// at once.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::NewEvent;
    /// let mut producer = store.producer();
    /// producer.push("sensor-7", &NewEvent::json("Measured", b"{}"))?;
    /// let flushed = producer.flush()?;
    /// while !flushed.is_done() {
    ///     std::thread::yield_now(); // or other work
    /// }
    /// assert_eq!(flushed.wait()?.stored, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.account.is_settled()
    }
}
