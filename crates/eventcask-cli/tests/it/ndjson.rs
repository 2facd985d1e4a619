//! Rows of one JSON object a line.

use eventcask_cli::input::{RowSpec, TypeFrom};

use crate::support::{Dripping, checks_of, rows_of, rows_of_stream};

fn check(file: &str, spec: &RowSpec, expected: &[&str]) {
    assert_eq!(rows_of("f.ndjson", file.as_bytes(), spec), expected);
    let dripping = Dripping::new(file.as_bytes());
    assert_eq!(
        rows_of_stream("f.ndjson", dripping, spec),
        expected,
        "a byte at a time"
    );
}

fn by_k() -> RowSpec {
    RowSpec::new("k")
}

fn small() -> RowSpec {
    RowSpec {
        payload_bytes_max: 40,
        ..by_k()
    }
}

#[test]
fn a_payload_is_the_text_of_its_row_byte_for_byte() {
    check(
        "  { \"k\" : \"a\",  \"n\":1.50e+1 }\t\r\n{\"k\":\"b\"}",
        &by_k(),
        &[
            "0:1 a { \"k\" : \"a\",  \"n\":1.50e+1 }",
            "1:2 b {\"k\":\"b\"}",
        ],
    );
}

#[test]
fn blank_lines_are_no_rows_but_count_as_lines() {
    check(
        "\n{\"k\":1}\n\n  \r\n{\"k\":2}\n\n",
        &by_k(),
        &["0:2 1 {\"k\":1}", "1:5 2 {\"k\":2}"],
    );
}

#[test]
fn a_byte_order_mark_is_stepped_over() {
    check("\u{feff}{\"k\":1}\n", &by_k(), &["0:1 1 {\"k\":1}"]);
}

#[test]
fn a_file_without_rows_has_none() {
    check("", &by_k(), &[]);
    check("\n\n", &by_k(), &[]);
}

#[test]
fn keys_are_found_by_a_dotted_path() {
    let spec = RowSpec::new("a.b.c");
    check(
        "{\"a\":{\"b\":{\"c\":\"x\"}}}\n{\"a\":{\"b\":7}}\n{\"a\":1}\n{\"a.b.c\":2}\n",
        &spec,
        &[
            "0:1 x {\"a\":{\"b\":{\"c\":\"x\"}}}",
            "1:2 NO the key is missing: there is no field \"a.b.c\"",
            "2:3 NO the key is missing: there is no field \"a.b.c\"",
            "3:4 2 {\"a.b.c\":2}",
        ],
    );
}

#[test]
fn of_two_members_of_one_name_the_later_counts() {
    check("{\"k\":1,\"k\":2}\n", &by_k(), &["0:1 2 {\"k\":1,\"k\":2}"]);
}

#[test]
fn the_text_of_a_key_is_what_its_escapes_say() {
    let row = r#"{"\u006b":"\u00e9\n\"\ud83d\ude00"}"#;
    check(row, &by_k(), &[&format!("0:1 \u{e9}\n\"\u{1f600} {row}")]);
}

#[test]
fn numbers_are_keys_by_their_text() {
    check("{\"k\":-1.0}\n", &by_k(), &["0:1 -1.0 {\"k\":-1.0}"]);
}

#[test]
fn what_can_not_be_a_key_is_rejected_with_the_reason() {
    let long = "x".repeat(1025);
    let too_long = format!("{{\"k\":\"{long}\"}}\n{{\"k\":\"{}\"}}\n", &long[1..]);
    let rows = rows_of("f.ndjson", too_long.as_bytes(), &by_k());
    assert_eq!(
        rows[0],
        "0:1 NO the aggregate's key has 1025 bytes; at most 1024 are allowed"
    );
    assert!(rows[1].starts_with("1:2 xxx"));
    check(
        "{}\n{\"k\":null}\n{\"k\":\"\"}\n{\"k\":true}\n{\"k\":[1]}\n{\"k\":{}}\n{\"k\":\"\\ud800\"}\n",
        &by_k(),
        &[
            "0:1 NO the key is missing: there is no field \"k\"",
            "1:2 NO the key is missing: field \"k\" is null",
            "2:3 NO the key in field \"k\" is empty",
            "3:4 NO the key in field \"k\" is true or false, not text or a number",
            "4:5 NO the key in field \"k\" is an array, not text or a number",
            "5:6 NO the key in field \"k\" is an object, not text or a number",
            "6:7 NO the key in field \"k\" is text with a broken escape, not text or a number",
        ],
    );
}

