//! The read models that a store feeds, as others see them.

use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Instant;

use crate::store::locked;

/// The feeds of a store, for as long as their handles are held.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    live: RwLock<Vec<Arc<FeedState>>>,
}

impl Feeds {
    /// Adds a feed, unless there is one of a model of this name.
    pub(crate) fn add(&self, name: &str, shards: usize) -> Option<Arc<FeedState>> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.iter().any(|one| one.name == name) {
            return None;
        }
        let state = Arc::new(FeedState::new(name, shards));
        live.push(Arc::clone(&state));
        Some(state)
    }

    pub(crate) fn remove(&self, state: &Arc<FeedState>) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.retain(|one| !Arc::ptr_eq(one, state));
    }

    pub(crate) fn list(&self) -> Vec<Arc<FeedState>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.clone()
    }

    /// Wakes the feeds that wait for events.
    pub(crate) fn ring(&self) {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.iter().for_each(|one| one.ring());
    }
}

/// How a feed is doing.
#[derive(Debug)]
pub(crate) struct FeedState {
    pub(crate) name: String,
    status: Mutex<Status>,
    /// There may be events to feed, or the feed is to stop.
    arrived: Condvar,
    /// The model has moved on, or has stopped.
    moved: Condvar,
}

#[derive(Debug)]
struct Status {
    /// Position after the last event that the model holds, one a shard.
    positions: Vec<u64>,
    failure: Option<String>,
    stopping: bool,
}

impl FeedState {
    fn new(name: &str, shards: usize) -> Self {
        Self {
            name: name.to_owned(),
            status: Mutex::new(Status {
                positions: vec![0; shards],
                failure: None,
                stopping: false,
            }),
            arrived: Condvar::new(),
            moved: Condvar::new(),
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
        self.arrived.notify_all();
    }

    pub(crate) fn fail(&self, reason: String) {
        locked(&self.status).failure = Some(reason);
        self.moved.notify_all();
    }

    pub(crate) fn moved_to(&self, positions: impl Iterator<Item = u64>) {
        let mut status = locked(&self.status);
        for (known, position) in status.positions.iter_mut().zip(positions) {
            *known = position;
        }
        drop(status);
        self.moved.notify_all();
    }

    fn ring(&self) {
        // With the lock, so that it does not fall between the look and the wait of the feed.
        drop(locked(&self.status));
        self.arrived.notify_all();
    }

    /// Returns once there are events, the feed is to stop, or it is time.
    pub(crate) fn wait_for_events(&self, has_more: impl Fn() -> bool, until: Option<Instant>) {
        let mut status = locked(&self.status);
        while !status.stopping && !has_more() {
            let Some(until) = until else {
                status = self
                    .arrived
                    .wait(status)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.arrived.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns once the model has come to these positions, or it is time: whether it has.
    ///
    /// # Errors
    /// Why it stopped before.
    pub(crate) fn wait_until(&self, wanted: &[u64], until: Instant) -> Result<bool, String> {
        let mut status = locked(&self.status);
        loop {
            let mut pairs = status.positions.iter().zip(wanted);
            if pairs.all(|(position, wanted)| position >= wanted) {
                return Ok(true);
            }
            if let Some(reason) = &status.failure {
                return Err(reason.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let waited = self.moved.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
