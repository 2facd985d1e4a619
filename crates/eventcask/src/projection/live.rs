//! A projection and its state in each shard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use eventcask_log::{Block, Error as LogError, Payloads};
use eventcask_project::Projection;
use eventcask_shard::ShardReader;

use super::folding::Folding;
use super::keep::Keep;
use super::policy::BatchLimits;
use super::projections::Live;
use super::watch::Watch;
use crate::bell::Bell;
use crate::clock::now_nanos;
use crate::follow::follower::{self, Follower};
use crate::follow::lag::lag;
use crate::follow::waiters::{Waiters, Woken};
use crate::notices::{Kind, Who};
use crate::projection::SnapshotPolicy;
use crate::stats::ProjectionStats;
use crate::sync::locked;
use crate::{Error, parallel};

/// A projection that follows a store.
pub(crate) struct LiveProjection<P: Projection> {
    pub(crate) projection: Arc<P>,
    pub(crate) is_sync: bool,
    pub(crate) limits: BatchLimits,
    /// Names of the event types that it is shown; none where it is shown all.
    types: Option<Vec<String>>,
    pub(crate) readers: Vec<Arc<ShardReader>>,
    pub(crate) shards: Vec<Mutex<ShardState<P>>>,
    pub(crate) keep: Option<Keep<P>>,
    /// Rings when there is something to apply behind the acknowledgement.
    pub(crate) runner: Bell,
    /// Rings when a snapshot is due.
    pub(crate) saver: Bell,
    stops: AtomicBool,
    /// Whether the store was closed before it began to follow it: nothing new will come.
    is_over: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A state in one shard, and all that must change together with it.
pub(crate) struct ShardState<P: Projection> {
    pub(crate) follower: Follower<Folding<P>>,
    pub(crate) waiters: Waiters,
    /// Progress and bytes as of the last snapshot, or when one was last tried.
    mark: (u64, u64),
    /// Progress of the snapshot on disk.
    pub(crate) saved: Option<u64>,
    /// Whether those who watch know that it has stopped.
    is_stop_told: bool,
}

impl<P: Projection> ShardState<P> {
    /// The state from its snapshot, if there is one that fits; else one from the beginning.
    fn load(projection: &Arc<P>, keep: Option<&Keep<P>>, reader: &Arc<ShardReader>) -> Self {
        let loaded = keep.and_then(|keep| keep.load(projection, reader));
        let saved = loaded.as_ref().map(|folding| folding.progress);
        let mut folding = loaded.unwrap_or_else(|| Folding::empty(projection));
        folding.live_from = reader.published().watermark;
        let mark = (folding.progress, 0);
        let mut follower = Follower::new(folding);
        follower.who = Some(Who {
            kind: Kind::Projection,
            name: P::NAME.to_owned(),
            shard: Some(reader.shard()),
            behind: Some(Arc::clone(reader)),
        });
        Self {
            mark,
            follower,
            waiters: Waiters::default(),
            saved,
            is_stop_told: false,
        }
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
    fn tell_stopped(&mut self) -> bool {
        let is_stopped = self.follower.failure.is_some();
        if is_stopped && !self.is_stop_told {
            self.tell_replaced();
        }
        is_stopped
    }

    /// # Errors
    /// Why it stopped.
    pub(crate) fn check(&self, shard: u32) -> Result<(), Error> {
        match &self.follower.failure {
            None => Ok(()),
            Some(reason) => Err(Error::ProjectionStopped {
                shard,
                reason: reason.clone(),
            }),
        }
    }
}

impl<P: Projection> LiveProjection<P> {
    /// Takes up the snapshots of all shards, several at a time.
    pub(crate) fn load(
        projection: P,
        is_sync: bool,
        limits: BatchLimits,
        keep: Option<Keep<P>>,
        readers: &[Arc<ShardReader>],
    ) -> Self {
        let projection = Arc::new(projection);
        let load = |shard: usize| ShardState::load(&projection, keep.as_ref(), &readers[shard]);
        let shards = parallel::map(readers.len(), load);
        let shards = shards.into_iter().map(Mutex::new).collect();
        Self {
            projection,
            is_sync,
            limits,
            types: P::TYPES.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            readers: readers.to_vec(),
            shards,
            keep,
            runner: Bell::default(),
            saver: Bell::default(),
            stops: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            threads: Mutex::default(),
        }
    }

    /// The payloads that it is shown.
    pub(crate) fn wanted(&self) -> Payloads<'_> {
        let types = self.types.as_deref();
        types.map_or(Payloads::All, Payloads::Types)
    }

    /// Fills all shards with what is durable now, before anybody else knows it.
    ///
    /// # Errors
    /// Why one of them stopped.
    pub(crate) fn fill(&self) -> Result<(), Error> {
        follower::on_all(&self.shards, &self.readers, |state, reader| {
            state.follower.fill(reader, self.wanted(), |_| true);
            // Nobody waits yet.
            let _ = self.moved(state);
        });
        let mut shards = (0..).zip(&self.shards);
        shards.try_for_each(|(shard, state)| locked(state).check(shard))
    }

    /// Starts a thread that works for it until it ends.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce(&Self) + Send + 'static,
    ) -> Result<(), Error> {
        let live = Arc::clone(self);
        let thread = std::thread::Builder::new().name(format!("eventcask-{name}"));
        let thread = thread.spawn(move || run(&live));
        let thread =
            thread.map_err(|error| LogError::io("start", "a thread of a projection", error))?;
        locked(&self.threads).push(thread);
        Ok(())
    }

