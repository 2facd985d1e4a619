//! Fills the states of a projection anew, beside those in use, then puts them in their place.
//!
//! 1. All shards are filled from the log, several at a time, without a lock on anything in use.
//! 2. The new states are saved: a snapshot of those that are replaced would bring them back. Where
//!    that fails such a snapshot is removed.
//! 3. What came meanwhile is applied, some times, until little is left.
//! 4. With all shards held, that is applied too, and the new states are swapped for those in use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use eventcask_log::{Error as LogError, ErrorKind as LogErrorKind};

use super::files::Writing;
use super::folding::Folding;
use super::keep::Keep;
use super::live::LiveProjection;
use super::shard_state::who;
use crate::follow::follower::{self, Follower};
use crate::follow::waiters::Woken;
use crate::notices;
use crate::sync::locked;
use crate::{Error, parallel};

/// Rounds of applying what came meanwhile. Each leaves what came while it ran, a small part of what
/// the one before left, unless events come faster than they can be applied.
const ROUNDS: usize = 4;

/// States of a projection or a view that are being filled anew. From
/// [`ProjectionHandle::rebuild`](crate::ProjectionHandle::rebuild) and
/// [`View::rebuild`](crate::View::rebuild).
///
/// Dropping it cancels what is not done.
#[derive(Debug)]
#[must_use = "dropping it cancels what is not done"]
pub struct Rebuild {
    filling: Arc<Filling>,
    thread: Option<JoinHandle<Result<Option<Vec<u64>>, Error>>>,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuildProgress {
    /// Events that were read.
    pub events_done: u64,
    /// Events that there were when it began.
    pub events: u64,
}

#[derive(Debug)]
struct Filling {
    done: AtomicU64,
    events: u64,
    is_cancelled: AtomicBool,
}

/// A state of a shard that is not in use yet.
type Beside<S> = Follower<Folding<S>>;

impl Rebuild {
    pub(crate) fn start<S: Send + 'static>(live: &Arc<LiveProjection<S>>) -> Result<Self, Error> {
        let ends = live
            .readers
            .iter()
            .map(|reader| reader.published().watermark);
        let filling = Arc::new(Filling {
            done: AtomicU64::new(0),
            events: ends.sum(),
            is_cancelled: AtomicBool::new(false),
        });
        let (its, shared) = (Arc::clone(live), Arc::clone(&filling));
        let thread = std::thread::Builder::new().name("eventcask-rebuild".to_owned());
        let thread = thread.spawn(move || tell(&its, run(&its, &shared)));
        let thread =
            thread.map_err(|error| LogError::io("start", "a thread of a projection", error))?;
        notices::rebuild(live.definition.kind, &live.definition.name, "has started");
        Ok(Self {
            filling,
            thread: Some(thread),
        })
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> RebuildProgress {
        RebuildProgress {
            events_done: self.filling.done.load(Ordering::Relaxed),
            events: self.filling.events,
        }
    }

    /// Ends it soon, unless the new states are in use already; those before stay in use.
    pub fn cancel(&self) {
        self.filling.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Waits until the new states are in use: the position of each shard at which they took the
    /// place of those before. `None` where it was cancelled, or the projection ended first.
    ///
    /// # Errors
    /// [`Error::Stopped`] where the projection fails on what is stored, damage, or what
    /// the disk said. The states before stay in use.
    pub fn wait(mut self) -> Result<Option<Vec<u64>>, Error> {
        let Some(thread) = self.thread.take() else {
            return Ok(None);
        };
        let failed = |_| LogError::new(LogErrorKind::Io, "the thread of a rebuild failed");
        thread.join().map_err(failed)?
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        self.cancel();
        if let Some(thread) = self.thread.take() {
            // Who drops it does not care how it ends.
            let _ = thread.join();
        }
    }
}

/// Tells how it ended.
fn tell<S>(
    live: &LiveProjection<S>,
    ended: Result<Option<Vec<u64>>, Error>,
) -> Result<Option<Vec<u64>>, Error> {
    let what = match &ended {
        Ok(Some(positions)) => &format!("was swapped in at positions {positions:?}"),
        Ok(None) => "was cancelled",
        Err(error) => &format!("has failed: {error}"),
    };
    notices::rebuild(live.definition.kind, &live.definition.name, what);
    ended
}

fn run<S: Send + 'static>(
    live: &LiveProjection<S>,
    filling: &Filling,
) -> Result<Option<Vec<u64>>, Error> {
    let goes_on = || !live.stops() && !filling.is_cancelled.load(Ordering::Relaxed);
    let fill = |shard| fill(live, shard, filling, &goes_on);
    let filled = parallel::map_few(live.readers.len(), fill);
    if !goes_on() {
        return Ok(None);
    }
    check(&filled)?;
    swap(live, filled, &goes_on)
}

fn fill<S: Send + 'static>(
    live: &LiveProjection<S>,
    shard: usize,
    filling: &Filling,
    goes_on: &(impl Fn() -> bool + Sync),
) -> Beside<S> {
    let mut beside = Follower::new(Folding::empty(&live.definition));
    let mut counted = 0;
    beside.fill(&live.readers[shard], live.wanted(), |next| {
        filling.done.fetch_add(next - counted, Ordering::Relaxed);
        counted = next;
        goes_on()
    });
    beside
}

