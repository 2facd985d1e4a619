//! Rows that wait until it is known whether their file is the one that it was before.

use std::collections::VecDeque;

use eventcask::{NewEvent, Timestamp};

use crate::input::{Carried, Row};

/// Bytes of rows that may wait. Of the same file it is what was on its way when a run was killed:
/// some megabytes a shard.
const HELD_BYTES_MAX: usize = 1 << 30;

/// Rows in the order in which they came.
#[derive(Default)]
pub(super) struct Held {
    rows: VecDeque<HeldRow>,
    bytes: usize,
}

/// A row of its own.
pub(super) struct HeldRow {
    pub(super) ordinal: u64,
    pub(super) check: u64,
    pub(super) key: String,
    event_type: String,
    time: Option<Timestamp>,
    carried: Carried,
    payload: Vec<u8>,
}

impl Held {
    /// Keeps a row; says whether there was room for it.
    pub(super) fn add(&mut self, row: &Row<'_>) -> bool {
        let carried = row.carried.bytes();
        self.bytes += row.payload.len() + row.key.len() + carried + size_of::<HeldRow>();
        if self.bytes > HELD_BYTES_MAX {
            return false;
        }
        self.rows.push_back(HeldRow {
            ordinal: row.ordinal,
            check: row.check,
            key: row.key.to_string(),
            event_type: row.event_type.to_string(),
            time: row.time,
            carried: row.carried.clone(),
            payload: row.payload.to_vec(),
        });
        true
    }

    /// The first of the rows, which waits no longer.
    pub(super) fn take(&mut self) -> Option<HeldRow> {
        self.rows.pop_front()
    }
}

impl HeldRow {
    /// Lends the event.
    pub(super) fn with_event<T>(&self, take: impl FnOnce(&NewEvent<'_>) -> T) -> T {
        let mut event = NewEvent::json(&self.event_type, &self.payload);
        event.time = self.time;
        self.carried.with(event, take)
    }
}
