//! Blocks of events in memory, and views over them.

use std::sync::Arc;

use eventcask_event::{Columns, Encoding, Events, EventsParts, PayloadBytes, Timestamp};
use eventcask_project::{Batch, ViewSpec, ViewState};

/// An event for a block.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) event_type: &'static str,
    pub(crate) encoding: Encoding,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn flight(payload: &str) -> Row {
    let payload = payload.as_bytes().to_vec();
    Row {
        event_type: "Flight",
        encoding: Encoding::Json,
        payload,
    }
}

/// The parts of a block, as a log would hold them.
pub(crate) struct Block {
    first_position: u64,
    columns: Columns,
    payloads: Vec<PayloadBytes>,
}

impl Block {
    pub(crate) fn new(first_position: u64, rows: &[Row]) -> Self {
        let mut columns = Columns::default();
        let mut types: Vec<(&str, Encoding)> = Vec::new();
        let mut payloads: Vec<PayloadBytes> = Vec::new();
        // A block lists only aggregates of which it has events.
        let aggregate = match rows {
            [] => 0,
            _ => columns.add_aggregate("N14228", u64::MAX),
        };
        for (at, row) in rows.iter().enumerate() {
            let name = (row.event_type, row.encoding);
            let index = types
                .iter()
                .position(|known| *known == name)
                .unwrap_or_else(|| {
                    columns.add_type(row.event_type, 1, row.encoding as u8, None);
                    types.push(name);
                    payloads.push(PayloadBytes::default());
                    types.len() - 1
                });
            columns.aggregates.push(aggregate);
            columns.types.push(index as u16);
            columns.versions.push(at as u64 + 1);
            columns.payload_lengths.push(row.payload.len() as u32);
            payloads[index].push(&row.payload, None);
        }
        Self {
            first_position,
            columns,
            payloads,
        }
    }

    pub(crate) fn apply(&self, state: &mut ViewState) {
        self.apply_open(state, |_| true);
    }

    /// Applies with only those types open that `open` says, by their index.
    pub(crate) fn apply_open(&self, state: &mut ViewState, open: impl Fn(usize) -> bool) {
        let columns = &self.columns;
        let sizes: Vec<_> = self.payloads.iter().map(|one| one.len()).collect();
        let payload_starts = Events::check(columns.versions.len(), columns, 0, &sizes).unwrap();
        let payloads = self.payloads.iter().enumerate();
        let payloads: Vec<_> = payloads
            .map(|(index, bytes)| open(index).then(|| bytes.clone()))
            .collect();
        let events = Events::new(EventsParts {
            store: 7,
            shard: 0,
            first_position: self.first_position,
            commit_time: Timestamp::from_nanos(0),
            columns,
            ids: &[],
            payloads: &payloads,
            payload_starts: &payload_starts,
        });
        state.apply(&Batch::new(events, 0, false));
    }
}

pub(crate) fn spec(key: &str, aggregations: &[&str]) -> Arc<ViewSpec> {
    Arc::new(ViewSpec::new(key, aggregations, None, None).unwrap())
}

/// The state after these rows from position 0.
pub(crate) fn state_of(spec: &Arc<ViewSpec>, rows: &[Row]) -> ViewState {
    let mut state = ViewState::new(Arc::clone(spec));
    Block::new(0, rows).apply(&mut state);
    state
}

/// The answer over all keys as JSON.
pub(crate) fn answer(state: &ViewState) -> String {
    serde_json::to_string(&state.rows()).unwrap()
}

/// The one check of most tests: a view over JSON payloads gives this answer.
pub(crate) fn check(key: &str, aggregations: &[&str], payloads: &[&str], expected: &str) {
    let rows: Vec<_> = payloads.iter().map(|payload| flight(payload)).collect();
    assert_eq!(answer(&state_of(&spec(key, aggregations), &rows)), expected);
}
