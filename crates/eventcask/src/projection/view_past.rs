//! A view as it was at a moment: nothing of it is kept, so it is made from the events.

use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_log::{Error as LogError, Payloads};
use eventcask_project::ViewState;
use eventcask_shard::ShardReader;

use crate::follow::read_ahead;
use crate::projection::views::{LiveView, Views};
use crate::read::visible::durable;
use crate::{Error, parallel};

/// The states of a view in all shards as of `time`.
///
/// # Errors
/// Damage, or what the disk said.
pub(crate) fn states_as_of(
    views: &Views,
    view: &LiveView,
    readers: &[Arc<ShardReader>],
    time: Timestamp,
) -> Result<Vec<ViewState>, Error> {
    let shards = parallel::map_few(readers.len(), |shard| {
        let reader = &readers[shard];
        let begin = begin(views, view, reader, time)?;
        up_to(begin, reader, view.wanted(), time)
    });
    let states: Result<_, LogError> = shards.into_iter().collect();
    Ok(states?)
}

/// The saved state of a shard, if nothing in it is from later; otherwise an empty one.
fn begin(
    views: &Views,
    view: &LiveView,
    reader: &ShardReader,
    time: Timestamp,
) -> Result<ViewState, LogError> {
    let saved = views.saved(view, reader);
    if let Some(last) = saved.progress().checked_sub(1)
        && let Some((_, block)) = reader.read_from(last, Payloads::Shut)?
    {
        let events = block.events();
        let is_before = |row| events.commit_time(row) <= time;
        if events.row_at(last).is_some_and(is_before) {
            return Ok(saved);
        }
    }
    Ok(ViewState::new(Arc::clone(&view.spec)))
}

/// Takes in what was committed from there on until `time`.
fn up_to(
    mut state: ViewState,
    reader: &ShardReader,
    want: Payloads<'_>,
    time: Timestamp,
) -> Result<ViewState, LogError> {
    let (watermark, hidden) = durable(reader);
    let range = state.progress()..watermark;
    read_ahead::each_block(reader, want, range, |at, block| {
        let is_in = at.first_commit <= time.as_nanos();
        if is_in {
            let events = block.events();
            let is_left_out =
                |row: usize| events.commit_time(row) > time || hidden.hides(&events, row);
            state.apply_unless(&events, is_left_out);
        }
        is_in
    })?;
    Ok(state)
}
