//! Events as lines of JSON, and text for people.

use std::num::NonZeroU64;

use eventcask::event::{Encoding, EventRef, Metadata};
use eventcask::{EventId, Timestamp};
use eventcask_cli::output::{Quiet, bytes, count, duration, escaped, write_event};

fn event(payload: &[u8]) -> EventRef<'_> {
    EventRef {
        key: "N14228",
        version: 1,
        shard: 3,
        position: 0,
        event_type: "Flight",
        schema: 1,
        encoding: Encoding::Json,
        shape: None,
        id: EventId::from_u128(0x0194_1f29_7c00_7000_8000_0000_0000_0001),
        commit_time: Timestamp::from_nanos(1_767_225_600_000_000_000),
        time: Some(Timestamp::from_nanos(1_357_034_400_000_000_000)),
        payload,
        metadata: Metadata::NONE,
    }
}

fn line(event: &EventRef<'_>) -> String {
    let mut out = Vec::new();
    write_event(&mut out, event);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn payload_of(payload: &[u8]) -> String {
    let line = line(&event(payload));
    let start = line.find("\"payload").expect("there is a payload");
    line[start..line.len() - 1].to_owned()
}

#[test]
fn an_event_has_its_fields_in_the_order_of_the_contract() {
    let expected = "{\"aggregate\":\"N14228\",\"version\":1,\"shard\":3,\"position\":0,\
        \"type\":\"Flight\",\"schema\":1,\"id\":\"01941f29-7c00-7000-8000-000000000001\",\
        \"commit_time\":\"2026-01-01T00:00:00Z\",\"time\":\"2013-01-01T10:00:00Z\",\
        \"payload\":{\"cents\":500}}";
    assert_eq!(line(&event(b"{\"cents\":500}")), expected);
}

#[test]
fn absent_fields_are_left_out() {
    let without = EventRef {
        time: None,
        ..event(b"1")
    };
    assert!(!line(&without).contains("\"time\""));
}

#[test]
fn a_shape_is_sixteen_hexadecimal_digits() {
    let archived = EventRef {
        encoding: Encoding::Bytes,
        shape: NonZeroU64::new(0x5eed),
        ..event(b"1")
    };
    let expected = "\"schema\":1,\"shape\":\"0000000000005eed\",\"id\":";
    assert!(line(&archived).contains(expected), "{}", line(&archived));
    assert!(!line(&event(b"1")).contains("shape"));
}

#[test]
fn a_json_payload_stands_as_it_is_stored() {
    let stored = "{ \"a\" : 1.50,\t\"b\":\"\u{e9}\" }";
    assert_eq!(
        payload_of(stored.as_bytes()),
        format!("\"payload\":{stored}")
    );
}

#[test]
fn line_breaks_in_a_json_payload_do_not_break_the_line() {
    let stored = b"{\n  \"a b\" : [ 1,\r\n 2 ],\n\t\"c\": \"x \\\" y\\n\"\n}\n";
    assert_eq!(
        payload_of(stored),
        "\"payload\":{\"a b\":[1,2],\"c\":\"x \\\" y\\n\"}"
    );
}

#[test]
fn what_is_not_json_appears_as_base64() {
    for (bytes, expected) in [
        (&b""[..], ""),
        (b"\xff", "/w=="),
        (b"{x", "e3g="),
        (b"abc", "YWJj"),
    ] {
        assert_eq!(
            payload_of(bytes),
            format!("\"payload_base64\":\"{expected}\"")
        );
    }
    let raw = EventRef {
        encoding: Encoding::Bytes,
        ..event(b"{}")
    };
    assert!(line(&raw).ends_with("\"payload_base64\":\"e30=\"}"));
}

#[test]
fn control_characters_of_keys_are_escaped() {
    let hostile = EventRef {
        key: "a\u{1b}[2J\u{9b}\u{7f}\"\n\u{e9}",
        ..event(b"1")
    };
    let expected = "{\"aggregate\":\"a\\u001b[2J\\u009b\\u007f\\\"\\n\u{e9}\",";
    assert!(line(&hostile).starts_with(expected), "{}", line(&hostile));
    assert_eq!(escaped("a\u{9b}b\u{202e}c"), "a\\u{9b}b\\u{202e}c");
}

#[test]
fn figures_are_shown_with_units() {
    assert_eq!(
        [count(0), count(999), count(1000), count(1_234_567)],
        ["0", "999", "1,000", "1,234,567"]
    );
    assert_eq!(
        [bytes(999), bytes(1000), bytes(999_960)],
        ["999 B", "1.0 kB", "1.0 MB"]
    );
    assert_eq!(bytes(u64::MAX), "18446744.1 TB");
    assert_eq!(
        duration(std::time::Duration::from_millis(59_000)),
        "59.00 s"
    );
}

/// What is written of text that comes in two pieces, wherever it is cut.
fn check_quiet(text: &str, expected: &str) {
    check_quiet_by(Quiet::default, text, expected);
    check_quiet_by(Quiet::at_terminal, text, expected);
}

fn check_quiet_by(quiet: fn() -> Quiet, text: &str, expected: &str) {
    for at in 0..=text.len() {
        let (mut quiet, mut shown) = (quiet(), Vec::new());
        quiet.filter(&text.as_bytes()[..at], &mut shown);
        quiet.filter(&text.as_bytes()[at..], &mut shown);
        assert_eq!(String::from_utf8_lossy(&shown), expected, "cut at {at}");
    }
}

#[test]
fn what_a_terminal_acts_on_is_escaped_also_where_it_is_cut_in_two() {
    check_quiet("{\"a\":\"b\"}\n", "{\"a\":\"b\"}\n");
    check_quiet("\u{7f}\u{80}\u{9b}\u{9f}", r"\u007f\u0080\u009b\u009f");
    check_quiet("a\u{9b}31mb\u{9b}", r"a\u009b31mb\u009b");
    // Others begin with the same byte, or hold the same bytes.
    check_quiet(
        "\u{a0}\u{e9}\u{bf}\u{20ac}\u{1f600}\u{500}",
        "\u{a0}\u{e9}\u{bf}\u{20ac}\u{1f600}\u{500}",
    );
    check_quiet(
        "\u{2010}\u{2060}\u{2203}\u{61b}\u{620}",
        "\u{2010}\u{2060}\u{2203}\u{61b}\u{620}",
    );
}

#[test]
fn what_turns_the_direction_of_text_is_escaped_at_a_terminal_only() {
    let turning = "a\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}b";
    let escaped = r"a\u061c\u200e\u200f\u202a\u202e\u2066\u2069b";
    check_quiet_by(Quiet::at_terminal, turning, escaped);
    check_quiet_by(Quiet::default, turning, turning);
}
