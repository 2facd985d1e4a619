//! The read models that a store feeds, as others see them.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Poll, Waker};
use std::time::Instant;

use eventcask_event::Place;

use crate::Error;
use crate::bell::Bell;
use crate::follow::reached::Follows;
use crate::follow::waiters::{Waiters, Woken};
use crate::named::Named;
use crate::notices::{self, Who};
use crate::sync::locked;

/// The feeds of a store, for as long as their handles are held.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    live: RwLock<Live>,
}

#[derive(Debug, Default)]
struct Live {
    feeds: Vec<Arc<FeedState>>,
    /// Where the log ends, once the store was closed: a feed that begins after that is told as
    /// well.
    ends: Option<Vec<u64>>,
}

impl Feeds {
    /// Adds a feed, unless there is one of a model of this name.
    pub(crate) fn add(&self, name: &str, shards: usize) -> Option<Arc<FeedState>> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.feeds.iter().any(|one| one.name == name) {
            return None;
        }
        let state = Arc::new(FeedState::new(name, shards, live.ends.clone()));
        live.feeds.push(Arc::clone(&state));
        Some(state)
    }

    pub(crate) fn remove(&self, state: &Arc<FeedState>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.feeds.retain(|one| !Arc::ptr_eq(one, state));
    }

    pub(crate) fn list(&self) -> Vec<Arc<FeedState>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.feeds.clone()
    }

    /// Says that the log ends at these positions for good.
    pub(crate) fn end(&self, ends: &[u64]) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.ends = Some(ends.to_vec());
        drop(live);
        for feed in self.list() {
            feed.change(|status| status.ends = Some(ends.to_vec()));
        }
    }

    /// Wakes the feeds that wait for events.
    pub(crate) fn ring(&self) {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.feeds.iter().for_each(|one| one.arrived.ring());
    }
}

/// How a feed is doing.
#[derive(Debug)]
pub(crate) struct FeedState {
    pub(crate) name: String,
    status: Mutex<Status>,
    /// There may be events to feed, or the feed is to stop.
    arrived: Bell,
}

#[derive(Debug)]
struct Status {
    /// Position after the last event that the model holds, one a shard.
    positions: Vec<u64>,
    failure: Option<String>,
    stopping: bool,
    /// Whether the feed has ended.
    is_over: bool,
    /// Where the log ends, once the store was closed.
    ends: Option<Vec<u64>>,
    /// Those who wait for the model, one a shard.
    waiters: Vec<Waiters>,
}

impl FeedState {
    fn new(name: &str, shards: usize, ends: Option<Vec<u64>>) -> Self {
        Self {
            name: name.to_owned(),
            status: Mutex::new(Status {
                positions: vec![0; shards],
                failure: None,
                stopping: false,
                is_over: false,
                ends,
                waiters: (0..shards).map(|_| Waiters::default()).collect(),
            }),
            arrived: Bell::default(),
        }
    }

    pub(crate) fn positions(&self) -> Vec<u64> {
        locked(&self.status).positions.clone()
    }

    pub(crate) fn failure(&self) -> Option<String> {
        locked(&self.status).failure.clone()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        locked(&self.status).stopping
    }

    pub(crate) fn stop(&self) {
        locked(&self.status).stopping = true;
        self.arrived.ring();
    }

    pub(crate) fn fail(&self, reason: String) {
        let who = Who {
            kind: Named::ReadModel,
            name: self.name.clone(),
            shard: None,
            behind: None,
        };
        notices::stopped(&who, None, &reason);
        self.change(|status| status.failure = Some(reason));
    }

    /// Says that the feed has ended.
    pub(crate) fn end(&self) {
        self.change(|status| status.is_over = true);
    }

    /// Changes what those who wait must look at again.
    fn change(&self, change: impl FnOnce(&mut Status)) {
        let mut woken = Woken::default();
        let mut status = locked(&self.status);
        change(&mut status);
        for waiters in &mut status.waiters {
            woken.and(waiters.all());
        }
        drop(status);
        woken.wake();
    }

    pub(crate) fn moved_to(&self, positions: impl Iterator<Item = u64>) {
        let mut woken = Woken::default();
        let mut status = locked(&self.status);
        let Status {
            positions: known,
            waiters,
            ..
        } = &mut *status;
        for ((known, waiters), position) in known.iter_mut().zip(waiters).zip(positions) {
            *known = position;
            woken.and(waiters.reached(position));
        }
        drop(status);
        woken.wake();
    }

    /// Returns once there are events, the feed is to stop, or it is time.
    pub(crate) fn wait_for_events(&self, has_more: impl Fn() -> bool, until: Option<Instant>) {
        while !self.is_stopping() && !has_more() && self.arrived.wait(until) {}
    }
}

impl Follows for FeedState {
    fn name(&self) -> &str {
        &self.name
    }

    fn progress(&self, shard: u32) -> Option<u64> {
        locked(&self.status).positions.get(shard as usize).copied()
    }

    fn look(
        &self,
        place: Place,
        number: &mut Option<u64>,
        waker: &Waker,
    ) -> Poll<Result<u64, Error>> {
        let (shard, position) = (place.shard as usize, place.position);
        let mut status = locked(&self.status);
        let progress = status.positions[shard];
        if progress > position {
            return Poll::Ready(Ok(progress));
        }
        if let Some(reason) = &status.failure {
            return Poll::Ready(Err(self.stopped(reason)));
        }
        if status.is_over {
            return Poll::Ready(Err(self.stopped("its feed has ended")));
        }
        let is_past = |ends: &Vec<u64>| position >= ends[shard];
        if status.ends.as_ref().is_some_and(is_past) {
            return Poll::Ready(Err(Error::Closed));
        }
        status.waiters[shard].add(number, position, waker);
        Poll::Pending
    }

    fn forget(&self, shard: u32, number: u64) {
        locked(&self.status).waiters[shard as usize].remove(number);
    }
}

impl FeedState {
    pub(crate) fn stopped(&self, reason: &str) -> Error {
        Error::Stopped {
            what: Named::ReadModel,
            name: self.name.clone(),
            shard: None,
            reason: reason.to_owned(),
        }
    }
}

/// Figures of one read model that is fed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadModelStats {
    /// Its name.
    pub name: String,
    /// The position after the last event it holds, one a shard.
    pub positions: Vec<u64>,
    /// Durable events that it does not hold yet.
    pub lag_events: u64,
    /// Age of the oldest event that it does not hold yet, in seconds.
    pub lag_seconds: u64,
    /// Why it stopped, if it did.
    pub failure: Option<String>,
}
