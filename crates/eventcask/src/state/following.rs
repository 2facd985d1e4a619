//! How a projection follows the store, and how it is waited for.

use std::task::{Poll, Waker};

use eventcask_event::Place;
use eventcask_log::Block;
use eventcask_shard::ShardReader;

use super::keep::Keep;
use super::live::LiveProjection;
use super::projections::Live;
use super::saver;
use super::shard_state::ShardState;
use crate::Error;
use crate::clock::now_nanos;
use crate::follow::reached::Follows;
use crate::follow::waiters::Woken;
use crate::lag::lag;
use crate::stats::ProjectionStats;
use crate::sync::locked;

impl<S: Send + 'static> Live for LiveProjection<S> {
    fn follow(&self, reader: &ShardReader, block: &Block) -> Woken {
        if !self.is_sync() {
            self.runner.ring();
            return Woken::default();
        }
        self.start_saver();
        let mut state = locked(&self.shards[reader.shard() as usize]);
        if !state.is_open {
            self.ask_for(&mut state);
            return Woken::default();
        }
        state.follower.follow(reader, block, self.wanted());
        self.moved(&mut state)
    }

    fn refresh(&self) {
        self.runner.ring();
        if self.is_sync() {
            // It is applied when it is asked for.
            self.shards
                .iter()
                .for_each(|shard| locked(shard).tell_replaced());
        }
        self.all_waiters().wake();
    }

    fn close(&self, woken: &mut Woken) -> Result<(), Error> {
        woken.and(self.stop());
        let saved = self.save();
        if let Some(keep) = &self.keep {
            keep.files.close();
        }
        saved
    }

    fn settle(&self) {
        if let Some(keep) = &self.keep {
            drop(keep.files.writing());
        }
    }

    fn stats(&self) -> Option<ProjectionStats> {
        let version = self.definition.version?;
        Some(self.stats_of(version))
    }
}

impl<S: Send + 'static> LiveProjection<S> {
    /// Figures of a projection with this version.
    pub(crate) fn stats_of(&self, version: u32) -> ProjectionStats {
        let now = now_nanos();
        let mut stats = ProjectionStats {
            name: self.definition.name.clone(),
            version,
            is_sync: self.is_sync(),
            positions: Vec::new(),
            lag_events: 0,
            lag_seconds: 0,
            parked: 0,
            failure: None,
            snapshot_positions: Vec::new(),
            snapshot_failure: self.keep.as_ref().and_then(Keep::failure),
        };
        for (shard, state) in self.shards.iter().enumerate() {
            let state = locked(state);
            let (progress, saved) = (state.progress(), state.saved);
            let stopped = state.check(shard as u32).err();
            stats.parked += state.follower.fold.parked.len() as u64;
            drop(state);
            let (events, seconds) = lag(&self.readers[shard], progress, now);
            stats.positions.push(progress);
            stats.snapshot_positions.push(saved);
            stats.lag_events += events;
            stats.lag_seconds = stats.lag_seconds.max(seconds);
            stats.failure = stats.failure.or(stopped.map(|error| error.to_string()));
        }
        stats
    }

    /// Starts the thread that saves its states. Where the system gives none, they are saved when
    /// the store is closed, and opened by whoever asks for them.
    pub(crate) fn start_saver(&self) {
        if self.wants_saver() {
            let _ = self.spawn("snapshot", saver::run);
        }
    }

    /// Has a thread open a state, since there are events that it must take in: the shard does not
    /// wait for it.
    fn ask_for(&self, state: &mut ShardState<S>) {
        if !std::mem::replace(&mut state.is_asked_for, true) {
            self.saver.ring();
        }
    }
}

impl<S: Send + 'static> Follows for LiveProjection<S> {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn progress(&self, shard: u32) -> Option<u64> {
        let state = self.shards.get(shard as usize)?;
        Some(locked(state).progress())
    }

    fn look(
        &self,
        place: Place,
        number: &mut Option<u64>,
        waker: &Waker,
    ) -> Poll<Result<u64, Error>> {
        let Place { shard, position } = place;
        let mut state = self.state(shard);
        if state.progress() > position {
            return Poll::Ready(Ok(state.progress()));
        }
        // It ends before those who wait are told, so nobody begins to wait after that.
        let runs = || self.check_runs(shard, position);
        if let Err(error) = state.check(shard).and_then(|()| runs()) {
            return Poll::Ready(Err(error));
        }
        state.waiters.add(number, position, waker);
        Poll::Pending
    }

    fn forget(&self, shard: u32, number: u64) {
        locked(&self.shards[shard as usize]).waiters.remove(number);
    }
}
