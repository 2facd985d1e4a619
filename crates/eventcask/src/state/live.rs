//! A projection and its state in each shard.
//!
//! The states of a projection are taken up when it starts. Those of a view are opened by whoever
//! needs them first: who asks for them, or the first event that they must take in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;

use eventcask_log::{Error as LogError, Payloads};
use eventcask_shard::ShardReader;

use super::definition::Definition;
use super::keep::Keep;
use super::policy::BatchLimits;
use super::shard_state::ShardState;
use super::watch::Watch;
use crate::bell::Bell;
use crate::follow::follower;
use crate::follow::waiters::Woken;
use crate::named::Named;
use crate::sync::locked;
use crate::{Error, parallel};

/// A projection that follows a store.
pub(crate) struct LiveProjection<S> {
    pub(crate) definition: Arc<Definition<S>>,
    /// How much is applied at once behind the acknowledgement; none where it is applied before
    /// that.
    pub(crate) limits: Option<BatchLimits>,
    pub(crate) readers: Vec<Arc<ShardReader>>,
    pub(crate) shards: Vec<Mutex<ShardState<S>>>,
    /// Held while a state is opened: so that one thread does it, and the state is free meanwhile.
    opening: Vec<Mutex<()>>,
    pub(crate) keep: Option<Keep<S>>,
    /// Rings when there is something to apply behind the acknowledgement.
    pub(crate) runner: Bell,
    /// Rings when a snapshot is due, or a state is to be opened.
    pub(crate) saver: Bell,
    has_saver: AtomicBool,
    stops: AtomicBool,
    /// Whether the store was closed before it began to follow it: nothing new will come.
    is_over: AtomicBool,
    /// Whether it was removed from the store.
    is_removed: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// For its threads.
    this: Weak<Self>,
}