fn check<S: Send + 'static>(filled: &[Beside<S>]) -> Result<(), Error> {
    for (shard, beside) in (0..).zip(filled) {
        if let Some(reason) = beside.failure.clone() {
            return Err(beside.fold.stopped(shard, reason));
        }
    }
    Ok(())
}

fn swap<S: Send + 'static>(
    live: &LiveProjection<S>,
    filled: Vec<Beside<S>>,
    goes_on: &(impl Fn() -> bool + Sync),
) -> Result<Option<Vec<u64>>, Error> {
    // Held to the end, so that no snapshot is made of the states before.
    let writing = live.keep.as_ref().and_then(|keep| keep.files.writing());
    if live.stops() {
        return Ok(None);
    }
    if let (Some(keep), Some(writing)) = (&live.keep, &writing) {
        save(live, keep, writing, &filled)?;
    }
    let mut filled = catch_up(live, filled, goes_on);
    if !goes_on() {
        return Ok(None);
    }
    let mut states: Vec<_> = live.shards.iter().map(locked).collect();
    for (beside, reader) in filled.iter_mut().zip(&live.readers) {
        beside.catch_up_all(reader, live.wanted());
    }
    check(&filled)?;
    let positions = filled.iter().map(|beside| beside.fold.progress).collect();
    let mut woken = Woken::default();
    for ((shard, state), beside) in (0..).zip(&mut states).zip(&mut filled) {
        beside.fold.watches = std::mem::take(&mut state.follower.fold.watches);
        beside.fold.live_from = beside.fold.progress;
        beside.who = Some(who(&live.definition, &live.readers[shard as usize]));
        std::mem::swap(&mut state.follower, beside);
        state.is_open = true;
        state.tell_replaced();
        state.tell_progress(shard);
        state.mark();
        woken.and(live.moved(state));
    }
    drop(states);
    woken.wake();
    // Those before are dropped here, where nobody waits for it.
    drop(filled);
    Ok(Some(positions))
}

/// Saves the new states in the place of those before.
///
/// # Errors
/// What the disk said, where the one before can not be removed.
fn save<S: Send + 'static>(
    live: &LiveProjection<S>,
    keep: &Keep<S>,
    writing: &Writing<'_>,
    filled: &[Beside<S>],
) -> Result<(), Error> {
    for ((state, reader), beside) in live.shards.iter().zip(&live.readers).zip(filled) {
        let saved = keep.replace(writing, reader, &beside.fold)?;
        locked(state).saved = saved;
    }
    Ok(())
}

/// Applies what came meanwhile, without a lock on anything in use.
fn catch_up<S: Send + 'static>(
    live: &LiveProjection<S>,
    filled: Vec<Beside<S>>,
    goes_on: &(impl Fn() -> bool + Sync),
) -> Vec<Beside<S>> {
    let filled: Vec<_> = filled.into_iter().map(Mutex::new).collect();
    for _ in 0..ROUNDS {
        follower::on_all(&filled, &live.readers, |beside, reader| {
            beside.fill(reader, live.wanted(), |_| goes_on());
        });
    }
    let unlocked =
        |beside: Mutex<Beside<S>>| beside.into_inner().unwrap_or_else(PoisonError::into_inner);
    filled.into_iter().map(unlocked).collect()
}
