//! A command that is being carried out.
//!
//! Each step ends with an append whose answer is waited for, or with the outcome. Waiting and
//! awaiting differ in how they come to that answer, and in nothing else.

use std::fmt::Debug;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use eventcask::{AppendResult, Ticket, TicketFuture};

use crate::attempt::{Attempt, Outcome, Step, Told};
use crate::decider::Decider;
use crate::terms::Terms;

/// A command that is being carried out: from
/// [`DeciderHandle::execute`](crate::DeciderHandle::execute).
///
/// It can be waited for ([`wait`](Self::wait)) or awaited from any async runtime. Dropped, it is
/// tried no more; what is on its way to the store goes on.
#[must_use = "a command that is not waited for may be carried out or not"]
pub struct Execution<'c, D: Decider> {
    attempt: Attempt<'c, D>,
    step: Step<D>,
}

impl<'c, D: Decider> Execution<'c, D> {
    pub(crate) fn begin(terms: Terms<D>, key: String, command: &'c D::Command) -> Self {
        let mut attempt = Attempt::new(terms, key, command);
        let step = attempt.begin();
        Self { attempt, step }
    }

    /// Blocks until the command was carried out, refused, or has failed.
    ///
    /// # Errors
    /// [`DecideError::Refused`](crate::DecideError::Refused) with what the rules said, and
    /// [`DecideError::Failed`](crate::DecideError::Failed) with everything else:
    /// [`Error::RepeatDiffers`](crate::Error::RepeatDiffers),
    /// [`Error::AnswerGone`](crate::Error::AnswerGone),
    /// [`Error::NoCommandId`](crate::Error::NoCommandId), an event that can not be read or encoded, or
    /// what the store said, a conflict also where others were faster too often.
    ///
    /// # Panics
    /// Where [`Decider::decide`] or [`Decider::evolve`] does.
    pub fn wait(mut self) -> Outcome<D> {
        loop {
            self.step = match self.step {
                Step::Done(outcome) => return *outcome,
                Step::Asked(ticket, told) => self.attempt.answered(ticket.wait(), told),
            };
        }
    }
}

impl<D: Decider> Debug for Execution<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execution")
            .field("key", &self.attempt.key())
            .field("is_done", &matches!(self.step, Step::Done(_)))
            .finish_non_exhaustive()
    }
}

impl<'c, D: Decider> IntoFuture for Execution<'c, D> {
    type Output = Outcome<D>;
    type IntoFuture = ExecutionFuture<'c, D>;

    fn into_future(self) -> ExecutionFuture<'c, D> {
        ExecutionFuture {
            attempt: self.attempt,
            awaited: Some(Awaited::of(self.step)),
        }
    }
}

/// An [`Execution`] being awaited.
pub struct ExecutionFuture<'c, D: Decider> {
    attempt: Attempt<'c, D>,
    /// None once the outcome was given.
    awaited: Option<Awaited<D>>,
}

enum Awaited<D: Decider> {
    Append(TicketFuture, Told<D>),
    Done(Box<Outcome<D>>),
}

impl<D: Decider> Awaited<D> {
    fn of(step: Step<D>) -> Self {
        match step {
            Step::Asked(ticket, told) => Self::Append(Ticket::into_future(ticket), told),
            Step::Done(outcome) => Self::Done(outcome),
        }
    }
}

// Nothing in it is ever pinned but the future of the append, which may be moved.
impl<D: Decider> Unpin for ExecutionFuture<'_, D> {}

impl<D: Decider> Future for ExecutionFuture<'_, D> {
    type Output = Outcome<D>;

    /// # Panics
    /// Where it was ready before.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<D>> {
        loop {
            let awaited = self.awaited.take();
            match awaited.expect("it is not polled after it was ready") {
                Awaited::Done(outcome) => return Poll::Ready(*outcome),
                Awaited::Append(mut ticket, told) => match poll_ticket(&mut ticket, cx) {
                    Poll::Pending => {
                        self.awaited = Some(Awaited::Append(ticket, told));
                        return Poll::Pending;
                    }
                    Poll::Ready(answer) => {
                        let step = self.attempt.answered(answer, told);
                        self.awaited = Some(Awaited::of(step));
                    }
                },
            }
        }
    }
}

fn poll_ticket(ticket: &mut TicketFuture, cx: &mut Context<'_>) -> Poll<AppendResult> {
    Pin::new(ticket).poll(cx)
}

impl<D: Decider> Debug for ExecutionFuture<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecutionFuture")
            .field("key", &self.attempt.key())
            .finish_non_exhaustive()
    }
}
