//! A projection as it was.
//!
//! The nearest snapshot that holds nothing later is taken up, or else an empty state, and what came after
//! it and not later than the moment is applied.

use std::sync::Arc;

use eventcask_event::{Events, route};
use eventcask_log::BlockPlace;
use eventcask_project::{Merge, Projection};
use eventcask_shard::ShardReader;

use super::folding::Folding;
use super::live::LiveProjection;
use crate::follow::follower::Follower;
use crate::follow::read_ahead;
use crate::read::visible::durable;
use crate::{AsOf, Error, parallel};

/// The states of a projection at a moment of the past. From [`crate::ProjectionHandle::as_of`].
pub struct ProjectionAsOf<P: Projection> {
    projection: Arc<P>,
    shards: Vec<Folding<P>>,
}

impl<P: Projection> std::fmt::Debug for ProjectionAsOf<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Past")
            .field("name", &P::NAME)
            .field("positions", &self.positions())
            .finish_non_exhaustive()
    }
}

/// Where a shard ended at the moment.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Position after the last event.
    position: u64,
    /// Nothing was committed later.
    time: i64,
}

impl End {
    /// How many rows of a block lie before it.
    fn rows_of(&self, at: &BlockPlace, events: &Events<'_>) -> usize {
        // Commit times rise with positions.
        if at.next_position <= self.position && at.last_commit <= self.time {
            return events.len();
        }
        let is_in = |row: &usize| {
            let time = events.commit_time(*row).as_nanos();
            events.position(*row) < self.position && time <= self.time
        };
        (0..events.len()).take_while(is_in).count()
    }
}

impl<P: Projection> ProjectionAsOf<P> {
    pub(crate) fn of(live: &LiveProjection<P>, as_of: AsOf) -> Result<Self, Error> {
        let end = match as_of {
            AsOf::Position(position) => End {
                position: position.saturating_add(1),
                time: i64::MAX,
            },
            AsOf::Time(time) => End {
                position: u64::MAX,
                time: time.as_nanos(),
            },
            AsOf::Version(_) => return Err(Error::AsOfVersion),
        };
        let shards = parallel::map_few(live.readers.len(), |shard| fill(live, shard, end));
        let shards: Result<Vec<_>, Error> = shards.into_iter().collect();
        Ok(Self {
            projection: Arc::clone(&live.projection),
            shards: shards?,
        })
    }

    /// The state of a shard.
    ///
    /// # Panics
    /// Where there is no such shard.
    #[must_use]
    pub fn state(&self, shard: u32) -> &P::State {
        &self.shards[shard as usize].state
    }

    /// The state of the shard that an aggregate belongs to.
    #[must_use]
    pub fn state_of(&self, key: &str) -> &P::State {
        self.state(route(key, self.shards.len() as u32))
    }

    /// Position after the last event that each state holds.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.shards.iter().map(|folding| folding.progress).collect()
    }

    /// The states of all shards as one.
    #[must_use]
    pub fn merged(&self) -> P::State
    where
        P: Merge,
    {
        let mut merged = P::State::default();
        for folding in &self.shards {
            self.projection.merge(&mut merged, &folding.state);
        }
        merged
    }
}

fn fill<P: Projection>(
    live: &LiveProjection<P>,
    shard: usize,
    end: End,
) -> Result<Folding<P>, Error> {
    let reader = &live.readers[shard];
    let (watermark, hidden) = durable(reader);
    let mut follower = Follower::new(begin(live, reader, end)?);
    let range = follower.fold.progress..end.position.min(watermark);
    read_ahead::each_block(reader, live.wanted(), range, |at, block| {
        let events = block.events();
        let rows = end.rows_of(at, &events);
        let take = |folding: &mut Folding<P>| folding.take_rows(block, rows, &hidden);
        follower.take_with(at.first_position, take) && rows == events.len()
    })?;
    match follower.failure {
        None => Ok(follower.fold),
        Some(reason) => Err(Error::ProjectionStopped {
            shard: shard as u32,
            reason,
        }),
    }
}

/// The snapshot, where it holds nothing later.
fn begin<P: Projection>(
    live: &LiveProjection<P>,
    reader: &ShardReader,
    end: End,
) -> Result<Folding<P>, Error> {
    let kept = live.keep.as_ref();
    let kept = kept.and_then(|keep| keep.load(&live.projection, reader));
    let before = match end.time.checked_add(1) {
        Some(time) => reader.end_before(time)?,
        None => u64::MAX,
    };
    let fits = |folding: &Folding<P>| folding.progress <= end.position.min(before);
    Ok(kept
        .filter(fits)
        .unwrap_or_else(|| Folding::empty(&live.projection)))
}
