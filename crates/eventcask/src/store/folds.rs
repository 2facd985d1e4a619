//! The folds of a store, as its figures show them.

use std::sync::{Arc, Mutex, Weak};

use crate::sync::locked;

/// What folds keep in memory, for as long as somebody holds them.
#[derive(Default)]
pub(crate) struct Folds {
    kept: Mutex<Vec<Weak<dyn Counted>>>,
    /// Held while a snapshot is written: two of one aggregate would write the same file.
    pub(crate) saving: Arc<Mutex<()>>,
}

impl std::fmt::Debug for Folds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folds").finish_non_exhaustive()
    }
}

/// States in memory, whatever they are.
pub(crate) trait Counted: Send + Sync {
    fn stats(&self) -> FoldStats;
}

impl Folds {
    /// Shows one more, and none that nobody holds any more.
    pub(crate) fn add(&self, counted: Weak<dyn Counted>) {
        let mut kept = locked(&self.kept);
        kept.retain(|one| one.strong_count() > 0);
        kept.push(counted);
    }

    pub(crate) fn stats(&self) -> Vec<FoldStats> {
        let kept = locked(&self.kept).clone();
        let held = kept.iter().filter_map(Weak::upgrade);
        let mut stats: Vec<_> = held.map(|counted| counted.stats()).collect();
        stats.sort_by_key(|one| one.name);
        stats
    }
}

/// Figures of one fold over aggregates, see [`Repository`](crate::Repository).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldStats {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// States that are kept in memory.
    pub kept: u64,
    /// Bytes that they take, about.
    pub bytes: u64,
    /// Loads that were answered by a state in memory alone.
    pub hits: u64,
    /// Loads that had to read from the log, or to look whether there is something.
    pub misses: u64,
    /// Why the last snapshot could not be written, if it could not.
    pub snapshot_failure: Option<String>,
}
