//! An answer that is still on its way: waited for, asked for, or awaited.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use event_listener::{Event, EventListener, Listener};

use crate::{AppendError, AppendResult};

struct Slot {
    outcome: OnceLock<AppendResult>,
    answered: Event,
}

/// The answer to one append, once it is there.
///
/// It can be waited for ([`wait`](Self::wait)), asked for ([`poll`](Self::poll)) or awaited
/// from any async runtime. Dropping it changes nothing: the append goes on.
pub struct Ticket(Arc<Slot>);

/// The other end of a [`Ticket`]: gives the answer. Dropped without one, it answers that the
/// store is closed, so that nobody waits for ever.
pub struct Completion(Arc<Slot>);

impl Ticket {
    /// A ticket and the end that answers it.
    #[must_use]
    pub fn new() -> (Completion, Self) {
        let slot = Arc::new(Slot {
            outcome: OnceLock::new(),
            answered: Event::new(),
        });
        (Completion(Arc::clone(&slot)), Self(slot))
    }

    /// Blocks until the answer is there.
    ///
    /// # Errors
    /// Why the append was refused.
    pub fn wait(self) -> AppendResult {
        loop {
            if let Some(outcome) = self.poll() {
                return outcome;
            }
            let listener = self.0.answered.listen();
            if self.0.outcome.get().is_none() {
                listener.wait();
            }
        }
    }

    /// The answer if it is there.
    #[must_use]
    pub fn poll(&self) -> Option<AppendResult> {
        self.0.outcome.get().cloned()
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("outcome", &self.0.outcome.get())
            .finish()
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

impl Completion {
    /// Gives the answer. Only the first one counts.
    pub fn answer(self, outcome: AppendResult) {
        self.set(outcome);
    }

    fn set(&self, outcome: AppendResult) {
        if self.0.outcome.set(outcome).is_ok() {
            self.0.answered.notify(usize::MAX);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if self.0.outcome.get().is_none() {
            self.set(Err(dropped()));
        }
    }
}

/// The answer to what is dropped without one: nothing of it was stored, unless the thread that
/// had it in hand is failing.
pub(crate) fn dropped() -> AppendError {
    if std::thread::panicking() {
        AppendError::Poisoned("its worker failed at this batch".into())
    } else {
        AppendError::Closed
    }
}

/// A [`Ticket`] being awaited.
pub struct TicketFuture {
    ticket: Ticket,
    listener: Option<EventListener>,
}

impl std::fmt::Debug for TicketFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ticket.fmt(f)
    }
}

impl IntoFuture for Ticket {
    type Output = AppendResult;
    type IntoFuture = TicketFuture;

    fn into_future(self) -> TicketFuture {
        TicketFuture {
            ticket: self,
            listener: None,
        }
    }
}

impl Future for TicketFuture {
    type Output = AppendResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AppendResult> {
        loop {
            if let Some(outcome) = self.ticket.poll() {
                return Poll::Ready(outcome);
            }
            let Some(listener) = &mut self.listener else {
                // Listen first, then look again: an answer in between is not missed.
                self.listener = Some(self.ticket.0.answered.listen());
                continue;
            };
            match Pin::new(listener).poll(cx) {
                Poll::Ready(()) => self.listener = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
