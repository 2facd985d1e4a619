//! The state of an aggregate that was loaded.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use eventcask::{Place, Versioned};

use crate::decider::Decider;
use crate::decider_fold::Kept;

/// How new the state has to be that is loaded: see
/// [`DeciderHandle::load_policy`](crate::DeciderHandle::load_policy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadPolicy {
    /// With every event that was acknowledged before.
    Fresh,
    /// The one that is kept in memory, if there is one, however old; otherwise a fresh one.
    Cached,
    /// The one that is kept in memory where it was the newest at most so long ago; otherwise a fresh
    /// one.
    AllowStale(Duration),
}

/// The state of an aggregate, and where it stands: from
/// [`DeciderHandle::load`](crate::DeciderHandle::load).
#[derive(Clone)]
#[non_exhaustive]
pub struct Loaded<D> {
    /// The state, shared with those that are kept.
    pub state: Arc<D>,
    /// Version of the newest event in it; 0 where there is none.
    pub version: u64,
    /// Where that event is stored.
    pub place: Option<Place>,
}

impl<D: Decider> Loaded<D> {
    pub(crate) fn of(versioned: &Versioned<Kept<D>>, shard: u32) -> Self {
        let place = versioned.position();
        Self {
            state: Arc::clone(&versioned.state),
            version: versioned.version(),
            place: place.map(|position| Place::new(shard, position)),
        }
    }
}

impl<D: Debug> Debug for Loaded<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("version", &self.version)
            .field("state", &self.state)
            .finish()
    }
}
