//! The events that a batch is compared with: in flight or stored.

use std::collections::VecDeque;
use std::ops::Range;

use eventcask_event::{EventId, NewEvent};
use eventcask_log::{Block, BlockPlace, Digest, Error, ErrorKind, IdPlace, KeyPlace};

use crate::admit::{History, Original};
use crate::in_flight::InFlight;
use crate::index::with_event;
use crate::{AppendError, ShardReader};

/// Events that are in flight or stored.
pub(super) struct Stored<'s> {
    pub(super) reader: &'s ShardReader,
    pub(super) in_flight: &'s VecDeque<InFlight>,
}

impl History for Stored<'_> {
    fn compare(
        &self,
        position: u64,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<Original, AppendError> {
        let flying = self.in_flight.iter().filter_map(|one| one.stored.as_ref());
        let holds = |at: &BlockPlace| (at.first_position..at.next_position).contains(&position);
        if let Some(stored) = flying.into_iter().find(|stored| holds(&stored.place)) {
            return Ok(compare_in(&stored.block, position, key, event));
        }
        let found = event.id.map(|id| self.reader.id_at(id, position));
        match found.transpose().map_err(|error| unreadable(&error))? {
            Some(Some(found)) => self.compare_found(&found, key, event),
            _ => self.read_and_compare(position, key, event),
        }
    }

    fn compare_found(
        &self,
        found: &IdPlace,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<Original, AppendError> {
        let store = self.reader.dir().store();
        if found.digest == Digest::of(store, key, event) {
            return Ok(Original::Same(found.version));
        }
        self.read_and_compare(found.position, key, event)
    }

    fn prefetch_id(&self, id: EventId) {
        self.reader.prefetch_id(id);
    }

    fn find_id(&self, id: EventId, range: Range<u64>) -> Result<Option<IdPlace>, AppendError> {
        let found = self.reader.find_id(id, range);
        found.map_err(|error| unreadable(&error))
    }

    fn aggregate(&self, key: &str) -> Result<Option<KeyPlace>, AppendError> {
        self.reader
            .absent_aggregate(key)
            .map_err(|error| unreadable(&error))
    }
}

impl Stored<'_> {
    fn read_and_compare(
        &self,
        position: u64,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<Original, AppendError> {
        let block = self.reader.block_with(position);
        let block = block.map_err(|error| unreadable(&error))?;
        Ok(block.map_or(Original::Gone, |block| {
            compare_in(&block, position, key, event)
        }))
    }
}

fn unreadable(error: &Error) -> AppendError {
    let reason = error.to_string().into();
    match error.kind() {
        ErrorKind::Damaged => AppendError::Damaged(reason),
        _ => AppendError::Unreadable(reason),
    }
}

fn compare_in(block: &Block, position: u64, key: &str, event: &NewEvent<'_>) -> Original {
    let compared = with_event(block, position, |stored| {
        let original = NewEvent {
            event_type: stored.event_type,
            schema: stored.schema,
            encoding: stored.encoding,
            shape: stored.shape,
            payload: stored.payload,
            id: event.id,
            time: stored.time,
            metadata: stored.metadata.to_new(),
        };
        Original::of(stored.key == key, &original, event, stored.version)
    });
    compared.unwrap_or(Original::Gone)
}
