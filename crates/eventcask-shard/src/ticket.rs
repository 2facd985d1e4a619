//! Answers that are still on their way: waited for, asked for, or awaited.
//!
//! The appends of a batch are answered at the same time. So they share one place where the answers
//! are put, and one gate at which all wait who want one of them.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::gate::Gate;
use crate::{AppendError, AppendResult};

/// What the appends of a batch are answered, and who waits for it.
#[derive(Default)]
struct Round {
    answers: OnceLock<Answers>,
    answered: Gate,
}

enum Answers {
    /// The n-th is that of the n-th ticket.
    Each(Vec<AppendResult>),
    All(AppendError),
}

impl Round {
    fn is_answered(&self) -> bool {
        self.answers.get().is_some()
    }

    fn answer(&self, answers: Answers) {
        if self.answers.set(answers).is_ok() {
            self.answered.open();
        }
    }
}

/// The answer to one append, once it is there.
///
/// It can be waited for ([`wait`](Self::wait)), asked for ([`poll`](Self::poll)) or awaited
/// from any async runtime. Dropping it changes nothing: the append goes on.
pub struct Ticket {
    round: Arc<Round>,
    index: u32,
}

/// The other end of the [`Ticket`]s of a batch: gives the answers. Dropped without any, it answers
/// that the store is closed, so that nobody waits for ever.
#[derive(Default)]
pub struct Completion {
    round: Arc<Round>,
    tickets: u32,
}

impl Ticket {
    /// Blocks until the answer is there.
    ///
    /// # Errors
    /// Why the append was refused.
    pub fn wait(self) -> AppendResult {
        loop {
            if let Some(outcome) = self.poll() {
                return outcome;
            }
            self.round.answered.wait(|| self.round.is_answered());
        }
    }

    /// The answer if it is there.
    #[must_use]
    pub fn poll(&self) -> Option<AppendResult> {
        Some(match self.round.answers.get()? {
            Answers::Each(each) => each[self.index as usize].clone(),
            Answers::All(refused) => Err(refused.clone()),
        })
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("outcome", &self.poll())
            .finish()
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Completion");
        shown
            .field("tickets", &self.tickets)
            .finish_non_exhaustive()
    }
}

impl Completion {
    /// The ticket of one more append.
    pub fn ticket(&mut self) -> Ticket {
        let index = self.tickets;
        self.tickets += 1;
        let round = Arc::clone(&self.round);
        Ticket { round, index }
    }

    /// How many tickets wait.
    #[must_use]
    pub fn tickets(&self) -> usize {
        self.tickets as usize
    }

    /// Gives the answers, one a ticket in the order in which those were made.
    ///
    /// # Panics
    /// When there are more or fewer answers than tickets.
    pub fn answer(self, each: Vec<AppendResult>) {
        assert_eq!(each.len(), self.tickets(), "each ticket has one answer");
        self.round.answer(Answers::Each(each));
    }

    /// Gives all tickets the same answer.
    pub fn refuse(self, refused: AppendError) {
        self.round.answer(Answers::All(refused));
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.round.is_answered() {
            self.round.answer(Answers::All(dropped()));
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
    /// Where the task is among those that wait, once it is.
    task: Option<usize>,
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
            task: None,
        }
    }
}

impl Future for TicketFuture {
    type Output = AppendResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AppendResult> {
        if let Some(outcome) = self.ticket.poll() {
            return Poll::Ready(outcome);
        }
        let (round, before) = (&self.ticket.round, self.task);
        let task = round
            .answered
            .enlist(before, cx.waker(), || round.is_answered());
        self.task = task;
        // Looked at once more: the answer may have come before the task was among those that wait.
        self.ticket.poll().map_or(Poll::Pending, Poll::Ready)
    }
}
