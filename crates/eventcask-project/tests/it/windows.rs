//! Windows over a time field.

use std::sync::Arc;

use eventcask_project::{MergedStates, ViewSpec, ViewState};

use crate::support::{Block, answer, flight, state_of};

fn hourly(window: &str, values: &[&str]) -> ViewState {
    let spec = ViewSpec::new("k", &["count"], None, Some(window)).unwrap();
    let rows: Vec<_> = values
        .iter()
        .map(|value| flight(&format!(r#"{{"k":"x","t":{value}}}"#)))
        .collect();
    state_of(&Arc::new(spec), &rows)
}

/// The windows that these times fall into, with how many do.
fn check(window: &str, times: &[&str], expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(start, count)| format!(r#"{{"key":"x","window":"{start}","count":{count}}}"#))
        .collect();
    assert_eq!(
        answer(&hourly(window, times)),
        format!("[{}]", expected.join(","))
    );
}

#[test]
fn times_fall_into_aligned_windows() {
    let times = [
        r#""2013-01-01T10:59:59.999Z""#,
        r#""2013-01-01T11:00:00Z""#,
        r#""2013-01-01T10:00:00Z""#,
        r#""2013-01-01T05:30:00-05:00""#,
    ];
    check(
        "1h:t",
        &times,
        &[("2013-01-01T10:00:00Z", 3), ("2013-01-01T11:00:00Z", 1)],
    );
    check("1d:t", &times, &[("2013-01-01T00:00:00Z", 4)]);
}

#[test]
fn epoch_numbers_are_told_apart_by_size() {
    let times = [
        "1357034400",
        "1357034400000",
        "1357034400000000",
        "1357034400000000000",
        "1357034400.5",
        "1.3570344E9",
        "\"1357034400\"",
        "\"1357034400000\"",
    ];
    check("1s:t", &times, &[("2013-01-01T10:00:00Z", 8)]);
    check("1d:t", &["86400000000"], &[("1972-09-27T00:00:00Z", 1)]);
}

#[test]
fn times_before_1970_are_rounded_down() {
    check(
        "1h:t",
        &["-1", "-0.5", "0"],
        &[("1969-12-31T23:00:00Z", 2), ("1970-01-01T00:00:00Z", 1)],
    );
}

#[test]
fn events_without_a_time_are_in_no_group() {
    let values = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"noon\"",
        "\"2013-01-01\"",
        "\"9999-12-31T23:59:59Z\"",
        "99999999999999999999",
        "1e40",
    ];
    assert!(hourly("1h:t", &values).is_empty());
}

#[test]
fn the_ends_of_time_do_no_harm() {
    let ends = [
        "-9223372036854775808",
        "9223372036854775807",
        "-9223372036854775807",
    ];
    assert_eq!(hourly("1h:t", &ends).len(), 1);
    assert_eq!(hourly("100000d:t", &ends).len(), 1);
}

#[test]
fn a_key_has_one_row_a_window_in_their_order() {
    let state = hourly("1m:t", &["120", "0", "60", "61"]);
    let starts: Vec<_> = state
        .get("x")
        .iter()
        .map(|row| row.window.unwrap().as_nanos() / 1_000_000_000)
        .collect();
    assert_eq!(starts, [0, 60, 120]);
    assert_eq!(state.len(), 3);
}

fn kept_for(keep: &str, hours: &[i64]) -> ViewState {
    let spec = ViewSpec::new("k", &["count"], None, Some("1h:t")).unwrap();
    let rows: Vec<_> = hours
        .iter()
        .map(|hour| flight(&format!(r#"{{"k":"k{}","t":{}}}"#, hour % 3, hour * 3600)))
        .collect();
    state_of(&Arc::new(spec.keep(keep).unwrap()), &rows)
}

fn hours(rows: &[eventcask_project::ViewRow]) -> Vec<i64> {
    let starts = rows.iter().filter_map(|row| row.window);
    let mut hours: Vec<_> = starts
        .map(|start| start.as_nanos() / 3_600_000_000_000)
        .collect();
    hours.sort_unstable();
    hours
}

#[test]
fn rows_are_kept_for_as_long_as_their_window_says() {
    // The newest event is from the start of hour 9: hour 6 ended two hours before, hour 5 three.
    let state = kept_for("2h", &[1, 9, 6, 5, 7, 3, 2, 6]);
    assert_eq!(hours(&state.rows()), [6, 7, 9]);
    assert_eq!(state.get("k0").len(), 2, "hour 6 and hour 9");
    assert_eq!((state.get("k2").len(), state.len()), (0, 3));
    // An event of hour 6 counts in whatever order the events came.
    let ordered = kept_for("2h", &[1, 2, 3, 5, 6, 6, 7, 9]);
    assert_eq!(answer(&state), answer(&ordered));
}

/// Shards see other events, and each only drops what its own are past: the answer over all of them
/// must not tell how events are dealt out.
#[test]
fn rows_that_are_dropped_do_not_depend_on_shards_batches_or_a_rebuild() {
    let times: Vec<i64> = (0..9000).map(|at| (at * 7919) % 400 + at).collect();
    let whole = kept_for("100h", &times);
    let shards: Vec<_> = times
        .chunks(1700)
        .map(|times| kept_for("100h", times))
        .collect();
    let merged: Vec<_> = MergedStates::new(&shards).rows().collect();
    assert_eq!(merged, whole.rows());
    assert_eq!(MergedStates::new(&shards).row_count(), whole.len());

    let mut batched = ViewState::new(Arc::clone(whole.spec()));
    let rows: Vec<_> = times
        .iter()
        .map(|hour| flight(&format!(r#"{{"k":"k{}","t":{}}}"#, hour % 3, hour * 3600)))
        .collect();
    for (at, rows) in rows.chunks(100).enumerate() {
        Block::new(at as u64 * 100, rows).apply(&mut batched);
        if at == 40 {
            batched = ViewState::decode(Arc::clone(whole.spec()), &batched.encode()).unwrap();
        }
    }
    assert_eq!(batched.encode(), whole.encode());
    assert!(
        whole.encode().len() < 500 * 40,
        "what is dropped is not saved"
    );
}
