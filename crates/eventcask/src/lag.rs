//! How far somebody is behind the log.

use eventcask_shard::ShardReader;

/// Durable events of a shard from a position on, and the age of the oldest of them in seconds.
pub(crate) fn lag(reader: &ShardReader, position: u64, now: i64) -> (u64, u64) {
    let events = reader.published().watermark.saturating_sub(position);
    let oldest = reader.place_from(position).ok().flatten();
    let nanos = oldest.map_or(0, |at| now.saturating_sub(at.first_commit));
    (events, (nanos.max(0) / 1_000_000_000).cast_unsigned())
}
