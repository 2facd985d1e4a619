//! Saves the states of a projection while it follows the store, and opens those that are asked for.
//!
//! A snapshot is made of the one before and of the log, with a state of its own: the same events in
//! the same order give the same state. So the state in use is locked only to see how far it is, and
//! no shard waits for bytes to be made or written. The bytes of a small state are made under its
//! lock.

use std::time::Instant;

use super::files::Kept;
use super::folding::Folding;
use super::keep::Keep;
use super::live::LiveProjection;
use crate::Error;
use crate::follow::follower::{Follower, caught};
use crate::sync::locked;

pub(crate) fn run<S: Send + 'static>(live: &LiveProjection<S>) {
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
            open_if_asked_for(live, shard);
            // It is tried again when the next one is due.
            if let Err(reason) = caught(|| save_if_due(live, keep, shard, is_time)) {
                keep.note(Some(format!("the thread that makes it failed: {reason}")));
            }
        }
    }
}

fn open_if_asked_for<S: Send + 'static>(live: &LiveProjection<S>, shard: usize) {
    let is_wanted = {
        let state = locked(&live.shards[shard]);
        state.is_asked_for && !state.is_open
    };
    if is_wanted && !live.stops() {
        // Where it panics, whoever asks for the state opens it and sees why.
        let _ = caught(|| live.open(shard));
    }
}

fn save_if_due<S: Send + 'static>(
    live: &LiveProjection<S>,
    keep: &Keep<S>,
    shard: usize,
    is_time: bool,
) {
    // Held from the beginning, so that no snapshot is made of states that were replaced meanwhile.
    let Some(writing) = keep.files.writing() else {
        return;
    };
    let reader = &live.readers[shard];
    let encoded = match due(live, keep, shard, is_time) {
        Some(Due::Small(encoded)) => encoded,
        Some(Due::At(progress)) => match make(live, keep, shard, progress) {
            Some(beside) if beside.is_of_what_is_left(reader) => keep.encode(shard as u32, &beside),
            _ => return,
        },
        None => return,
    };
    let progress = encoded.as_ref().map(|kept| kept.progress).ok();
    // The state in use is whole whatever comes of this; only a restart would take longer.
    if keep.write(&writing, shard as u32, encoded).is_ok() {
        locked(&live.shards[shard]).saved = progress;
    }
}

/// What a snapshot is to be made of.
enum Due {
    /// The state.
    Small(Result<Kept, Error>),
    /// The log up to a position.
    At(u64),
}

fn due<S: Send + 'static>(
    live: &LiveProjection<S>,
    keep: &Keep<S>,
    shard: usize,
    is_time: bool,
) -> Option<Due> {
    let mut state = locked(&live.shards[shard]);
    if !(state.is_due(&keep.policy) || is_time && state.has_moved()) {
        return None;
    }
    let progress = state.mark();
    let folding = &state.follower.fold;
    // One that holds what was given up is made anew of the log.
    let is_copied = keep.is_small(folding) && folding.is_of_what_is_left(&live.readers[shard]);
    Some(match is_copied {
        true => Due::Small(keep.encode(shard as u32, folding)),
        false => Due::At(progress),
    })
}

/// The state of a shard at `progress`, from what is saved and the log; none where that can not be
/// had, or is not needed any more.
fn make<S: Send + 'static>(
    live: &LiveProjection<S>,
    keep: &Keep<S>,
    shard: usize,
    progress: u64,
) -> Option<Folding<S>> {
    let reader = &live.readers[shard];
    let before = keep.load(&live.definition, reader);
    let before = before.unwrap_or_else(|| Folding::empty(&live.definition));
    let mut beside = Follower::new(before);
    beside.catch_up_while(reader, progress, live.wanted(), |_| !live.stops());
    if live.stops() {
        return None;
    }
    match beside.failure {
        None => Some(beside.fold),
        Some(failure) => {
            keep.note(Some(failure));
            None
        }
    }
}
