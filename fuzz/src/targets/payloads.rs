//! Payloads of events, as views read them.

use std::sync::Arc;

use eventcask_event::Columns;
use eventcask_log::{Block, BlockHead};
use eventcask_project::{Batch, ViewSpec, ViewState};
use serde_json::Value;

use crate::corpus;

/// Folds each line of the input as the payload of an event.
pub fn payloads(bytes: &[u8]) -> bool {
    let payloads: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let spec = Arc::new(corpus::spec());
    let (mut whole, mut one_by_one) = (ViewState::new(Arc::clone(&spec)), ViewState::new(spec));
    whole.apply(&batch_of(&block_of(0, &payloads)));
    for (position, payload) in payloads.iter().enumerate() {
        let block = block_of(position as u64, std::slice::from_ref(payload));
        one_by_one.apply(&batch_of(&block));
    }
    let state = whole.encode();
    assert_eq!(state, one_by_one.encode(), "cuts change nothing");
    let decoded = ViewState::decode(Arc::clone(whole.spec()), &state);
    assert_eq!(decoded.expect("it was encoded").encode(), state);
    check_counts(&payloads);
    !whole.is_empty()
}

/// Counts events by a nested key, beside a reader that builds whole values.
fn check_counts(payloads: &[&[u8]]) {
    let spec = ViewSpec::new("at.airport", &["count"], None, None).expect("it is right");
    for payload in payloads {
        let Ok(value) = serde_json::from_slice::<Value>(payload) else {
            continue;
        };
        let mut state = ViewState::new(Arc::new(spec.clone()));
        let block = block_of(0, std::slice::from_ref(payload));
        state.apply(&batch_of(&block));
        let key = value.get("at").and_then(|at| at.get("airport"));
        let counts = key.is_some_and(|key| key.is_string() || key.is_number() || key.is_boolean());
        assert_eq!(state.len(), usize::from(counts), "{value}");
        if let Some(key) = key.and_then(Value::as_str) {
            assert_eq!(state.get(key).len(), 1, "{value}");
        }
    }
}

fn batch_of(block: &Block) -> Batch<'_> {
    Batch::new(block.events(), 0, false)
}

fn block_of(first_position: u64, payloads: &[&[u8]]) -> Block {
    let mut columns = Columns::default();
    let aggregate = columns.add_aggregate("N14228", u64::MAX);
    let event_type = columns.add_type("Flight", 1, 1, None);
    for (at, payload) in payloads.iter().enumerate() {
        columns.aggregates.push(aggregate);
        columns.types.push(event_type);
        columns.versions.push(first_position + at as u64 + 1);
        columns.payload_lengths.push(payload.len() as u32);
    }
    let head = BlockHead {
        first_position,
        rows: payloads.len() as u32,
        ..BlockHead::default()
    };
    Block::new(head, columns, Vec::new(), vec![payloads.concat().into()]).expect("it is a block")
}
