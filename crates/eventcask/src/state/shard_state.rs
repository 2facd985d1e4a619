//! The state of a projection in one shard, and all that must change together with it.

use std::sync::{Arc, Weak};

use eventcask_shard::ShardReader;

use super::definition::Definition;
use super::folding::Folding;
use super::keep::Keep;
use super::policy::SnapshotPolicy;
use crate::Error;
use crate::follow::follower::Follower;
use crate::follow::waiters::Waiters;
use crate::notices::{self, Who};

pub(crate) struct ShardState<S> {
    pub(crate) follower: Follower<Folding<S>>,
    /// Whether its snapshot was taken up; until then it is nothing.
    pub(crate) is_open: bool,
    /// Whether a thread was told to open it, since there are events that it must take in.
    pub(crate) is_asked_for: bool,
    pub(crate) waiters: Waiters,
    /// Progress and bytes as of the last snapshot, or when one was last tried.
    mark: (u64, u64),
    /// Progress of the snapshot on disk.
    pub(crate) saved: Option<u64>,
    /// Whether those who watch know that it has stopped.
    is_stop_told: bool,
}

impl<S: Send> ShardState<S> {
    /// One that is opened later.
    pub(crate) fn shut(definition: &Arc<Definition<S>>) -> Self {
        Self {
            follower: Follower::new(Folding::empty(definition)),
            is_open: false,
            is_asked_for: false,
            waiters: Waiters::default(),
            mark: (0, 0),
            saved: None,
            is_stop_told: false,
        }
    }

    /// The state from its snapshot, if there is one that fits; else one from the beginning.
    pub(crate) fn load(
        definition: &Arc<Definition<S>>,
        keep: Option<&Keep<S>>,
        reader: &Arc<ShardReader>,
    ) -> Self {
        let mut state = Self::shut(definition);
        if let Some(folding) = keep.and_then(|keep| keep.load(definition, reader)) {
            state.saved = Some(folding.progress);
            state.mark = (folding.progress, 0);
            state.follower.fold = folding;
        }
        state.is_open = true;
        state.follower.fold.live_from = reader.published().watermark;
        state.follower.who = Some(who(definition, reader));
        state
    }

    /// Puts an opened state in its place; who waits for it goes on waiting.
    pub(crate) fn open(&mut self, opened: Self) {
        let waiters = std::mem::take(&mut self.waiters);
        *self = Self { waiters, ..opened };
    }

    pub(crate) fn progress(&self) -> u64 {
        self.follower.fold.progress
    }

    /// Whether events were applied that no snapshot was made of yet.
    pub(crate) fn has_moved(&self) -> bool {
        self.progress() > self.mark.0 && self.follower.failure.is_none()
    }

    pub(crate) fn is_due(&self, policy: &SnapshotPolicy) -> bool {
        let (progress, bytes) = self.mark;
        self.has_moved()
            && (self.progress() - progress >= policy.events
                || self.follower.fold.bytes.saturating_sub(bytes) >= policy.bytes)
    }

    /// Notes that a snapshot is made of what is there, and tells how far that is.
    pub(crate) fn mark(&mut self) -> u64 {
        self.mark = (self.progress(), self.follower.fold.bytes);
        self.progress()
    }

    /// Tells those who watch that it is not what it was.
    pub(crate) fn tell_replaced(&mut self) {
        self.is_stop_told = self.follower.failure.is_some();
        let watches = &mut self.follower.fold.watches;
        watches.retain(|watch| watch.strong_count() > 0);
        for watch in watches.iter().filter_map(Weak::upgrade) {
            watch.replaced();
        }
    }

    /// Tells those who watch how far it is.
    pub(crate) fn tell_progress(&self, shard: u32) {
        let watches = &self.follower.fold.watches;
        for watch in watches.iter().filter_map(Weak::upgrade) {
            watch.reached(shard, self.progress());
        }
    }

    /// Tells those who watch, once, if it has stopped; says whether it has.
    pub(crate) fn tell_stopped(&mut self) -> bool {
        let is_stopped = self.follower.failure.is_some();
        if is_stopped && !self.is_stop_told {
            self.tell_replaced();
        }
        is_stopped
    }

    /// Tells the log of the program what was parked since.
    pub(crate) fn tell_parked(&mut self) {
        let Some(who) = &self.follower.who else {
            return;
        };
        for parked in self.follower.fold.parked.take_new() {
            let (shard, position) = (parked.shard, parked.position);
            notices::parked(who.kind.word(), &who.name, shard, position, &parked.reason);
        }
    }

    /// # Errors
    /// Why it stopped.
    pub(crate) fn check(&self, shard: u32) -> Result<(), Error> {
        match &self.follower.failure {
            None => Ok(()),
            Some(reason) => Err(self.follower.fold.stopped(shard, reason.clone())),
        }
    }
}

/// Who stops where a state in use fails.
pub(crate) fn who<S>(definition: &Definition<S>, reader: &Arc<ShardReader>) -> Who {
    Who {
        kind: definition.kind,
        name: definition.name.clone(),
        shard: Some(reader.shard()),
        behind: Some(Arc::clone(reader)),
    }
}
