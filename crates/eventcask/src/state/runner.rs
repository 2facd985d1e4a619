//! Applies events behind the acknowledgement, on a thread of the projection's own.
//!
//! 1. What was there at the start is applied in all shards at once, on all cores, read ahead.
//! 2. Then each shard has its turn: blocks that it does not hold yet are read from the log, up to
//!    the limits of a batch, and applied together. A batch is full by its events or by its bytes.
//! 3. Where no shard has anything to apply it sleeps until something is stored, or until a batch
//!    that waits to be full has waited long enough.
//!
//! Nothing is queued for it: a projection that falls behind costs no memory and no shard waits.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventcask_log::{Block, Error};
use eventcask_shard::ShardReader;

use super::live::LiveProjection;
use super::policy::BatchLimits;
use super::shard_state::ShardState;
use crate::follow::cursor::ShardCursor;
use crate::follow::follower::{Follow, caught};
use crate::follow::read_ahead;
use crate::parallel;
use crate::sync::locked;

/// What a shard's turn came to.
enum Turn {
    Applied,
    /// There is nothing, or not enough yet for as long as this.
    Rest(Option<Duration>),
}

pub(crate) fn run<S: Send + 'static>(live: &LiveProjection<S>, limits: BatchLimits) {
    guarded(live, || {
        parallel::map_few(live.readers.len(), |shard| fill(live, shard));
    });
    let mut gathering = vec![Gathering::default(); live.readers.len()];
    while !live.stops() {
        guarded(live, || turn_all(live, &limits, &mut gathering));
    }
}

/// Stops all shards where something fails that is none of theirs. The thread goes on, for those
/// that are rebuilt.
fn guarded<S: Send + 'static>(live: &LiveProjection<S>, work: impl FnOnce()) {
    if let Err(reason) = caught(work) {
        let reason = format!("its thread failed: {reason}");
        for state in &live.shards {
            fail(live, state, &reason);
        }
    }
}

/// Stops a state, unless it has stopped already.
fn fail<S: Send + 'static>(live: &LiveProjection<S>, state: &Mutex<ShardState<S>>, reason: &str) {
    let mut state = locked(state);
    if state.follower.failure.is_none() {
        state.follower.fail(reason.to_owned());
    }
    let woken = live.moved(&mut state);
    drop(state);
    woken.wake();
}

/// Gives each shard its turn, and sleeps where none had anything to apply.
fn turn_all<S: Send + 'static>(
    live: &LiveProjection<S>,
    limits: &BatchLimits,
    gathering: &mut [Gathering],
) {
    let mut has_applied = false;
    let mut rest: Option<Duration> = None;
    for (shard, gathering) in gathering.iter_mut().enumerate() {
        match turn(live, shard, limits, gathering) {
            Turn::Applied => has_applied = true,
            Turn::Rest(time) => rest = rest.into_iter().chain(time).min(),
        }
    }
    if !has_applied {
        live.runner
            .wait(rest.and_then(|rest| Instant::now().checked_add(rest)));
    }
}

/// Applies what was there at the start in a shard, block by block: who asks meanwhile waits for
/// one.
fn fill<S: Send + 'static>(live: &LiveProjection<S>, shard: usize) {
    let (reader, state) = (&*live.readers[shard], &live.shards[shard]);
    let log = ShardCursor::new(reader, locked(state).progress());
    let read = read_ahead::each_block(&log, live.wanted(), |_, block| {
        let mut state = locked(state);
        let is_taken = state.follower.take(block, log.retired());
        let woken = live.moved(&mut state);
        drop(state);
        woken.wake();
        is_taken && !live.stops()
    });
    if let Err(error) = read {
        fail(live, state, &error.to_string());
    }
}

