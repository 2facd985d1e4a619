//! Which rows of a block are shown to those who fold all events of a shard.

use std::ops::Range;
use std::sync::Arc;

use eventcask_event::Events;
use eventcask_shard::{Retired, ShardReader};

/// Position after the last durable event of a shard, and what readers are not shown of what is before it.
pub(crate) fn durable(reader: &ShardReader) -> (u64, Arc<Retired>) {
    let published = reader.published();
    (published.watermark, Arc::clone(&published.hidden))
}

/// The first row of a block at a position or after it.
pub(crate) fn row_from(events: &Events<'_>, position: u64) -> usize {
    // Mostly it is the first: only segments that were written anew have blocks that were seen in part.
    let is_before = |row: &usize| events.position(*row) < position;
    (0..events.len()).take_while(is_before).count()
}

/// Adds the rows of a range that are not hidden, and are of these types where there are types.
pub(crate) fn add_shown<S: AsRef<str>>(
    rows: &mut Vec<u32>,
    events: &Events<'_>,
    range: Range<usize>,
    types: Option<&[S]>,
    hidden: &Retired,
) {
    match types {
        Some(names) => events.rows_of_types(range, &events.types_named(names), rows),
        None => rows.extend(range.map(|row| row as u32)),
    }
    if hidden.may_hide(events) {
        rows.retain(|row| !hidden.hides(events, *row as usize));
    }
}
