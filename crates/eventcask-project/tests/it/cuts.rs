//! How the events are cut into batches, and where a state is kept, makes no difference (guarantee
//! L5).

use std::sync::Arc;

use eventcask_project::{ViewSpec, ViewState};

use crate::support::{Block, Row, flight};

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
fn l5_a_crash_after_any_event_gives_the_same_bytes() {
    let rows = rows();
    let expected = replay(&rows, 200).encode();
    for crash in 0..=rows.len() {
        let kept = replay(&rows[..crash], 16).encode();
        let mut state = ViewState::decode(Arc::clone(view().spec()), &kept).unwrap();
        Block::new(crash as u64, &rows[crash..]).apply(&mut state);
        assert_eq!(state.encode(), expected, "crash after {crash} events");
    }
}
