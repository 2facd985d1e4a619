//! Which events are in which group, and which count at all.

use std::sync::Arc;

use eventcask_event::Encoding;
use eventcask_project::{MergedStates, ViewSpec, ViewState};

use crate::support::{Block, Row, answer, check, flight, spec, state_of};

#[test]
fn events_are_grouped_by_their_key() {
    let payloads = [
        r#"{"carrier":"UA","dep_delay":2}"#,
        r#"{"carrier":"AA","dep_delay":-5}"#,
        r#"{"dep_delay":11,"carrier":"UA"}"#,
    ];
    let expected = r#"[{"key":"AA","count":1,"sum:dep_delay":-5,"max:dep_delay":-5},{"key":"UA","count":2,"sum:dep_delay":13,"max:dep_delay":11}]"#;
    check(
        "carrier",
        &["count", "sum:dep_delay", "max:dep_delay"],
        &payloads,
        expected,
    );
}

#[test]
fn numbers_and_booleans_are_keys_by_their_text() {
    let payloads = [
        r#"{"k":1}"#,
        r#"{"k":1.0}"#,
        r#"{"k":"1"}"#,
        r#"{"k":true}"#,
        r#"{"k":-2e3}"#,
    ];
    let expected = r#"[{"key":"-2e3","count":1},{"key":"1","count":2},{"key":"1.0","count":1},{"key":"true","count":1}]"#;
    check("k", &["count"], &payloads, expected);
}

#[test]
fn events_without_a_key_are_in_no_group() {
    let payloads = [
        r#"{"k":null}"#,
        r#"{"a":1}"#,
        r#"{"k":{"k":1}}"#,
        r#"{"k":["a"]}"#,
        "{}",
    ];
    check("k", &["count"], &payloads, "[]");
}

