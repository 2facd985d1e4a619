//! Saves the states of a projection while it follows the store.
//!
//! A snapshot is made of the one before and of the log, with a state of its own: the same events in the
//! same order give the same state. So the state in use is locked only to see how far it is, and no
//! shard waits for bytes to be made or written.

use std::time::Instant;

use eventcask_project::Projection;

use super::folding::Folding;
use super::keep::Keep;
use super::live::LiveProjection;
use crate::follow::follower::{Follower, caught};
use crate::sync::locked;

pub(crate) fn run<P: Projection>(live: &LiveProjection<P>) {
    let Some(keep) = &live.keep else {
        return;
    };
    let mut last = Instant::now();
    loop {
        let due = keep.policy.time.and_then(|time| last.checked_add(time));
        live.saver.wait(due);
        if live.stops() {
            return;
        }
        let is_time = keep.policy.time.is_some_and(|time| last.elapsed() >= time);
        if is_time {
            last = Instant::now();
        }
        for shard in 0..live.shards.len() {
            // It is tried again when the next one is due.
            if let Err(reason) = caught(|| save_if_due(live, keep, shard, is_time)) {
                keep.note(Some(format!("the thread that makes it failed: {reason}")));
            }
        }
    }
}

fn save_if_due<P: Projection>(
    live: &LiveProjection<P>,
    keep: &Keep<P>,
    shard: usize,
    is_time: bool,
) {
    let progress = {
        let mut state = locked(&live.shards[shard]);
        if !(state.is_due(&keep.policy) || is_time && state.has_moved()) {
            return;
        }
        state.mark()
    };
    let Some(writing) = keep.files.writing() else {
        return;
    };
    let reader = &live.readers[shard];
    let before = keep.load(&live.projection, reader);
    let before = before.unwrap_or_else(|| Folding::empty(&live.projection));
    let mut beside = Follower::new(before);
    beside.catch_up_while(reader, progress, live.wanted(), |_| !live.stops());
    if live.stops() {
        return;
    }
    if let Some(failure) = beside.failure {
        keep.note(Some(failure));
        return;
    }
    let given_up = reader.published().hidden.mark();
    if beside.fold.given_up.is_some_and(|then| then != given_up) {
        return;
    }
    // The state in use is whole whatever comes of this; only a restart would take longer.
    if keep.save(&writing, shard as u32, &beside.fold).is_ok() {
        locked(&live.shards[shard]).saved = Some(beside.fold.progress);
    }
}
