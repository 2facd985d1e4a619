//! What the code of a projection does with an event: what is right, or what a trial wants.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use eventcask::Batch;

use crate::model::ledger::named_in;
use crate::planted::Planted;

/// What a handler says that fails on purpose.
pub(crate) const POISON: &str = "a poison event";
/// No entry has this number.
pub(crate) const NO_ENTRY: usize = usize::MAX;

/// The code of one projection; clones share what may change.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    /// The version of the code, which marks all that it does.
    pub(crate) version: u32,
    planted: Option<Planted>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The entry that it fails on.
    poison: AtomicUsize,
    /// Where the shards ended when a rebuild began that is a planted bug.
    ends: Mutex<Vec<u64>>,
}

impl Handler {
    pub(crate) fn new(version: u32, planted: Option<Planted>) -> Self {
        Self {
            version,
            planted,
            shared: Arc::new(Shared {
                poison: AtomicUsize::new(NO_ENTRY),
                ends: Mutex::default(),
            }),
        }
    }

    /// The same, as another version of the code.
    pub(crate) fn of_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// How often it takes in a row of a batch; it fails on a poison event.
    pub(crate) fn times(&self, batch: &Batch<'_>, at: usize) -> usize {
        let named = named_in(batch.payload(at));
        if named.is_some_and(|(entry, _)| Some(entry) == self.poison()) {
            // It unwinds as a panic does, and prints nothing.
            resume_unwind(Box::new(POISON));
        }
        if !batch.replay() {
            return 1;
        }
        match self.planted {
            Some(Planted::ProjectionSeesTwice) => 2,
            Some(Planted::RebuildEndsEarly) if self.is_end(batch, at) => 0,
            _ => 1,
        }
    }

    fn is_end(&self, batch: &Batch<'_>, at: usize) -> bool {
        let ends = self
            .shared
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ends.get(batch.shard() as usize) == Some(&(batch.position(at) + 1))
    }

    pub(crate) fn cuts_snapshots(&self) -> bool {
        self.planted == Some(Planted::SnapshotIsTooShort)
    }

    /// It is to fail on the events of an entry from now on.
    pub(crate) fn set_poison(&self, entry: usize) {
        self.shared.poison.store(entry, Ordering::Relaxed);
    }

    /// It fails on nothing any more.
    pub(crate) fn cure(&self) {
        self.set_poison(NO_ENTRY);
    }

    /// The entry that it fails on, if there is one.
    pub(crate) fn poison(&self) -> Option<usize> {
        let entry = self.shared.poison.load(Ordering::Relaxed);
        (entry != NO_ENTRY).then_some(entry)
    }

    /// A rebuild begins where the shards end here.
    pub(crate) fn rebuild_begins(&self, ends: Vec<u64>) {
        *self
            .shared
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = ends;
    }
}
