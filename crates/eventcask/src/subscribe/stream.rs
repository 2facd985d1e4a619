//! Subscriptions and queries as streams.
//!
//! A stream has no thread and no runtime: whoever makes an event visible wakes the task that waits
//! for it, and the task reads the log itself.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use event_listener::EventListener;
use futures_core::Stream;

use crate::read::EventIter;
use crate::subscribe::subscription::Look;
use crate::{DurableSubscription, Error, Event, EventQuery, StoreReader, Subscription};

/// Events that a task takes in a row before it lets others have a turn. Tokio allows a task as many
/// steps, and an event takes well under a microsecond, so a turn is short.
const EVENTS_IN_A_ROW: u32 = 128;

/// The events of a [`Subscription`], a [`DurableSubscription`] or a [`EventQuery`] as a
/// [`Stream`](futures_core::Stream), for any async runtime.
///
/// While nothing comes, a task that waits costs nothing; a new event wakes it. The stream of a
/// subscription ends when the store is closed and all of it was handed out, that of a query after
/// what was durable when it began. After an error the next poll tries the same again.
///
/// A poll reads the log where the next event is not in memory yet, so it can wait for the disk and
/// decompress a block meanwhile. Catching up with a long log is work for a task of its own; it
/// gives way to others every 128 events. A stream of a store that is open for reading only waits
/// for someone to call [`Store::refresh`](crate::StoreReader::refresh).
///
/// ```
/// use std::future::poll_fn;
/// use std::pin::Pin;
///
/// use eventcask::{Expected, NewEvent};
/// use futures_core::Stream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let opened = NewEvent::json("Opened", b"{}");
/// store.producer().append("account-1", Expected::Any, &[opened])?.await?;
///
/// let mut events = store.events().subscribe()?.into_stream();
/// // With `StreamExt` of the crates futures or tokio-stream this is `events.next().await`.
/// let next = poll_fn(|context| Pin::new(&mut events).poll_next(context)).await;
/// assert_eq!(next.ok_or("one is there")??.key(), "account-1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct EventStream<S> {
    source: S,
    /// What wakes the task that waits.
    listener: Option<EventListener>,
    /// Polls since other tasks had a turn.
    in_a_row: u32,
}

impl<S> EventStream<S> {
    fn new(source: S) -> Self {
        Self {
            source,
            listener: None,
            in_a_row: 0,
        }
    }

    /// What the events come from.
    pub fn get_ref(&self) -> &S {
        &self.source
    }

    /// What the events come from, to [keep](DurableSubscription::checkpoint) its progress for
    /// example. Events that are taken from it do not come again.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// What the events come from; it goes on where the stream was.
    pub fn into_inner(self) -> S {
        self.source
    }

    /// Lets other tasks have a turn, where this one had a long one.
    fn poll_turn(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.in_a_row < EVENTS_IN_A_ROW {
            self.in_a_row += 1;
            return Poll::Ready(());
        }
        self.in_a_row = 0;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Comes true once a subscription may have something new.
    fn poll_told(&mut self, is_waiting: bool, context: &mut Context<'_>) -> Poll<()> {
        // Somebody may have taken from the subscription meanwhile: then it does not wait, and
        // nothing would wake this listener.
        if is_waiting && let Some(listener) = &mut self.listener {
            ready!(Pin::new(listener).poll(context));
        }
        self.listener = None;
        Poll::Ready(())
    }

    fn poll_subscription(
        &mut self,
        subscription: impl Fn(&mut S) -> &mut Subscription,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        ready!(self.poll_turn(context));
        loop {
            let is_waiting = subscription(&mut self.source).watch().is_waiting();
            ready!(self.poll_told(is_waiting, context));
            match subscription(&mut self.source).poll_or_listen() {
                Ok(Look::Event(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(Look::Over) => return Poll::Ready(None),
                Ok(Look::Wait(listener)) => self.listener = Some(listener),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl Stream for EventStream<Subscription> {
    type Item = Result<Event, Error>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        self.get_mut().poll_subscription(|source| source, context)
    }
}

impl Stream for EventStream<DurableSubscription> {
    type Item = Result<Event, Error>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        self.get_mut()
            .poll_subscription(DurableSubscription::subscription, context)
    }
}

impl Stream for EventStream<EventIter> {
    type Item = Result<Event, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        ready!(self.poll_turn(context));
        Poll::Ready(self.source.next())
    }
}

impl Subscription {
    /// The same as a stream, for programs with an async runtime (feature `stream`).
    ///
    /// It is a type of its own because a subscription is an iterator: whoever uses `StreamExt`
    /// could not call `next` on what is both.
    pub fn into_stream(self) -> EventStream<Self> {
        EventStream::new(self)
    }
}

impl DurableSubscription {
    /// The same as a stream, for programs with an async runtime (feature `stream`). Progress is
    /// saved by `stream.get_mut().checkpoint()`, which is a durable write and waits for the disk.
    pub fn into_stream(self) -> EventStream<Self> {
        EventStream::new(self)
    }
}

impl<S: AsRef<StoreReader>> EventQuery<S> {
    /// As [`iter`](Self::iter), as a stream for programs with an async runtime (feature `stream`).
    /// Each poll reads what it needs, and waits for the disk where that takes long.
    pub fn stream(&self) -> EventStream<EventIter> {
        EventStream::new(self.iter())
    }
}
