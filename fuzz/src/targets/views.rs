//! Definitions and states of views.

use std::sync::Arc;

use eventcask_project::{MergedStates, ViewSpec, ViewState};

use crate::bound::bounded;
use crate::bytes::u32_at;
use crate::corpus;

/// The tables of the smallest state; then a key, a table entry and cells for each row of at
/// least a dozen bytes.
const STATE_BYTES: usize = 64 << 10;
const STATE_BYTES_A_BYTE: usize = 64;
/// A definition of the largest size, compiled: 64 aggregations with paths of 32 names each, of
/// which each name is reached from all before it.
const SPEC_BYTES: usize = 2 << 20;
const SPEC_BYTES_A_BYTE: usize = 64;

/// Decodes the state of a view by the definition that it names, and encodes it again.
pub fn view_state(bytes: &[u8]) -> bool {
    let spec = Arc::new(named_spec(bytes).unwrap_or_else(corpus::spec));
    let bytes_max = STATE_BYTES + STATE_BYTES_A_BYTE * bytes.len();
    let state = bounded(bytes_max, || ViewState::decode(Arc::clone(&spec), bytes));
    let Ok(state) = state else {
        return false;
    };
    assert!(state.encode() == bytes, "a state has one form only");
    let rows = serde_json::to_string(&state.rows()).expect("rows are JSON");
    let nothing = ViewState::new(spec);
    let json_of = |states: &[&ViewState]| {
        let rows: Vec<_> = MergedStates::new(states.iter().copied()).rows().collect();
        serde_json::to_string(&rows).expect("rows are JSON")
    };
    assert_eq!(
        json_of(&[&nothing, &state]),
        rows,
        "nothing and a state together are the state"
    );
    let twice = json_of(&[&state, &state]);
    serde_json::from_str::<serde::de::IgnoredAny>(&twice).expect("rows are JSON");
    true
}

/// The definition in the state itself.
fn named_spec(bytes: &[u8]) -> Option<ViewSpec> {
    // Views whose rows are dropped have a time before it.
    let at = ViewState::BEGINNING_BYTES;
    [at, at + 8].into_iter().find_map(|at| {
        let json = bytes.get(at + 4..)?.get(..u32_at(bytes, at) as usize)?;
        ViewSpec::from_json(str::from_utf8(json).ok()?).ok()
    })
}

/// Decodes the definition of a view, and encodes it again.
pub fn view_spec(bytes: &[u8]) -> bool {
    let Ok(json) = str::from_utf8(bytes) else {
        return false;
    };
    let bytes_max = SPEC_BYTES + SPEC_BYTES_A_BYTE * bytes.len();
    let spec = match bounded(bytes_max, || ViewSpec::from_json(json)) {
        Ok(spec) => spec,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let again = ViewSpec::from_json(&spec.to_json());
    assert_eq!(again.as_ref(), Ok(&spec), "what was written can be read");
    let state = ViewState::new(Arc::new(spec)).encode();
    assert!(view_state(&state), "an empty state can be read");
    true
}
