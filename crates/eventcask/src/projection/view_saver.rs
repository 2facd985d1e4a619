//! Saves and opens the states of views while the store is open, on threads of their own: no shard
//! waits for bytes to be made, written or read.
//!
//! A small state is copied under its lock, and the copy is saved. To copy a large one takes longer than
//! a batch does: its snapshot is made of the one before and of the log, as that of a projection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use eventcask_shard::ShardReader;

use crate::projection::views::{LiveView, ShardState, Views};
use crate::sync::locked;

/// A state with no more groups is copied in less time than a batch takes.
const COPIED_GROUPS: usize = 4096;

/// The threads that save and open.
#[derive(Debug, Default)]
pub(crate) struct Savers {
    threads: Mutex<Vec<JoinHandle<()>>>,
    stops: AtomicBool,
}

impl Savers {
    /// Runs such work on a thread of its own; not at all where the system gives none.
    pub(crate) fn start(&self, work: impl FnOnce() + Send + 'static) {
        let thread = Builder::new().name("eventcask-views".to_owned());
        let mut threads = locked(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.extend(thread.spawn(work).ok());
    }

    /// Returns once no thread works any more. Those that read the log to save give up.
    pub(crate) fn stop(&self) {
        // Relaxed: it says nothing about anything else, and who reads it too late only works in vain.
        self.stops.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *locked(&self.threads));
        for thread in threads {
            // A snapshot that failed is made by the next opening.
            let _ = thread.join();
        }
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}

impl Views {
    /// Saves what a view is in a shard right now, whose state the caller has locked.
    pub(crate) fn save_beside(
        self: &Arc<Self>,
        view: &Arc<LiveView>,
        reader: &Arc<ShardReader>,
        state: &ShardState,
    ) {
        let progress = state.state().progress();
        let is_small = state.state().len() <= COPIED_GROUPS;
        let copy = is_small.then(|| state.copy());
        let (views, view, reader) = (Arc::clone(self), Arc::clone(view), Arc::clone(reader));
        self.savers.start(move || {
            // Whoever makes, rebuilds or removes views saves and removes snapshots too.
            let _changing = locked(&views.changing);
            if !views.is_in_use(&view) {
                return;
            }
            let state = copy.or_else(|| views.state_at(&view, &reader, progress));
            // The state in use is whole whatever comes of this: only a restart would take longer.
            if let Some(mut state) = state
                && views.save_shard(&view, reader.shard(), &mut state).is_ok()
            {
                view.note_saved(reader.shard(), progress);
            }
        });
    }

    /// The state of a view in a shard at `progress`, from what is saved and the log; none where that can
    /// not be had, or is not needed any more.
    fn state_at(&self, view: &LiveView, reader: &ShardReader, progress: u64) -> Option<ShardState> {
        let mut state = self.load(view, reader);
        let goes_on = |_| !self.savers.stops();
        let follower = &mut state.follower;
        follower.catch_up_while(reader, progress, view.wanted(), goes_on);
        (state.failure().is_none() && !self.savers.stops()).then_some(state)
    }
}