#[test]
fn the_null_text_stands_for_a_missing_value() {
    let spec = RowSpec {
        null: Some("NA".into()),
        time: Some("t".into()),
        ..by_k()
    };
    check(
        "{\"k\":\"NA\"}\n{\"k\":\"\\u004eA\"}\n{\"k\":1,\"t\":\"NA\"}\n",
        &spec,
        &[
            "0:1 NO the key is missing: field \"k\" is null",
            "1:2 NO the key is missing: field \"k\" is null",
            "2:3 1 {\"k\":1,\"t\":\"NA\"}",
        ],
    );
}

#[test]
fn what_is_not_a_json_object_is_rejected_and_the_next_row_is_read() {
    check(
        "[1]\n{\"k\":1\n{\"k\":01}\n{\"k\":1}}\n{\"k\":nul}\n{\"k\":\"a\tb\"}\n12\n{\"k\":2}\n",
        &by_k(),
        &[
            "0:1 NO the row is not a JSON object; one object a line is expected",
            "1:2 NO the row is not JSON: EOF while parsing an object in column 6",
            "2:3 NO the row is not JSON: invalid number in column 7",
            "3:4 NO the row is not JSON: trailing characters in column 8",
            "4:5 NO the row is not JSON: expected ident in column 9",
            "5:6 NO the row is not JSON: control character (\\u0000-\\u001F) found while parsing a string in column 7",
            "6:7 NO the row is not a JSON object; one object a line is expected",
            "7:8 2 {\"k\":2}",
        ],
    );
}

#[test]
fn bytes_that_are_not_utf8_are_rejected() {
    let rows = rows_of("f.ndjson", b"{\"k\":\"\xff\"}\n{\"k\":1}", &by_k());
    assert_eq!(
        rows,
        ["0:1 NO the row is not UTF-8 text", "1:2 1 {\"k\":1}"]
    );
}

