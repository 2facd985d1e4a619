//! State and progress are one unit (guarantee L5).

use std::sync::Arc;

use eventcask_project::{ViewSpec, ViewState};

use crate::support::{Block, Row, answer, flight};

fn rows() -> Vec<Row> {
    (0..200)
        .map(|at| match at % 10 {
            3 => Row {
                event_type: "Gate",
                ..flight(r#"{"k":"x"}"#)
            },
            4 => flight("not json"),
            5 => flight(r#"{"a":1}"#),
            _ => flight(&format!(
                r#"{{"k":"k{}","t":{},"a":{}e-{}}}"#,
                at % 4,
                at * 60,
                at,
                at % 41
            )),
        })
        .collect()
}

fn view() -> ViewState {
    let all = ["count", "count:a", "sum:a", "min:a", "max:a", "mean:a"];
    let spec = ViewSpec::new("k", &all, Some("Flight"), Some("1h:t")).unwrap();
    ViewState::new(Arc::new(spec))
}

/// The state after all rows, cut into blocks of this size.
fn replay(rows: &[Row], block_rows: usize) -> ViewState {
    let mut state = view();
    for (at, rows) in rows.chunks(block_rows).enumerate() {
        Block::new((at * block_rows) as u64, rows).apply(&mut state);
    }
    state
}

#[test]
fn a_repeat_changes_nothing() {
    let rows = rows();
    let mut state = replay(&rows, 64);
    let before = state.encode();
    Block::new(0, &rows).apply(&mut state);
    Block::new(190, &rows[190..]).apply(&mut state);
    assert_eq!(state.encode(), before);
}

#[test]
fn of_a_batch_that_was_seen_in_part_only_the_rest_counts() {
    let rows = rows();
    let mut state = view();
    Block::new(0, &rows[..150]).apply(&mut state);
    Block::new(100, &rows[100..]).apply(&mut state);
    assert_eq!(state.encode(), replay(&rows, 200).encode());
}

#[test]
fn the_progress_passes_events_that_do_not_count() {
    let mut state = view();
    Block::new(40, &[flight("not json"), flight("{}")]).apply(&mut state);
    assert_eq!((state.progress(), state.is_empty()), (42, true));
    Block::new(42, &[]).apply(&mut state);
    assert_eq!(state.progress(), 42);
}

#[test]
fn l5_replay_from_zero_gives_the_same_bytes() {
    let rows = rows();
    let expected = replay(&rows, 200).encode();
    for block_rows in [1, 7, 64, 199] {
        assert_eq!(
            replay(&rows, block_rows).encode(),
            expected,
            "blocks of {block_rows} rows"
        );
    }
}

#[test]
fn l5_a_crash_after_any_event_and_a_repeat_give_the_same_bytes() {
    let rows = rows();
    let expected = replay(&rows, 200).encode();
    for crash in 0..=rows.len() {
        let kept = replay(&rows[..crash], 16).encode();
        let mut state = ViewState::decode(Arc::clone(view().spec()), &kept).unwrap();
        assert_eq!(state.progress(), crash as u64);
        let repeated = crash.saturating_sub(10);
        Block::new(repeated as u64, &rows[repeated..]).apply(&mut state);
        assert_eq!(state.encode(), expected, "crash after {crash} events");
    }
}

#[test]
fn the_last_position_of_all_has_no_effect() {
    let mut state = view();
    let row = flight(r#"{"k":"x","t":0}"#);
    Block::new(u64::MAX - 1, &[row]).apply(&mut state);
    assert_eq!((state.progress(), state.len()), (u64::MAX, 1));
    let block = Block::new(u64::MAX, &[flight(r#"{"k":"x","t":0}"#)]);
    block.apply(&mut state);
    assert!(answer(&state).contains(r#""count":1,"#));
}
