//! Waiting until something that follows the log has come to a place.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use eventcask_event::Place;

use crate::Error;
use crate::follow::waiters;

/// How long to wait for what follows the log, and what to do then.
///
/// ```
/// use std::time::Duration;
/// use eventcask::Timeout;
/// let or_fail = Timeout::Error(Duration::from_secs(5));
/// let or_go_on = Timeout::Stale(Duration::from_millis(50));
/// # let _ = (or_fail, or_go_on);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// After this long it is an error: [`Error::Behind`].
    Error(Duration),
    /// After this long go on with what is there.
    Stale(Duration),
}

impl Timeout {
    /// What is left of it after so long.
    fn after(self, spent: Duration) -> Self {
        match self {
            Self::Error(time) => Self::Error(time.saturating_sub(spent)),
            Self::Stale(time) => Self::Stale(time.saturating_sub(spent)),
        }
    }
}

/// What follows the log, and can be waited for.
pub(crate) trait Follows: Send + Sync {
    /// What it is called.
    fn name(&self) -> &str;

    /// Position after the last event that it holds of a shard; none where there is no such shard.
    fn progress(&self, shard: u32) -> Option<u64>;

    /// Its progress once it is past the place, why it will not come to it, or a note to wake this
    /// waker, which has the number that is given to it.
    fn look(
        &self,
        place: Place,
        number: &mut Option<u64>,
        waker: &Waker,
    ) -> Poll<Result<u64, Error>>;

    /// Nobody waits under this number any more.
    fn forget(&self, shard: u32, number: u64);
}

/// Comes true once a projection, a view or a read model holds the event at a place, or a fold can
/// load it: its progress in that shard then, which is the position after the last event that it
/// holds. From [`ProjectionHandle::reaches`](crate::ProjectionHandle::reaches),
/// [`View::reaches`](crate::View::reaches),
/// [`ReadModelRunner::reaches`](crate::ReadModelRunner::reaches) and
/// [`Repository::reaches`](crate::Repository::reaches).
///
/// Dropping it ends the waiting, so the timer of any runtime can be put around it.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Reached {
    followed: Arc<dyn Follows>,
    place: Place,
    number: Option<u64>,
}

impl Reached {
    pub(crate) fn new(followed: Arc<dyn Follows>, place: Place) -> Self {
        Self {
            followed,
            place,
            number: None,
        }
    }

    /// Waits on this thread.
    pub(crate) fn wait(mut self, timeout: Timeout) -> Result<u64, Error> {
        let (Timeout::Error(time) | Timeout::Stale(time)) = timeout;
        if let Some(progress) = waiters::wait(time, |waker| self.look(waker)) {
            return progress;
        }
        let progress = self.followed.progress(self.place.shard).unwrap_or_default();
        match timeout {
            Timeout::Stale(_) => Ok(progress),
            Timeout::Error(_) => Err(Error::Behind {
                name: self.followed.name().to_owned(),
                place: self.place,
                progress,
            }),
        }
    }

    fn look(&mut self, waker: &Waker) -> Poll<Result<u64, Error>> {
        if self.followed.progress(self.place.shard).is_none() {
            return Poll::Ready(Err(Error::no_shard(self.place.shard)));
        }
        self.followed.look(self.place, &mut self.number, waker)
    }
}

/// Waits until all before these ends is held, one a shard: the progress in each of them then.
///
/// # Errors
/// As waiting for each of the places, one after the other.
pub(crate) fn catch_up(
    followed: &Arc<dyn Follows>,
    ends: &[u64],
    timeout: Timeout,
) -> Result<Vec<u64>, Error> {
    let started = Instant::now();
    let wait = |(shard, end): (u32, &u64)| {
        // What has come to a place stays past it, so the shards are waited for in turn.
        let Some(last) = end.checked_sub(1) else {
            return Ok(followed.progress(shard).unwrap_or_default());
        };
        let place = Place::new(shard, last);
        Reached::new(Arc::clone(followed), place).wait(timeout.after(started.elapsed()))
    };
    (0..).zip(ends).map(wait).collect()
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached")
            .field("name", &self.followed.name())
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Future for Reached {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.look(context.waker())
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.followed.forget(self.place.shard, number);
        }
    }
}
