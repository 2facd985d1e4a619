//! Which events a reader is shown, decided before their payloads are decompressed.

use std::ops::Range;

use eventcask_event::{Carrying, EventRef, Events, Timestamp};
use eventcask_log::{BlockPlace, Payloads};
use eventcask_shard::Retired;

/// No event is committed before this time.
const NO_BEGINNING: Timestamp = Timestamp::from_nanos(i64::MIN);
/// No event is committed after this time.
pub(crate) const NO_END: Timestamp = Timestamp::from_nanos(i64::MAX);

/// What an event must be like.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) types: Option<Vec<String>>,
    pub(crate) key_prefix: Option<String>,
    pub(crate) carrying: Carrying,
    /// Whether what events carry beside their payloads is left shut.
    pub(crate) ignores_metadata: bool,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            types: None,
            key_prefix: None,
            carrying: Carrying::default(),
            ignores_metadata: false,
            since: NO_BEGINNING,
            until: NO_END,
        }
    }
}

impl Filter {
    /// Whether events before some time are not wanted.
    pub(crate) fn has_beginning(&self) -> bool {
        self.since > NO_BEGINNING
    }

    /// Whether events after some time are not wanted.
    pub(crate) fn has_end(&self) -> bool {
        self.until < NO_END
    }

    /// The payloads that are to be opened.
    pub(crate) fn payloads(&self) -> Payloads<'_> {
        let types = self.types.as_deref();
        if !self.carrying.wants_all() {
            let prefix = self.key_prefix.as_deref().unwrap_or_default();
            let wanted = &self.carrying;
            return Payloads::Carrying {
                wanted,
                prefix,
                types,
            };
        }
        if self.ignores_metadata {
            let prefix = self.key_prefix.as_deref().unwrap_or_default();
            return Payloads::Plain { prefix, types };
        }
        match &self.key_prefix {
            Some(prefix) => Payloads::Keys { prefix, types },
            None => types.map_or(Payloads::All, Payloads::Types),
        }
    }

    /// Whether all events of a block come before the time that is asked for.
    pub(crate) fn is_after(&self, at: &BlockPlace) -> bool {
        at.last_commit < self.since.as_nanos()
    }

    /// Whether all events of a block come after the time that is asked for.
    pub(crate) fn is_before(&self, at: &BlockPlace) -> bool {
        at.first_commit > self.until.as_nanos()
    }

    /// Whether there is no event that is not wanted.
    pub(crate) fn wants_all(&self) -> bool {
        self.types.is_none() && self.wants_all_of_types()
    }

    fn wants_all_of_types(&self) -> bool {
        let has_times = self.has_beginning() || self.has_end();
        self.key_prefix.is_none() && !has_times && self.carrying.wants_all()
    }

    /// The wanted rows of a range of a block, without those that are hidden.
    pub(crate) fn rows(
        &self,
        events: &Events<'_>,
        range: Range<usize>,
        retired: &Retired,
    ) -> Vec<u32> {
        let mut rows = Vec::new();
        self.add_rows(&mut rows, events, range, retired);
        rows
    }

    /// Adds them to `rows`, which has none yet.
    pub(crate) fn add_rows(
        &self,
        rows: &mut Vec<u32>,
        events: &Events<'_>,
        range: Range<usize>,
        retired: &Retired,
    ) {
        if !self.carrying.may_be_in(&events.columns().metadata) {
            return;
        }
        match &self.types {
            Some(names) => events.rows_of_types(range, &events.types_named(names), rows),
            None => rows.extend(range.map(|row| row as u32)),
        }
        if retired.may_hide(events) {
            rows.retain(|row| !retired.hides(events, *row as usize));
        }
        if !self.wants_all_of_types() {
            rows.retain(|row| self.admits_row(events, *row as usize));
        }
    }

    /// Whether an event of a wanted type is wanted.
    fn admits_row(&self, events: &Events<'_>, row: usize) -> bool {
        let time = events.commit_time(row);
        let in_time = self.since <= time && time <= self.until;
        in_time && self.admits_key(events, row) && self.carrying.admits(events.metadata(row))
    }

    /// Whether an event is wanted.
    pub(crate) fn admits_event(&self, event: &EventRef<'_>) -> bool {
        let types = self.types.as_ref();
        let is_of_type = |types: &Vec<String>| types.iter().any(|name| name == event.event_type);
        let prefix = self.key_prefix.as_deref().unwrap_or_default();
        let in_time = self.since <= event.commit_time && event.commit_time <= self.until;
        in_time
            && event.key.starts_with(prefix)
            && types.is_none_or(is_of_type)
            && self.carrying.admits(event.metadata)
    }

    fn admits_key(&self, events: &Events<'_>, row: usize) -> bool {
        let key = || events.key_bytes(events.aggregate_index(row));
        let prefix = self.key_prefix.as_deref();
        prefix.is_none_or(|prefix| key().starts_with(prefix.as_bytes()))
    }
}
