//! What can be said of events that are to be stored together without looking at the store.

use std::collections::HashSet;

use eventcask_event::{EventBatch, Invalid, MAX_BATCH_TYPES, NewEvent, check_key};
use eventcask_log::MAX_SECTION_BYTES;

use crate::Error;

/// Bytes that the events of one append may have together: they share a block.
const MAX_APPEND_BYTES: usize = MAX_SECTION_BYTES as usize - (1 << 20);

/// Checks what is to be appended together, with payloads of up to `limit` bytes, and returns its
/// bytes.
pub(crate) fn check_append(
    key: &str,
    events: &[NewEvent<'_>],
    limit: usize,
) -> Result<usize, Error> {
    check_key(key)?;
    check_events(events.iter().map(|event| (key, event)), limit)
}

/// Checks events that are to be stored together, each with the key of its aggregate, and returns
/// their bytes.
pub(crate) fn check_events<'k, 'e, 'n: 'e>(
    rows: impl Iterator<Item = (&'k str, &'e NewEvent<'n>)> + Clone,
    limit: usize,
) -> Result<usize, Error> {
    let (mut bytes, mut count) = (0, 0);
    for (key, event) in rows.clone() {
        event.check(limit)?;
        bytes += EventBatch::row_bytes(key, event);
        count += 1;
    }
    if count == 0 {
        return Err(Invalid::AppendEmpty.into());
    }
    if count > MAX_BATCH_TYPES {
        let types =
            rows.map(|(_, event)| (event.event_type, event.schema, event.encoding, event.shape));
        let types: HashSet<_> = types.collect();
        if types.len() > MAX_BATCH_TYPES {
            return Err(Invalid::TooManyTypes.into());
        }
    }
    if bytes > MAX_APPEND_BYTES {
        return Err(Invalid::AppendTooLarge {
            bytes,
            limit: MAX_APPEND_BYTES,
        }
        .into());
    }
    Ok(bytes)
}