/// Applies a batch once it is full or has waited long enough.
fn turn<S: Send + 'static>(
    live: &LiveProjection<S>,
    shard: usize,
    limits: &BatchLimits,
    gathering: &mut Gathering,
) -> Turn {
    let (reader, time) = (&live.readers[shard], limits.time);
    let waiting = position(live, shard).map(|from| from..reader.published().watermark);
    let Some(waiting) = waiting.filter(|waiting| !waiting.is_empty()) else {
        *gathering = Gathering::default();
        return Turn::Rest(None);
    };
    if !time.is_zero() && !gathering.is_full(reader, waiting, limits) {
        let since = gathering.since.get_or_insert_with(Instant::now);
        let left = time.saturating_sub(since.elapsed());
        if !left.is_zero() {
            return Turn::Rest(Some(left));
        }
    }
    *gathering = Gathering::default();
    if apply_batch(live, shard, limits) {
        Turn::Applied
    } else {
        Turn::Rest(None)
    }
}

/// What waits in a shard for its batch to be full.
#[derive(Debug, Clone, Default)]
struct Gathering {
    /// When the first event was seen.
    since: Option<Instant>,
    /// Bytes of the blocks before this position.
    bytes: u64,
    counted_to: u64,
}

impl Gathering {
    /// Counts what is new; says whether that makes a batch. Looks at no more blocks than go into
    /// one.
    fn is_full(&mut self, reader: &ShardReader, waiting: Range<u64>, limits: &BatchLimits) -> bool {
        let from = self.counted_to.max(waiting.start);
        let mut places = ShardCursor::new(reader, from).until(waiting.end);
        while self.bytes < limits.bytes && !places.left().is_empty() {
            let Ok(Some(at)) = places.next_place() else {
                // Who applies it finds out why.
                return true;
            };
            self.bytes += u64::from(at.length);
        }
        self.counted_to = places.left().start;
        waiting.end - waiting.start >= limits.events || self.bytes >= limits.bytes
    }
}

/// How far a shard is; none where it has stopped.
fn position<S: Send + 'static>(live: &LiveProjection<S>, shard: usize) -> Option<u64> {
    let state = locked(&live.shards[shard]);
    let is_well = state.follower.failure.is_none();
    is_well.then(|| state.progress())
}

/// Reads and applies a batch of a shard; says whether there was one.
fn apply_batch<S: Send + 'static>(
    live: &LiveProjection<S>,
    shard: usize,
    limits: &BatchLimits,
) -> bool {
    let (reader, state) = (&*live.readers[shard], &live.shards[shard]);
    let Some(progress) = position(live, shard) else {
        return false;
    };
    let mut log = ShardCursor::new(reader, progress);
    let end = log.left().end;
    // Read without the state in hand: whoever asks meanwhile does not wait for the disk.
    let (blocks, error) = read_batch(live, &mut log, limits);
    let mut state = locked(state);
    for block in &blocks {
        if !state.follower.take(block, log.retired()) {
            break;
        }
    }
    match error {
        Some(error) if state.follower.failure.is_none() => state.follower.fail(error.to_string()),
        // The last events of the log are gone.
        None if blocks.is_empty() => state.follower.fold.pass(reader.shard(), end),
        _ => {}
    }
    let woken = live.moved(&mut state);
    let goes_on = !blocks.is_empty() && state.follower.failure.is_none();
    drop(state);
    woken.wake();
    goes_on
}

/// The blocks of a batch, and why there are not more where they could not be read.
fn read_batch<S: Send + 'static>(
    live: &LiveProjection<S>,
    log: &mut ShardCursor<&ShardReader>,
    limits: &BatchLimits,
) -> (Vec<Arc<Block>>, Option<Error>) {
    let (mut blocks, mut events, mut bytes) = (Vec::new(), 0, 0);
    while events < limits.events && bytes < limits.bytes {
        match log.next_read(live.wanted()) {
            Ok(Some((at, block))) => {
                events += u64::from(at.rows);
                bytes += u64::from(at.length);
                blocks.push(block);
            }
            Ok(None) => break,
            Err(error) => return (blocks, Some(error)),
        }
    }
    (blocks, None)
}