#[test]
fn nesting_is_taken_to_127_levels_and_no_further() {
    let nested = |levels: usize| {
        format!(
            "{{\"k\":1,\"v\":{}{}}}\n",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    let too_deep = "NO the row nests deeper than 127 levels";
    assert!(rows_of("f.ndjson", nested(127).as_bytes(), &by_k())[0].starts_with("0:1 1 "));
    check(&nested(128), &by_k(), &[&format!("0:1 {too_deep}")]);
    let endless = "{\"k\":".to_owned() + &"[".repeat(500_000);
    assert_eq!(
        rows_of("f.ndjson", endless.as_bytes(), &by_k()),
        [format!("0:1 {too_deep}")]
    );
    let text = format!(
        "{{\"k\":1,\"v\":\"{}\\\"{}\"}}",
        "[".repeat(200),
        "{".repeat(200)
    );
    assert_eq!(
        rows_of("f.ndjson", text.as_bytes(), &by_k()),
        [format!("0:1 1 {text}")]
    );
}

#[test]
fn a_payload_over_the_limit_is_rejected_and_the_next_row_is_read() {
    let row = |len: usize| format!("{{\"k\":1,\"v\":\"{}\"}}", "x".repeat(len - 14));
    let file = format!("{}\n{}\n{{\"k\":2}}\n", row(40), row(41));
    let over = "1:2 NO the payload is over the limit of 40 bytes";
    check(
        &file,
        &small(),
        &[&format!("0:1 1 {}", row(40)), over, "2:3 2 {\"k\":2}"],
    );
}

#[test]
fn a_line_too_long_to_be_held_goes_by() {
    let file = format!("{{\"k\":\"{}\"}}\n{{\"k\":2}}\n", "x".repeat(3 << 20));
    let expected = [
        "0:1 NO the payload is over the limit of 40 bytes",
        "1:2 2 {\"k\":2}",
    ];
    assert_eq!(rows_of("f.ndjson", file.as_bytes(), &small()), expected);
    let longest = format!("{{\"k\":\"{}\"}}", "x".repeat(5000));
    check(
        &longest,
        &small(),
        &["0:1 NO the payload is over the limit of 40 bytes"],
    );
}

#[test]
fn types_come_from_a_field_or_are_the_same_for_all() {
    let field = RowSpec {
        event_type: TypeFrom::Field("t".into()),
        ..by_k()
    };
    check(
        "{\"k\":1,\"t\":\"Sold\"}\n{\"k\":1}\n{\"k\":1,\"t\":\"\"}\n",
        &field,
        &[
            "0:1 1 Sold {\"k\":1,\"t\":\"Sold\"}",
            "1:2 NO the event type is missing: there is no field \"t\"",
            "2:3 NO the event type in field \"t\" is empty",
        ],
    );
    let long = format!("{{\"k\":1,\"t\":\"{}\"}}\n", "t".repeat(256));
    check(
        &long,
        &field,
        &["0:1 NO the event type's name has 256 bytes; at most 255 are allowed"],
    );
    let name = RowSpec {
        event_type: TypeFrom::Name("Sold".into()),
        ..by_k()
    };
    check("{\"k\":1}\n", &name, &["0:1 1 Sold {\"k\":1}"]);
}

#[test]
fn times_are_rfc_3339_or_a_count_since_1970() {
    let spec = RowSpec {
        time: Some("t".into()),
        ..by_k()
    };
    let cases = [
        ("\"2013-01-01T10:00:00Z\"", "at 2013-01-01T10:00:00Z"),
        (
            "\"2013-01-01T12:00:00.25+02:00\"",
            "at 2013-01-01T10:00:00.25Z",
        ),
        ("1357034400", "at 2013-01-01T10:00:00Z"),
        ("1357034400.000000001", "at 2013-01-01T10:00:00.000000001Z"),
        ("1357034400250", "at 2013-01-01T10:00:00.25Z"),
        ("1357034400250000", "at 2013-01-01T10:00:00.25Z"),
        ("1357034400250000001", "at 2013-01-01T10:00:00.250000001Z"),
        ("\"1357034400\"", "at 2013-01-01T10:00:00Z"),
        ("-1", "at 1969-12-31T23:59:59Z"),
        ("1e9", "at 2001-09-09T01:46:40Z"),
        ("\"1.357e9\"", "at 2013-01-01T00:26:40Z"),
        ("86400000000", "at 1972-09-27T00:00:00Z"),
    ];
    for (time, expected) in cases {
        let row = format!("{{\"k\":1,\"t\":{time}}}");
        check(&row, &spec, &[&format!("0:1 1 {expected} {row}")]);
    }
    let none = ["{\"k\":1}", "{\"k\":1,\"t\":null}", "{\"k\":1,\"t\":\"\"}"];
    for row in none {
        check(row, &spec, &[&format!("0:1 1 {row}")]);
    }
    for (time, what) in [
        ("\"soon\"", "is not a time"),
        ("\"-\"", "is not a time"),
        ("\"2013-01-01T10:00:00\"", "is not a time"),
        ("\"9999-12-31T23:59:59Z\"", "is a time out of range"),
        ("1e19", "is a time out of range"),
    ] {
        let row = format!("{{\"k\":1,\"t\":{time}}}");
        let said = rows_of("f.ndjson", row.as_bytes(), &spec).remove(0);
        let text = time.trim_matches('"');
        let expected = format!("0:1 NO the time in field \"t\": {text:?} {what}: ");
        assert!(said.starts_with(&expected), "{said}");
    }
    check(
        "{\"k\":1,\"t\":false}",
        &spec,
        &["0:1 NO the time in field \"t\" is true or false, not text or a number"],
    );
}

#[test]
fn ids_are_uuids_as_they_are_and_other_text_by_its_hash() {
    let spec = RowSpec {
        id: Some("i".into()),
        ..by_k()
    };
    let hashed = eventcask::EventId::from_name("7");
    check(
        "{\"k\":1,\"i\":\"01941F29-7c00-7000-8000-000000000001\"}\n{\"k\":1,\"i\":7}\n{\"k\":1,\"i\":\"7\"}\n{\"k\":1}\n{\"k\":1,\"i\":\"00000000000000000000000000000000\"}",
        &spec,
        &[
            "0:1 1 id 01941f29-7c00-7000-8000-000000000001 {\"k\":1,\"i\":\"01941F29-7c00-7000-8000-000000000001\"}",
            &format!("1:2 1 id {hashed} {{\"k\":1,\"i\":7}}"),
            &format!("2:3 1 id {hashed} {{\"k\":1,\"i\":\"7\"}}"),
            "3:4 NO the id is missing: there is no field \"i\"",
            "4:5 NO the id 00000000-0000-0000-0000-000000000000 is reserved; leave the id out instead",
        ],
    );
}

#[test]
fn the_check_is_of_all_rows_so_far_and_never_changes() {
    let file = b"{\"k\":1}\nno\n{\"k\":2}\n";
    let checks = checks_of("f.ndjson", file, &by_k());
    assert_eq!(
        checks,
        [
            0x5d3b_d6a8_2185_709f,
            0x2d6b_1890_99df_89cf,
            0x7788_ec17_754d_4f51
        ]
    );
    let spaced = checks_of("f.ndjson", b"\n {\"k\":1}\r\nno\n{\"k\":2}", &by_k());
    assert_eq!(checks, spaced, "blanks around a row do not count");
    let other = checks_of("f.ndjson", b"{\"k\":3}\nno\n{\"k\":2}\n", &by_k());
    assert!(
        checks
            .iter()
            .zip(&other)
            .all(|(one, another)| one != another)
    );
}