impl<S: Send + 'static> LiveProjection<S> {
    /// The shard of an aggregate.
    pub(crate) fn shard_of(&self, key: &str) -> u32 {
        self.readers[0].dir().routing().shard_of(key)
    }

    /// One whose states are opened later.
    pub(crate) fn new(
        definition: Definition<S>,
        limits: Option<BatchLimits>,
        keep: Option<Keep<S>>,
        readers: &[Arc<ShardReader>],
    ) -> Arc<Self> {
        let definition = Arc::new(definition);
        let shut = readers.iter().map(|_| ShardState::shut(&definition));
        let shards = shut.map(Mutex::new).collect();
        Arc::new_cyclic(|this| Self {
            definition,
            limits,
            readers: readers.to_vec(),
            shards,
            opening: readers.iter().map(|_| Mutex::default()).collect(),
            keep,
            runner: Bell::default(),
            saver: Bell::default(),
            has_saver: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_removed: AtomicBool::new(false),
            threads: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    /// Takes up the snapshots of all shards, several at a time.
    pub(crate) fn load(&self) {
        parallel::map(self.shards.len(), |shard| {
            let opened = self.load_shard(shard);
            locked(&self.shards[shard]).open(opened);
        });
    }

    fn load_shard(&self, shard: usize) -> ShardState<S> {
        ShardState::load(&self.definition, self.keep.as_ref(), &self.readers[shard])
    }

    /// Whether events are applied before their appends are answered.
    pub(crate) fn is_sync(&self) -> bool {
        self.limits.is_none()
    }

    /// The payloads that it is shown.
    pub(crate) fn wanted(&self) -> Payloads<'_> {
        self.definition.filter.payloads()
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
        &self,
        name: &str,
        run: impl FnOnce(&Self) + Send + 'static,
    ) -> Result<(), Error> {
        let Some(live) = self.this.upgrade() else {
            return Ok(());
        };
        let thread = std::thread::Builder::new().name(format!("eventcask-{name}"));
        let thread = thread.spawn(move || run(&live));
        let thread =
            thread.map_err(|error| LogError::io("start", "a thread of a projection", error))?;
        locked(&self.threads).push(thread);
        Ok(())
    }

    /// Whether it has no thread yet that saves its states and is to have one. Says so once.
    pub(crate) fn wants_saver(&self) -> bool {
        // Relaxed: it says nothing about anything else.
        self.keep.is_some()
            && !self.has_saver.load(Ordering::Relaxed)
            && !self.has_saver.swap(true, Ordering::Relaxed)
    }

    /// Opens the state of a shard, unless it is open, and applies what is there. Not on a thread of
    /// the pool: one that waits for the pool may begin other work, which might want the state as
    /// well.
    pub(crate) fn open(&self, shard: usize) {
        let _opening = locked(&self.opening[shard]);
        if locked(&self.shards[shard]).is_open {
            return;
        }
        let reader = &self.readers[shard];
        let mut opened = self.load_shard(shard);
        opened.follower.fill(reader, self.wanted(), |_| true);
        let mut state = locked(&self.shards[shard]);
        if state.is_open {
            // A rebuild was quicker.
            return;
        }
        state.open(opened);
        // While it was opened, blocks may have come that it was not told of.
        state.follower.catch_up_all(reader, self.wanted());
        let woken = self.moved(&mut state);
        drop(state);
        woken.wake();
    }

    /// The state of a shard, opened, and up to date unless that is left to the projection's own
    /// thread.
    pub(crate) fn state(&self, shard: u32) -> MutexGuard<'_, ShardState<S>> {
        let mut state = locked(&self.shards[shard as usize]);
        if !state.is_open {
            drop(state);
            self.open(shard as usize);
            state = locked(&self.shards[shard as usize]);
        }
        if self.is_sync() {
            let reader = &self.readers[shard as usize];
            state.follower.catch_up_all(reader, self.wanted());
            state.tell_stopped();
        }
        state
    }

    /// The states of all shards, as [`state`](Self::state), which nobody changes as long as they
    /// are held.
    pub(crate) fn states(&self) -> Vec<MutexGuard<'_, ShardState<S>>> {
        let is_shut = |shard: &usize| !locked(&self.shards[*shard]).is_open;
        let shut: Vec<usize> = (0..self.shards.len()).filter(is_shut).collect();
        parallel::each_on_threads(shut.len(), |index| self.open(shut[index]));
        parallel::map_few(self.shards.len(), |shard| drop(self.state(shard as u32)));
        self.shards.iter().map(locked).collect()
    }

    /// Runs `read` on the state of a shard.
    ///
    /// # Errors
    /// Why it stopped.
    pub(crate) fn read<T>(&self, shard: u32, read: impl FnOnce(&S) -> T) -> Result<T, Error> {
        let state = self.state(shard);
        state.check(shard)?;
        Ok(read(&state.follower.fold.state))
    }

    /// Has all states tell someone how far they are, and what is applied from now on.
    pub(crate) fn watch(&self, watch: &Arc<dyn Watch<S>>) {
        for (shard, state) in (0..).zip(&self.shards) {
            let mut state = locked(state);
            watch.reached(shard, state.progress());
            let watches = &mut state.follower.fold.watches;
            watches.retain(|watch| watch.strong_count() > 0);
            watches.push(Arc::downgrade(watch));
        }
    }

    /// Tells those who care that a state has moved on; who waits for it is to be woken.
    pub(crate) fn moved(&self, state: &mut ShardState<S>) -> Woken {
        let woken = if state.tell_stopped() {
            state.waiters.all()
        } else {
            state.waiters.reached(state.follower.fold.progress)
        };
        state.tell_parked();
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
        if self.is_removed.load(Ordering::Acquire) {
            let name = self.definition.name.clone();
            let what = Named::View;
            return Err(Error::NotFound { what, name });
        }
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

    /// Ends it for ever: nothing is written, and who waits for it hears that it is gone.
    ///
    /// # Errors
    /// What the disk said when what is kept of it was removed.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        self.is_removed.store(true, Ordering::Release);
        self.stop().wake();
        self.end();
        match &self.keep {
            Some(keep) => Ok(keep.files.remove()?),
            None => Ok(()),
        }
    }

    /// Ends its threads; everyone who waits is to be woken.
    pub(crate) fn stop(&self) -> Woken {
        self.stops.store(true, Ordering::Release);
        self.runner.ring();
        self.saver.ring();
        for thread in std::mem::take(&mut *locked(&self.threads)) {
            // Panics are caught in it, and told by the failures of the states.
            let _ = thread.join();
        }
        self.all_waiters()
    }

    pub(crate) fn all_waiters(&self) -> Woken {
        let mut woken = Woken::default();
        for shard in &self.shards {
            woken.and(locked(shard).waiters.all());
        }
        woken
    }

    /// Whether a state in memory may hold events that were given up since.
    pub(crate) fn holds_given_up(&self) -> bool {
        let mut states = self.shards.iter().zip(&self.readers);
        states.any(|(state, reader)| !locked(state).follower.fold.is_of_what_is_left(reader))
    }

    /// Opens the states that are shut though there are events that they must take in.
    fn open_asked_for(&self) {
        for (shard, state) in self.shards.iter().enumerate() {
            let is_asked_for = locked(state).is_asked_for;
            if is_asked_for {
                self.open(shard);
            }
        }
    }

    /// Saves the states that have moved on; the first error counts.
    pub(crate) fn save(&self) -> Result<(), Error> {
        let Some(keep) = &self.keep else {
            return Ok(());
        };
        self.open_asked_for();
        let Some(writing) = keep.files.writing() else {
            return Ok(());
        };
        let mut result = Ok(());
        for (shard, state) in self.shards.iter().enumerate() {
            let mut state = locked(state);
            if !state.is_open {
                continue;
            }
            let progress = state.progress();
            let fold = &state.follower.fold;
            // What was given up since may be in it: the next start fills it anew.
            let may_be_kept =
                state.follower.failure.is_none() && fold.is_of_what_is_left(&self.readers[shard]);
            if may_be_kept && state.saved != Some(progress) {
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
