//! Waiting until a projection has come to a position.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use eventcask_project::Projection;

use super::live::LiveProjection;
use crate::follow::waiters;
use crate::sync::locked;
use crate::{Error, Projected};

/// How long to wait for a projection, and what to do then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// After this long it is an error: [`Error::ProjectionBehind`].
    Error(Duration),
    /// After this long go on with what is there.
    Stale(Duration),
}

/// Comes true once a projection holds the event at a position: its progress then. From
/// [`Projected::reaches`].
///
/// Dropping it ends the waiting, so the timer of any runtime can be put around it.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Reaching<P: Projection> {
    projected: Projected<P>,
    shard: u32,
    position: u64,
    number: Option<u64>,
}

impl<P: Projection> Reaching<P> {
    pub(crate) fn new(projected: Projected<P>, shard: u32, position: u64) -> Self {
        Self {
            projected,
            shard,
            position,
            number: None,
        }
    }

    /// Waits on this thread; none where the time is over.
    pub(crate) fn wait(mut self, time: Duration) -> Result<Option<u64>, Error> {
        waiters::wait(time, |waker| self.look(waker)).transpose()
    }

    fn look(&mut self, waker: &Waker) -> Poll<Result<u64, Error>> {
        let live: &LiveProjection<P> = self.projected.live();
        let mut state = locked(&live.shards[self.shard as usize]);
        live.bring_up(self.shard, &mut state);
        if state.progress() > self.position {
            return Poll::Ready(Ok(state.progress()));
        }
        // It ends before those who wait are told, so nobody begins to wait after that.
        let runs = || live.check_runs(self.shard, self.position);
        if let Err(error) = state.check(self.shard).and_then(|()| runs()) {
            return Poll::Ready(Err(error));
        }
        state.waiters.add(&mut self.number, self.position, waker);
        Poll::Pending
    }
}

impl<P: Projection> std::fmt::Debug for Reaching<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reaching")
            .field("shard", &self.shard)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<P: Projection> Future for Reaching<P> {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.look(context.waker())
    }
}

impl<P: Projection> Drop for Reaching<P> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let live = self.projected.live();
            locked(&live.shards[self.shard as usize])
                .waiters
                .remove(number);
        }
    }
}
