//! Definitions and states of views.

use std::sync::Arc;

use eventcask_project::{ViewSpec, ViewState};

use crate::bound::bounded;
use crate::bytes::u32_at;
use crate::corpus;

/// The tables of the smallest state; then a key, a table entry and cells for each row of at
/// least a dozen bytes.
const STATE_BYTES: usize = 64 << 10;
const STATE_BYTES_A_BYTE: usize = 64;
/// A definition of the largest size, compiled: 64 aggregations with paths of 32 names each.
const SPEC_BYTES: usize = 1 << 20;
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
    let mut merged = ViewState::new(spec);
    merged.merge(&state);
    let merged_rows = serde_json::to_string(&merged.rows()).expect("rows are JSON");
    assert_eq!(
        merged_rows, rows,
        "nothing and a state together are the state"
    );
    merged.merge(&state);
    let twice = serde_json::to_string(&merged.rows()).expect("rows are JSON");
    serde_json::from_str::<serde::de::IgnoredAny>(&twice).expect("rows are JSON");
    true
}

/// The definition in the state itself.
fn named_spec(bytes: &[u8]) -> Option<ViewSpec> {
    let json = bytes.get(13..)?.get(..u32_at(bytes, 9) as usize)?;
    ViewSpec::from_json(str::from_utf8(json).ok()?).ok()
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
