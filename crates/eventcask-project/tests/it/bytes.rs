//! The bytes of a state, whole and damaged.

use std::sync::Arc;

use eventcask_project::{DecodeError, MergedStates, ViewSpec, ViewState};

use crate::support::{answer, flight, spec, state_of};

fn windowed() -> ViewState {
    let all = ["count", "sum:a", "min:a", "max:a", "mean:a"];
    let spec = Arc::new(ViewSpec::new("k", &all, None, Some("1h:t")).unwrap());
    let rows = [
        flight(r#"{"k":"x","t":0,"a":0.25}"#),
        flight(r#"{"k":"x","t":4000,"a":1e300}"#),
        flight(r#"{"k":"é","t":0}"#),
    ];
    state_of(&spec, &rows)
}

fn decode(state: &ViewState, bytes: &[u8]) -> Result<ViewState, DecodeError> {
    ViewState::decode(Arc::clone(state.spec()), bytes)
}

#[test]
fn a_state_survives_its_bytes() {
    let state = windowed();
    let again = decode(&state, &state.encode()).unwrap();
    assert_eq!(answer(&again), answer(&state));
    assert_eq!(again.encode(), state.encode());
}

#[test]
fn equal_states_have_equal_bytes() {
    let spec = spec("k", &["sum:a"]);
    let one = [
        flight(r#"{"k":"x","a":0.50}"#),
        flight(r#"{"k":"y","a":3}"#),
    ];
    let two = [
        flight(r#"{"k":"y","a":3.0}"#),
        flight(r#"{"k":"x","a":5e-1}"#),
    ];
    assert_eq!(
        state_of(&spec, &one).encode(),
        state_of(&spec, &two).encode()
    );
}

#[test]
fn a_damaged_state_is_an_error_for_every_flipped_byte_or_gives_a_state() {
    let state = windowed();
    let bytes = state.encode();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(other) = decode(&state, &damaged) {
                assert_eq!(other.encode(), damaged, "byte {at}");
                assert!(!answer(&other).is_empty());
            }
        }
    }
}

#[test]
fn a_state_that_is_cut_short_is_an_error_at_every_length() {
    let state = windowed();
    let bytes = state.encode();
    for len in 0..bytes.len() {
        assert_eq!(
            decode(&state, &bytes[..len]).err(),
            Some(DecodeError::Truncated),
            "{len}"
        );
    }
    let longer = decode(&state, &[&bytes[..], &[0]].concat());
    assert!(matches!(longer, Err(DecodeError::Malformed(_))));
}

#[test]
fn bytes_of_another_definition_or_layout_are_refused() {
    let mut bytes = windowed().encode();
    let other = ViewState::decode(spec("k", &["count"]), &bytes);
    assert_eq!(other.err(), Some(DecodeError::OtherSpec));
    bytes[0] = 9;
    assert_eq!(
        decode(&windowed(), &bytes).err(),
        Some(DecodeError::Version { found: 9 })
    );
}

#[test]
fn a_claim_of_endless_rows_reserves_nothing() {
    let state = ViewState::new(spec("k", &["count"]));
    let mut bytes = state.encode();
    let rows_at = bytes.len() - 8;
    bytes[rows_at..].fill(0xff);
    assert_eq!(decode(&state, &bytes).err(), Some(DecodeError::Truncated));
}

#[test]
fn counters_stop_at_their_largest_value() {
    let row = flight(r#"{"k":"x"}"#);
    let state = state_of(&spec("k", &["count"]), std::slice::from_ref(&row));
    let mut bytes = state.encode();
    let count_at = bytes.len() - 8;
    bytes[count_at..].fill(0xff);
    let full = decode(&state, &bytes).unwrap();
    let rows: Vec<_> = MergedStates::new([&full, &state]).rows().collect();
    let rows = serde_json::to_string(&rows).unwrap();
    assert_eq!(rows, r#"[{"key":"x","count":18446744073709551615}]"#);
}
