//! The states of a projection as they were.
//!
//! The nearest snapshot that holds nothing later is taken up, or else an empty state, and what came
//! after it and not later than the moment is applied.

use eventcask_event::Events;
use eventcask_log::BlockPlace;
use eventcask_shard::ShardReader;

use super::folding::Folding;
use super::live::LiveProjection;
use crate::follow::cursor::ShardCursor;
use crate::follow::follower::Follower;
use crate::follow::read_ahead;
use crate::{AsOf, Error, parallel};

const NO_VERSION: &str = "only an aggregate has versions; a projection or a view is asked for as of a position or a time";

/// Where a shard ended at the moment.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Position after the last event.
    position: u64,
    /// Nothing was committed later.
    time: i64,
}

impl End {
    fn of(as_of: AsOf) -> Result<Self, Error> {
        let (position, time) = match as_of {
            AsOf::Position(position) => (position.saturating_add(1), i64::MAX),
            AsOf::Time(time) => (u64::MAX, time.as_nanos()),
            AsOf::Version(_) => return Err(Error::Unsupported(NO_VERSION)),
        };
        Ok(Self { position, time })
    }

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

/// The states of all shards at a moment.
///
/// # Errors
/// That there is no such moment, why the projection stopped on what is stored, damage, or what the
/// disk said.
pub(crate) fn states_as_of<S: Send + 'static>(
    live: &LiveProjection<S>,
    as_of: AsOf,
) -> Result<Vec<Folding<S>>, Error> {
    let end = End::of(as_of)?;
    let shards = parallel::map_few(live.readers.len(), |shard| fill(live, shard, end));
    shards.into_iter().collect()
}

fn fill<S: Send + 'static>(
    live: &LiveProjection<S>,
    shard: usize,
    end: End,
) -> Result<Folding<S>, Error> {
    let reader = &*live.readers[shard];
    let mut follower = Follower::new(begin(live, reader, end)?);
    let log = ShardCursor::new(reader, follower.fold.progress).until(end.position);
    read_ahead::each_block(&log, live.wanted(), |at, block| {
        let events = block.events();
        let rows = end.rows_of(at, &events);
        let take = |folding: &mut Folding<S>| folding.take_rows(block, rows, log.retired());
        follower.take_with(at.first_position, take) && rows == events.len()
    })?;
    match follower.failure {
        None => Ok(follower.fold),
        Some(reason) => Err(follower.fold.stopped(shard as u32, reason)),
    }
}

/// The snapshot, where it holds nothing later, and all that came before.
fn begin<S: Send + 'static>(
    live: &LiveProjection<S>,
    reader: &ShardReader,
    end: End,
) -> Result<Folding<S>, Error> {
    let kept = live.keep.as_ref();
    let kept = kept.and_then(|keep| keep.load(&live.definition, reader));
    let before = match end.time.checked_add(1) {
        Some(time) => reader.end_before(time)?,
        None => u64::MAX,
    };
    let fits = |folding: &Folding<S>| {
        folding.progress <= end.position.min(before) && folding.parked.is_empty()
    };
    Ok(kept
        .filter(fits)
        .unwrap_or_else(|| Folding::empty(&live.definition)))
}
