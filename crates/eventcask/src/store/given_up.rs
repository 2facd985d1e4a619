//! What of a shard was given up by now, and what becomes of it where a segment is written anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use eventcask_event::{Events, TRUNCATED_TYPE, erased_id_of, erased_key};
use eventcask_log::{Error, Fate, Payloads};
use eventcask_shard::{Retired, SegmentSpan, ShardReader};

use crate::follow::cursor::{ShardCursor, row_from};

/// What was given up of one shard at a moment.
pub(crate) struct GivenUp {
    reader: Arc<ShardReader>,
    retired: Arc<Retired>,
    /// Events from this position on may be lost with the power: they stand in for nothing.
    durable_to: u64,
    /// Keys that were erased, the key that took the place of each, and its first version that is
    /// left.
    erased: RefCell<BTreeMap<String, (String, u64)>>,
}

/// What a segment holds of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) events: u64,
    pub(crate) payload_bytes: u64,
    /// Events that give others up, and are to go or to lose their key.
    pub(crate) truncations: u64,
}

impl Found {
    pub(crate) fn is_nothing(&self) -> bool {
        self.events + self.truncations == 0
    }
}

impl GivenUp {
    /// What was given up by now of a shard. All that is visible must be durable, or be made so
    /// before anything is taken out.
    pub(crate) fn now(reader: &Arc<ShardReader>) -> Self {
        let published = reader.published();
        Self {
            retired: Arc::clone(&published.retired),
            durable_to: published.watermark,
            reader: Arc::clone(reader),
            erased: RefCell::default(),
        }
    }

    /// As [`now`](Self::now), where not all that is visible is durable: what was given up by time,
    /// and up to the newest segment, before which everything is.
    pub(crate) fn durably(reader: &Arc<ShardReader>) -> Self {
        let now = Self::now(reader);
        let newest = reader.published().spans().pop();
        Self {
            retired: Arc::new(now.retired.by_time()),
            durable_to: newest.map_or(0, |newest| newest.first_position),
            ..now
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.retired.is_empty()
    }

    /// What becomes of an event when its segment is written anew.
    pub(crate) fn fate(&self, events: &Events<'_>, row: usize) -> Fate {
        if self.is_nothing() || !self.retired.hides(events, row) {
            return Fate::Kept;
        }
        let (position, key) = (events.position(row), key_of(events, row));
        if position >= self.durable_to || erased_id_of(key).is_some() {
            return Fate::Kept;
        }
        let is_truncation = events.event_type(row) == TRUNCATED_TYPE;
        // Where it can not be told whether a newer event has the version, it is kept for sure.
        let newest = self.reader.newest(key);
        match newest {
            Ok(Some(newest)) if newest > position => {
                let is_known = newest < self.durable_to;
                match is_truncation {
                    false if is_known => Fate::Removed,
                    false => Fate::Emptied,
                    true if is_known && self.is_given_up_at(key, newest) => Fate::Removed,
                    true => Fate::Kept,
                }
            }
            Ok(Some(_)) if self.is_given_up_whole(events, row) => self.erase(events, row),
            _ if is_truncation => Fate::Kept,
            _ => Fate::Emptied,
        }
    }

    /// As [`fate`](Self::fate), where no key is erased.
    pub(crate) fn fate_with_key(&self, events: &Events<'_>, row: usize) -> Fate {
        if events.event_type(row) == TRUNCATED_TYPE {
            return Fate::Kept;
        }
        match self.fate(events, row) {
            Fate::Erased(_) => Fate::Emptied,
            other => other,
        }
    }

    /// Whether nothing is left of an aggregate up to the event in this row.
    fn is_given_up_whole(&self, events: &Events<'_>, row: usize) -> bool {
        let first = self.retired.first_version(key_of(events, row));
        events.commit_time(row).as_nanos() < self.retired.before() || events.version(row) <= first
    }

    /// Whether nothing is left of an aggregate up to its event at a position, which is hidden
    /// itself.
    fn is_given_up_at(&self, key: &str, position: u64) -> bool {
        let block = self.reader.block_of(key, position);
        block.ok().flatten().is_some_and(|block| {
            let events = block.events();
            let row = events.row_at(position);
            row.is_some_and(|row| {
                self.retired.hides(&events, row) && self.is_given_up_whole(&events, row)
            })
        })
    }

    fn erase(&self, events: &Events<'_>, row: usize) -> Fate {
        let key = key_of(events, row);
        let dir = self.reader.dir();
        let stands_for = erased_key(dir.first_store(), key, dir.routing());
        let first = events.version(row).saturating_add(1);
        let mut erased = self.erased.borrow_mut();
        erased.insert(key.to_owned(), (stands_for.clone(), first));
        Fate::Erased(stands_for)
    }

    /// Tells the shard which keys its log does not have any more.
    pub(crate) fn note_erased(&self) {
        for (key, (stands_for, first)) in &*self.erased.borrow() {
            self.reader.note_erased(key, stands_for, *first);
        }
    }

    /// Counts what a segment holds of it; blocks are read only where there may be any.
    pub(crate) fn count(&self, span: &SegmentSpan) -> Result<Found, Error> {
        let mut found = Found::default();
        if !self.may_be_in(span)? {
            return Ok(found);
        }
        let mut blocks = ShardCursor::new(&*self.reader, span.first_position);
        blocks = blocks.until(span.next_position);
        let mut from = span.first_position;
        while let Some((at, block)) = blocks.next_read(Payloads::Shut)? {
            let events = block.events();
            for row in row_from(&events, from)..row_from(&events, span.next_position) {
                if self.fate(&events, row) == Fate::Kept {
                    continue;
                }
                if events.event_type(row) == TRUNCATED_TYPE {
                    found.truncations += 1;
                    continue;
                }
                found.events += 1;
                let bytes = events.columns().payload_lengths[row];
                found.payload_bytes += u64::from(bytes);
            }
            from = at.next_position;
        }
        Ok(found)
    }

    fn may_be_in(&self, span: &SegmentSpan) -> Result<bool, Error> {
        if self.is_nothing() {
            return Ok(false);
        }
        let Some(segment) = &span.ended else {
            return Ok(true);
        };
        if segment.sealed().first_commit < self.retired.before() {
            return Ok(true);
        }
        for (key, _) in self.retired.truncated() {
            if erased_id_of(key).is_none() && self.reader.is_in(segment, key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn key_of<'e>(events: &Events<'e>, row: usize) -> &'e str {
    events.key(events.aggregate_index(row))
}
