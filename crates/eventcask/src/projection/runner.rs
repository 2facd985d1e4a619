//! Applies events behind the acknowledgement, on a thread of the projection's own.
//!
//! 1. What was there at the start is applied in all shards at once, on all cores, read ahead.
//! 2. Then each shard has its turn: blocks that it does not hold yet are read from the log, up to the
//!    limits of a batch, and applied together.
//! 3. Where no shard has anything to apply it sleeps until something is stored, or until a batch that
//!    waits to be full has waited long enough.
//!
//! Nothing is queued for it: a projection that falls behind costs no memory and no shard waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventcask_log::{Block, Error};
use eventcask_project::Projection;
use eventcask_shard::ShardReader;

use super::live::LiveProjection;
use crate::store::locked;
use crate::{parallel, read_ahead};

/// What a shard's turn came to.
enum Turn {
    Applied,
    /// There is nothing, or not enough yet for as long as this.
    Rest(Option<Duration>),
}

pub(crate) fn run<P: Projection>(live: &LiveProjection<P>) {
    parallel::map_few(live.readers.len(), |shard| fill(live, shard));
    let mut since = vec![None; live.readers.len()];
    while !live.stops() {
        let mut has_applied = false;
        let mut rest: Option<Duration> = None;
        for (shard, since) in since.iter_mut().enumerate() {
            match turn(live, shard, since) {
                Turn::Applied => has_applied = true,
                Turn::Rest(time) => rest = rest.into_iter().chain(time).min(),
            }
        }
        if !has_applied {
            live.runner.wait(rest);
        }
    }
}

/// Applies what was there at the start in a shard, block by block: who asks meanwhile waits for one.
fn fill<P: Projection>(live: &LiveProjection<P>, shard: usize) {
    let (reader, state) = (&*live.readers[shard], &live.shards[shard]);
    let (watermark, hidden) = {
        let published = reader.published();
        (published.watermark, Arc::clone(&published.hidden))
    };
    let range = locked(state).progress()..watermark;
    let read = read_ahead::each_block(reader, live.wanted(), range, |_, block| {
        let mut state = locked(state);
        let is_taken = state.follower.take(block, &hidden);
        let woken = live.moved(&mut state);
        drop(state);
        woken.wake();
        is_taken && !live.stops()
    });
    if let Err(error) = read {
        let mut state = locked(state);
        if state.follower.failure.is_none() {
            state.follower.fail(error.to_string());
        }
        let woken = live.moved(&mut state);
        drop(state);
        woken.wake();
    }
}

/// Applies a batch once it is full or has waited long enough; `since` is when its first event was seen.
fn turn<P: Projection>(
    live: &LiveProjection<P>,
    shard: usize,
    since: &mut Option<Instant>,
) -> Turn {
    let waiting = live.readers[shard].published().watermark;
    let waiting = waiting.saturating_sub(live.progress(shard as u32));
    if (1..live.limits.events).contains(&waiting) {
        let since = since.get_or_insert_with(Instant::now);
        let left = live.limits.time.saturating_sub(since.elapsed());
        if !left.is_zero() {
            return Turn::Rest(Some(left));
        }
    }
    *since = None;
    if waiting > 0 && apply_batch(live, shard) {
        Turn::Applied
    } else {
        Turn::Rest(None)
    }
}

/// Reads and applies a batch of a shard; says whether there was one.
fn apply_batch<P: Projection>(live: &LiveProjection<P>, shard: usize) -> bool {
    let (reader, state) = (&*live.readers[shard], &live.shards[shard]);
    let progress = {
        let state = locked(state);
        if state.follower.failure.is_some() {
            return false;
        }
        state.progress()
    };
    let hidden = Arc::clone(&reader.published().hidden);
    // Read without the state in hand: whoever asks meanwhile does not wait for the disk.
    let (blocks, error) = read_batch(live, reader, progress);
    let mut state = locked(state);
    for block in &blocks {
        if !state.follower.take(block, &hidden) {
            break;
        }
    }
    if let Some(error) = error
        && state.follower.failure.is_none()
    {
        state.follower.fail(error.to_string());
    }
    let woken = live.moved(&mut state);
    let goes_on = !blocks.is_empty() && state.follower.failure.is_none();
    drop(state);
    woken.wake();
    goes_on
}

/// The blocks of a batch, and why there are not more where they could not be read.
fn read_batch<P: Projection>(
    live: &LiveProjection<P>,
    reader: &ShardReader,
    from: u64,
) -> (Vec<Arc<Block>>, Option<Error>) {
    let (mut blocks, mut events, mut bytes) = (Vec::new(), 0, 0);
    let mut next = from;
    while events < live.limits.events && bytes < live.limits.bytes {
        match reader.read_open(next, live.wanted()) {
            Ok(Some((at, block))) => {
                next = at.next_position;
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
