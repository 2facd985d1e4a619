//! Saves and opens the states of views while the store is open, on threads of their own: no shard
//! waits for bytes to be made, written or read.
//!
//! A small state is copied under its lock, and the copy is saved. To copy a large one takes longer than
//! a batch does: its snapshot is made of the one before and of the log, as that of a projection.

use std::sync::Arc;

use eventcask_shard::ShardReader;

use crate::projection::views::{LiveView, ShardState, Views};
use crate::sync::locked;

/// A state with no more groups is copied in less time than a batch takes.
const COPIED_GROUPS: usize = 4096;

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