#[test]
fn the_empty_text_is_a_key() {
    check(
        "k",
        &["count"],
        &[r#"{"k":""}"#],
        r#"[{"key":"","count":1}]"#,
    );
}

#[test]
fn payloads_that_are_not_one_json_value_are_in_no_group() {
    let payloads = [
        "",
        "{",
        r#"{"k":"a""#,
        r#"{"k":"a"} x"#,
        r#"{"k":"a",}"#,
        r#"{"k":01}"#,
        "7",
    ];
    check("k", &["count"], &payloads, "[]");
    let broken = Row {
        payload: b"{\"k\":\"a\",\"b\":\"\xff\"}".to_vec(),
        ..flight("")
    };
    assert!(state_of(&spec("k", &["count"]), &[broken]).is_empty());
}

#[test]
fn white_space_between_the_parts_does_not_matter() {
    check(
        "k",
        &["sum:a"],
        &["\n { \"k\" : \"x\" ,\t\"a\" : 3 } "],
        r#"[{"key":"x","sum:a":3}]"#,
    );
}

#[test]
fn escaped_names_and_texts_are_what_they_stand_for() {
    let payloads = [
        r#"{"\u006b":"\u0055A","a\"":1}"#,
        r#"{"k":"UA","a\u0022":2}"#,
    ];
    check(
        "k",
        &["sum:a\""],
        &payloads,
        r#"[{"key":"UA","sum:a\"":3}]"#,
    );
    check(
        "k",
        &["count"],
        &[r#"{"k":"a\n\"\\"}"#],
        r#"[{"key":"a\n\"\\","count":1}]"#,
    );
}

#[test]
fn paths_reach_into_objects() {
    let payloads = [
        r#"{"customer":{"id":"c1","score":{"now":4}},"id":"x"}"#,
        r#"{"customer":{"score":{"now":5},"id":"c1"}}"#,
        r#"{"customer":{"id":"c1","score":5}}"#,
        r#"{"customer":"c1"}"#,
        r#"{"customer":[{"id":"c1"}]}"#,
        r#"{"customer":null}"#,
        r#"{"customer.id":"c1"}"#,
    ];
    let expected = r#"[{"key":"c1","count":4,"sum:customer.score.now":9}]"#;
    check(
        "customer.id",
        &["count", "sum:customer.score.now"],
        &payloads,
        expected,
    );
}

#[test]
fn names_of_any_length_are_told_apart() {
    let name = |bytes: usize| "n".repeat(bytes);
    let fields: Vec<_> = [1, 62, 63, 64, 65, 200]
        .map(|bytes| format!("\"{}\":{bytes}", name(bytes)))
        .into();
    let payload = format!(r#"{{"k":"x",{}}}"#, fields.join(","));
    for bytes in [1, 62, 63, 64, 200] {
        let sum = format!("sum:{}", name(bytes));
        check(
            "k",
            &[&sum],
            &[&payload],
            &format!(r#"[{{"key":"x","{sum}":{bytes}}}]"#),
        );
    }
}

#[test]
fn a_path_and_one_below_it_can_both_be_wanted() {
    let payloads = [
        r#"{"k":"x","a":1}"#,
        r#"{"k":"x","a":{"b":10}}"#,
        r#"{"k":"x","a":{"b":{}}}"#,
    ];
    check(
        "k",
        &["sum:a", "sum:a.b"],
        &payloads,
        r#"[{"key":"x","sum:a":1,"sum:a.b":10}]"#,
    );
}

#[test]
fn of_a_name_that_occurs_twice_the_last_counts() {
    let payloads = [
        r#"{"k":"old","a":1,"k":"x","a":2}"#,
        r#"{"k":"x","a":1,"a":null}"#,
        r#"{"k":"x","o":{"a":1},"o":{"b":1}}"#,
        r#"{"k":"x","o":{"a":1},"o":3}"#,
    ];
    let expected = r#"[{"key":"x","count":4,"sum:a":2,"sum:o.a":0}]"#;
    check("k", &["count", "sum:a", "sum:o.a"], &payloads, expected);
}

#[test]
fn the_key_can_be_aggregated_too() {
    check(
        "k",
        &["sum:k"],
        &[r#"{"k":2}"#, r#"{"k":2}"#],
        r#"[{"key":"2","sum:k":4}]"#,
    );
}

#[test]
fn deep_nesting_in_fields_that_nobody_wants_does_no_harm() {
    let deep = format!(
        r#"{{"k":"x","a":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    check("k", &["count"], &[&deep], r#"[{"key":"x","count":1}]"#);
    check("k", &["count:a"], &[&deep], r#"[{"key":"x","count:a":0}]"#);
}

#[test]
fn only_json_of_the_wanted_type_counts() {
    let payload = br#"{"k":"x"}"#.to_vec();
    let row = |event_type, encoding| Row {
        event_type,
        encoding,
        payload: payload.clone(),
    };
    let rows = [
        row("Flight", Encoding::Json),
        row("Gate", Encoding::Json),
        row("Flight", Encoding::Bytes),
        row("Flights", Encoding::Json),
    ];
    let only = ViewSpec::new("k", &["count"], Some("Flight"), None).unwrap();
    let state = state_of(&Arc::new(only), &rows);
    assert_eq!(answer(&state), r#"[{"key":"x","count":1}]"#);
    assert_eq!(
        answer(&state_of(&spec("k", &["count"]), &rows)),
        r#"[{"key":"x","count":3}]"#
    );
}

#[test]
fn a_type_that_was_left_shut_is_passed_over() {
    let gate = Row {
        event_type: "Gate",
        ..flight(r#"{"k":"y"}"#)
    };
    let only = ViewSpec::new("k", &["count"], Some("Flight"), None).unwrap();
    let mut state = ViewState::new(Arc::new(only));
    let block = Block::new(0, &[flight(r#"{"k":"x"}"#), gate]);
    block.apply_open(&mut state, |index| index == 0);
    assert_eq!(answer(&state), r#"[{"key":"x","count":1}]"#);
}

#[test]
fn one_key_can_be_asked_for() {
    let state = state_of(
        &spec("k", &["count"]),
        &[flight(r#"{"k":"x"}"#), flight(r#"{"k":"y"}"#)],
    );
    let rows = state.get("x");
    assert_eq!(
        (rows.len(), rows[0].key.as_str(), rows[0].window),
        (1, "x", None)
    );
    assert!(state.get("z").is_empty());
    assert_eq!((state.len(), state.is_empty()), (2, false));
}

#[test]
fn a_merged_answer_is_that_over_all_events() {
    let rows: Vec<_> = (0..100)
        .map(|at| {
            flight(&format!(
                r#"{{"k":"k{}","a":{}.{}}}"#,
                at % 7,
                at * 3 % 50,
                at
            ))
        })
        .chain([flight(r#"{"k":"none"}"#)])
        .collect();
    let all = ["count", "count:a", "sum:a", "min:a", "max:a", "mean:a"];
    let spec = spec("k", &all);
    let whole = state_of(&spec, &rows);
    let shards: Vec<_> = rows
        .chunks(30)
        .map(|shard| state_of(&spec, shard))
        .collect();
    let merged = MergedStates::new(&shards);
    assert_eq!(merged.rows().collect::<Vec<_>>(), whole.rows());
    assert_eq!(merged.row_count(), whole.len());
    assert_eq!(merged.get("k3"), whole.get("k3"));
    assert_eq!(merged.get("k9"), []);
}

/// Values beyond 2^53, decimals and floats had the order of their nearest floats.
#[test]
fn the_highest_rows_come_in_the_order_of_their_exact_values() {
    let values = [
        "1764400000000000001",
        "1764400000000000003",
        "1764400000000000002",
        "1764400000000000002.5",
        "1.7644e18",
        "null",
        "1e300",
        "-1e300",
        "-1764400000000000001",
        "0.1",
        "0.1000000000000000055511151231257827021181583404541015625",
        "0.10000000000000000555111512312578270212",
        "1764400000000000003",
    ];
    let rows: Vec<_> = (0..)
        .zip(values)
        .map(|(at, value)| flight(&format!(r#"{{"k":"{at:02}","a":{value}}}"#)))
        .collect();
    let spec = spec("k", &["count", "max:a"]);
    let shards: Vec<_> = rows.chunks(3).map(|shard| state_of(&spec, shard)).collect();
    let merged = MergedStates::new(&shards);
    let top = |limit| {
        let rows = merged.top(limit, "max:a").unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    let order = [
        "06", "01", "12", "03", "02", "00", "04", "11", "10", "09", "08", "07", "05",
    ];
    for limit in [0, 1, 4, 13, 99] {
        assert_eq!(top(limit), order[..limit.min(order.len())], "{limit}");
    }
    assert_eq!(merged.top(1, "min:a"), None);
}

#[test]
#[should_panic(expected = "states of different views do not merge")]
fn states_of_different_views_do_not_merge() {
    let other = ViewState::new(spec("k", &["sum:a"]));
    let _ = MergedStates::new([&ViewState::new(spec("k", &["count"])), &other]);
}

/// A name with a dot could not be reached, though ingest finds such a column by its whole name.
#[test]
fn a_path_is_a_whole_name_first_then_name_by_name() {
    let view =
        |payloads: &[&str], expected: &str| check("user.id", &["sum:a.b.c"], payloads, expected);
    let row = |key, sum| format!(r#"[{{"key":"{key}","sum:a.b.c":{sum}}}]"#);
    for (payload, sum) in [
        (r#"{"user.id":"u","a.b.c":1}"#, 1),
        (
            r#"{"user.id":"u","user":{"id":"v"},"a.b":{"c":2},"a":{"b":{"c":1}}}"#,
            2,
        ),
        (
            r#"{"user":{"id":"v"},"user.id":"u","a":{"b":{"c":1}},"a.b":{"c":2}}"#,
            2,
        ),
        (r#"{"user":{"id":"u"},"a":{"b.c":3,"b":{"c":1}}}"#, 3),
        (r#"{"user":{"id":"u"},"a":{"b":{"c":4}},"a.c":9}"#, 4),
        (r#"{"user":{"id":"u"},"a":{"b":{"c":4}},"a.b":5}"#, 0),
        (r#"{"user.id":"v","user.id":"u","a.b.c":9,"a.b.c":5}"#, 5),
    ] {
        view(&[payload], &row("u", sum));
    }
}

/// A number that no float holds, half a surrogate pair, or a value where an object was looked for
/// took the whole event out of the view: it was read as JSON that is none.
#[test]
fn a_value_that_can_not_be_read_is_missing_and_takes_no_event_out() {
    let half = "\\ud83d";
    for o in [
        "1e999",
        "-1e999",
        "\"\\udc00\"",
        "7",
        "\"x\"",
        "[1e999]",
        "null",
        "true",
    ] {
        let payload = format!(
            r#"{{"k":"a","o":{o},"{half}":1,"n":2,"in":{{"o":{o},"{half}":"{half}","n":3}}}}"#
        );
        check(
            "k",
            &["count", "count:o.t", "sum:n", "sum:in.n", "count:in.o.t"],
            &[&payload],
            r#"[{"key":"a","count":1,"count:o.t":0,"sum:n":2,"sum:in.n":3,"count:in.o.t":0}]"#,
        );
    }
}

#[test]
fn half_a_surrogate_pair_in_a_key_counts_as_a_replacement_character() {
    let payloads = [
        r#"{"k":"a\ud83db"}"#,
        r#"{"k":"a\udc00b"}"#,
        r#"{"k":"a\ud83d\ude00b"}"#,
    ];
    let expected = "[{\"key\":\"a\u{fffd}b\",\"count\":2},{\"key\":\"a\u{1f600}b\",\"count\":1}]";
    check("k", &["count"], &payloads, expected);
}

/// Nobody learned of events that a view left out.
#[test]
fn events_that_are_left_out_are_counted_by_why() {
    let spec = ViewSpec::new("k", &["count"], Some("Flight"), Some("1h:t")).unwrap();
    let spec = Arc::new(spec);
    let mut rows: Vec<_> = [
        r#"{"k":"a","t":0}"#,
        r#"{"k":"a","t":0"#,
        r#"{"t":0}"#,
        r#"{"k":null,"t":0}"#,
        r#"{"k":{"a":1},"t":0}"#,
        r#"{"k":"a"}"#,
        r#"{"k":"a","t":null}"#,
        r#"{"k":"a","t":"never"}"#,
        r#"{"k":"a","t":"never"}"#,
        r#"[1]"#,
    ]
    .map(flight)
    .into();
    rows.push(Row {
        event_type: "Other",
        ..flight("{}")
    });
    let state = state_of(&spec, &rows);
    let left_out = state.left_out();
    let counts = serde_json::to_string(&left_out).unwrap();
    assert_eq!(
        counts,
        r#"{"not_json":1,"no_key":3,"unusable_key":1,"no_time":2,"unreadable_time":2}"#
    );
    assert_eq!((left_out.total(), state.len()), (9, 1));
    let bytes = state.encode();
    let beginning = &bytes[..ViewState::BEGINNING_BYTES];
    assert_eq!(ViewState::left_out_in(beginning), Some(left_out));
    let kept = ViewState::decode(Arc::clone(&spec), &bytes).unwrap();
    assert_eq!(kept.left_out(), left_out);
    let both = MergedStates::new([&state, &kept]).left_out();
    assert_eq!(both.total(), 18);
}
