//! Windows over a time field.

use std::sync::Arc;

use eventcask_project::{ViewSpec, ViewState};

use crate::support::{answer, flight, state_of};

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
