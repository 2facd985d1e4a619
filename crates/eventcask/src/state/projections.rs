//! All projections that follow a store: views, and those of its users for as long as somebody holds
//! them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use eventcask_log::Block;
use eventcask_shard::ShardReader;

use crate::Error;
use crate::follow::waiters::Woken;
use crate::named::Named;
use crate::sync::locked;

/// The projections that follow a store.
#[derive(Default)]
pub(crate) struct Projections {
    live: RwLock<Vec<Arc<dyn Live>>>,
    /// Whether the store was closed: nothing of it is to be written then. Changes under `live`
    /// only.
    is_closed: AtomicBool,
    /// Names of the projections of users that run: one of each.
    names: Mutex<HashSet<&'static str>>,
}

impl std::fmt::Debug for Projections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projections").finish_non_exhaustive()
    }
}

/// A projection whatever its state is.
pub(crate) trait Live: Send + Sync {
    /// Takes in a block that has just become durable, or notes that it is there. Who waited for it
    /// is to be woken.
    fn follow(&self, reader: &ShardReader, block: &Block) -> Woken;

    /// Looks for what another process has written.
    fn refresh(&self);

    /// Ends it and saves its states. One that is behind the acknowledgement leaves what it did not
    /// apply yet to the next start. Who waits for it is to be woken.
    fn close(&self, woken: &mut Woken) -> Result<(), Error>;

    /// Returns once no snapshot is being written that was begun before.
    fn settle(&self);

    /// Its figures; none of a view, which has its own.
    fn stats(&self) -> Option<ProjectionStats>;
}

impl Projections {
    /// Takes a name, which is given back when what this returns is dropped.
    pub(crate) fn take(self: &Arc<Self>, name: &'static str) -> Result<Taken, Error> {
        if !locked(&self.names).insert(name) {
            return Err(Error::InUse {
                what: Named::Projection,
                name: name.to_owned(),
            });
        }
        let projections = Arc::clone(self);
        Ok(Taken { projections, name })
    }

    /// Has one follow the store; says whether the store is still open.
    pub(crate) fn add(&self, live: Arc<dyn Live>) -> bool {
        let mut all = self.live.write().unwrap_or_else(PoisonError::into_inner);
        all.push(live);
        !self.is_closed.load(Ordering::Relaxed)
    }

    /// Applies nothing to it from now on.
    pub(crate) fn remove(&self, live: &dyn Live) {
        let mut all = self.live.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !std::ptr::addr_eq(Arc::as_ptr(one), live));
    }

    /// Hands a block that has just become durable to all of them.
    pub(crate) fn apply(&self, reader: &ShardReader, block: &Block) {
        let all = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let mut woken = Woken::default();
        all.iter()
            .for_each(|live| woken.and(live.follow(reader, block)));
        drop(all);
        woken.wake();
    }

    pub(crate) fn refresh(&self) {
        self.list().iter().for_each(|live| live.refresh());
    }

    /// Returns once no snapshot is being written that was begun before: what is begun from now on
    /// knows what was given up by now.
    pub(crate) fn settle(&self) {
        self.list().iter().for_each(|live| live.settle());
    }

    /// Ends all of them; the first error counts. Who waits for them is to be woken.
    pub(crate) fn close(&self, woken: &mut Woken) -> Result<(), Error> {
        let all = self.live.write().unwrap_or_else(PoisonError::into_inner);
        self.is_closed.store(true, Ordering::Relaxed);
        let listed = all.clone();
        drop(all);
        let closed = listed.iter().map(|live| live.close(woken));
        closed.fold(Ok(()), Result::and)
    }

    pub(crate) fn stats(&self) -> Vec<ProjectionStats> {
        self.list().iter().filter_map(|live| live.stats()).collect()
    }

    fn list(&self) -> Vec<Arc<dyn Live>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A name that is taken.
#[derive(Debug)]
pub(crate) struct Taken {
    projections: Arc<Projections>,
    name: &'static str,
}

impl Drop for Taken {
    fn drop(&mut self) {
        locked(&self.projections.names).remove(self.name);
    }
}

/// Figures of one projection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectionStats {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Whether events are applied before their appends are answered.
    pub is_sync: bool,
    /// The position after the last event it holds, one a shard.
    pub positions: Vec<u64>,
    /// Durable events that it does not hold yet.
    pub lag_events: u64,
    /// Age of the oldest event that it does not hold yet, in seconds.
    pub lag_seconds: u64,
    /// Aggregates that are parked, where that is its policy.
    pub parked: u64,
    /// Why it stopped in a shard, if it did.
    pub failure: Option<String>,
    /// The position that the snapshot on disk has come to, one a shard; `None` without one.
    pub snapshot_positions: Vec<Option<u64>>,
    /// Why a snapshot could not be made when that was last tried; it is tried again.
    pub snapshot_failure: Option<String>,
}
