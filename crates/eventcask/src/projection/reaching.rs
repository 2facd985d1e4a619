//! Waiting until a projection has come to a position.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use eventcask_project::Projection;

use super::live::LiveProjection;
use crate::store::locked;
use crate::{Error, Projected};

/// How long to wait for a projection, and what to do then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// After this long it is an error: [`Error::ProjectionBehind`].
    Error(Duration),
    /// After this long go on with what is there.
    Stale(Duration),
}

/// Those who wait for a state to come to a position.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiting: Vec<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    position: u64,
    waker: Waker,
}

impl Waiters {
    /// Wakes those who wait for what is before `progress`; or all, to look again.
    #[inline]
    pub(crate) fn wake(&mut self, progress: u64, all: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let is_reached = |one: &mut Waiting| all || one.position < progress;
        for one in self.waiting.extract_if(.., is_reached) {
            one.waker.wake();
        }
    }

    /// Has somebody wait, under a number of its own.
    fn add(&mut self, number: &mut Option<u64>, position: u64, waker: &Waker) {
        let number = *number.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.remove(number);
        self.waiting.push(Waiting {
            number,
            position,
            waker: waker.clone(),
        });
    }

    fn remove(&mut self, number: u64) {
        self.waiting.retain(|one| one.number != number);
    }
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
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let until = Instant::now().checked_add(time);
        loop {
            if let Poll::Ready(reached) = self.look(&waker) {
                return reached.map(Some);
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => std::thread::park(),
                Some(Duration::ZERO) => return Ok(None),
                Some(left) => std::thread::park_timeout(left),
            }
        }
    }

    fn look(&mut self, waker: &Waker) -> Poll<Result<u64, Error>> {
        let live: &LiveProjection<P> = self.projected.live();
        let mut state = locked(&live.shards[self.shard as usize]);
        live.bring_up(self.shard, &mut state);
        if state.progress() > self.position {
            return Poll::Ready(Ok(state.progress()));
        }
        // It ends before those who wait are told, so nobody begins to wait after that.
        if let Err(error) = state.check(self.shard).and_then(|()| live.check_runs()) {
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

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