    /// Runs `read` on the state of a shard; up to date, unless it is applied behind the
    /// acknowledgement.
    ///
    /// # Errors
    /// Why it stopped.
    pub(crate) fn read<T>(
        &self,
        shard: u32,
        read: impl FnOnce(&P::State) -> T,
    ) -> Result<T, Error> {
        let mut state = locked(&self.shards[shard as usize]);
        self.bring_up(shard, &mut state);
        state.check(shard)?;
        Ok(read(&state.follower.fold.state))
    }

    /// Brings a state up to date, unless that is left to the projection's own thread.
    pub(crate) fn bring_up(&self, shard: u32, state: &mut ShardState<P>) {
        if self.is_sync {
            let reader = &self.readers[shard as usize];
            state.follower.catch_up_all(reader, self.wanted());
            state.tell_stopped();
        }
    }

    /// Has all states tell someone how far they are, and what is applied from now on.
    pub(crate) fn watch(&self, watch: &Arc<dyn Watch<P>>) {
        for (shard, state) in (0..).zip(&self.shards) {
            let mut state = locked(state);
            watch.reached(shard, state.progress());
            let watches = &mut state.follower.fold.watches;
            watches.retain(|watch| watch.strong_count() > 0);
            watches.push(Arc::downgrade(watch));
        }
    }

    /// Tells those who care that a state has moved on; who waits for it is to be woken.
    pub(crate) fn moved(&self, state: &mut ShardState<P>) -> Woken {
        let woken = if state.tell_stopped() {
            state.waiters.all()
        } else {
            state.waiters.reached(state.follower.fold.progress)
        };
        if let Some(keep) = &self.keep
            && state.is_due(&keep.policy)
        {
            self.saver.ring();
        }
        woken
    }

    /// Position after the last event that was applied in a shard.
    pub(crate) fn progress(&self, shard: u32) -> u64 {
        locked(&self.shards[shard as usize]).progress()
    }

    pub(crate) fn stops(&self) -> bool {
        self.stops.load(Ordering::Acquire)
    }

    /// What those who wait for a position are told where it will not come to it.
    pub(crate) fn check_runs(&self, shard: u32, position: u64) -> Result<(), Error> {
        let is_past = || position >= self.readers[shard as usize].published().watermark;
        if self.stops() || self.is_over.load(Ordering::Acquire) && is_past() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Says that the store is closed: what is durable is applied, and nothing is written.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(keep) = &self.keep {
            keep.files.close();
        }
    }

    /// Ends its threads; everyone who waits is to be woken.
    fn stop(&self) -> Woken {
        self.stops.store(true, Ordering::Release);
        self.runner.ring();
        self.saver.ring();
        for thread in std::mem::take(&mut *locked(&self.threads)) {
            // Panics are caught in it, and told by the failures of the states.
            let _ = thread.join();
        }
        self.all_waiters()
    }

    fn all_waiters(&self) -> Woken {
        let mut woken = Woken::default();
        for shard in &self.shards {
            woken.and(locked(shard).waiters.all());
        }
        woken
    }

    /// Saves the states that have moved on; the first error counts.
    fn save(&self) -> Result<(), Error> {
        let Some(keep) = &self.keep else {
            return Ok(());
        };
        let Some(writing) = keep.files.writing() else {
            return Ok(());
        };
        let mut result = Ok(());
        for (shard, state) in self.shards.iter().enumerate() {
            let mut state = locked(state);
            let progress = state.progress();
            // What was given up since may be in it: the next start fills it anew.
            let given_up = self.readers[shard].published().hidden.mark();
            let given_up_then = state.follower.fold.given_up;
            let is_derived = given_up_then.is_none_or(|then| then == given_up);
            if state.follower.failure.is_none() && is_derived && state.saved != Some(progress) {
                let saved = keep.save(&writing, shard as u32, &state.follower.fold);
                if saved.is_ok() {
                    state.saved = Some(progress);
                    state.mark();
                }
                result = result.and(saved);
            }
        }
        result
    }
}

impl<P: Projection> Live for LiveProjection<P> {
    fn follow(&self, reader: &ShardReader, block: &Block) -> Woken {
        if !self.is_sync {
            self.runner.ring();
            return Woken::default();
        }
        let mut state = locked(&self.shards[reader.shard() as usize]);
        state.follower.follow(reader, block, self.wanted());
        self.moved(&mut state)
    }

    fn refresh(&self) {
        self.runner.ring();
        if self.is_sync {
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

    fn stats(&self) -> ProjectionStats {
        let now = now_nanos();
        let mut stats = ProjectionStats {
            name: P::NAME,
            version: P::VERSION,
            is_sync: self.is_sync,
            positions: Vec::new(),
            lag_events: 0,
            lag_seconds: 0,
            failure: None,
            snapshot_positions: Vec::new(),
            snapshot_failure: self.keep.as_ref().and_then(Keep::failure),
        };
        for (shard, state) in self.shards.iter().enumerate() {
            let state = locked(state);
            let (progress, saved) = (state.progress(), state.saved);
            let stopped = state.check(shard as u32).err();
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
}
