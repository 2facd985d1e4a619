//! Rows of comma-separated values.

use eventcask_cli::input::{RowSpec, TypeFrom};

use crate::support::{Dripping, checks_of, rows_of, rows_of_stream};

fn check(file: &str, spec: &RowSpec, expected: &[&str]) {
    assert_eq!(rows_of("f.csv", file.as_bytes(), spec), expected);
    let dripping = Dripping::new(file.as_bytes());
    assert_eq!(
        rows_of_stream("f.csv", dripping, spec),
        expected,
        "a byte at a time"
    );
}

fn by_k() -> RowSpec {
    RowSpec::new("k")
}

#[test]
fn a_payload_is_an_object_of_the_columns_in_order() {
    check(
        "b,k,a\n1,x,\n,y,z\n",
        &by_k(),
        &[
            "0:2 x {\"b\":1,\"k\":\"x\",\"a\":\"\"}",
            "1:3 y {\"b\":\"\",\"k\":\"y\",\"a\":\"z\"}",
        ],
    );
}

#[test]
fn json_numbers_keep_their_text_and_all_else_is_text() {
    for number in [
        "0",
        "-0",
        "12",
        "-1.50",
        "1e5",
        "1E-5",
        "0.1e+10",
        "123456789012345678901234567890",
        "1e308",
        "0e999",
    ] {
        let file = format!("k,v\na,{number}\n");
        check(
            &file,
            &by_k(),
            &[&format!("0:2 a {{\"k\":\"a\",\"v\":{number}}}")],
        );
    }
    for text in [
        "007", "+1", "1.", ".5", "-", "1e", "1e+", "0x1f", "NaN", "Infinity", "true", "null",
        "1_000", "--1", "1.2.3", "1 2", " ", "- 1",
    ] {
        let file = format!("k,v\na,{text}\n");
        check(
            &file,
            &by_k(),
            &[&format!("0:2 a {{\"k\":\"a\",\"v\":\"{text}\"}}")],
        );
    }
}

/// A part number such as 7e12345 became a JSON number that every reader takes for infinity.
#[test]
fn a_code_that_no_reader_can_hold_as_a_number_is_text() {
    let many = "9".repeat(400);
    for text in ["7e12345", "12e400", "-1E309", "1e-400", &many] {
        let file = format!("k,v\na,{text}\n");
        check(
            &file,
            &by_k(),
            &[&format!("0:2 a {{\"k\":\"a\",\"v\":\"{text}\"}}")],
        );
    }
}

/// A space after a comma made text of a whole column of numbers, and sums of it were 0.
#[test]
fn blanks_around_a_number_do_not_make_it_text() {
    check(
        "k, v,t\na, 1, x\nb,\t-2.50 ,y \nc,\" 3\",z\n",
        &by_k(),
        &[
            "0:2 a {\"k\":\"a\",\" v\":1,\"t\":\" x\"}",
            "1:3 b {\"k\":\"b\",\" v\":-2.50,\"t\":\"y \"}",
            "2:4 c {\"k\":\"c\",\" v\":3,\"t\":\"z\"}",
        ],
    );
    check(
        "v, k\n1, 7\n",
        &RowSpec::new(" k"),
        &["0:2 7 {\"v\":1,\" k\":7}"],
    );
}

/// The rest of the file became one row. It is an error with the line of the quote.
#[test]
fn a_quote_that_is_never_closed_is_refused_with_its_line() {
    let open = |line: u64| {
        format!("exit 2: f.csv:{line}: a quote is opened in this line and never closed")
    };
    check("k,v\na,\"Bonn\nb,Kiel\nc,Ulm\n", &by_k(), &[&open(2)]);
    check(
        "k,v\na,1\n\r\n\nb,\"Ki",
        &by_k(),
        &["0:2 a {\"k\":\"a\",\"v\":1}", &open(5)],
    );
    check("k,v\n\"a\n\nb\",\"x\"\"\n", &by_k(), &[&open(4)]);
    check("k,\"v\na,Bonn\nb,Kiel\n", &by_k(), &[&open(1)]);
    check("\u{feff}\"k\n", &by_k(), &[&open(1)]);
    check("k\n\"", &by_k(), &[&open(2)]);
    // A record that is too long to be held goes by, and its quotes with it.
    let spec = RowSpec {
        payload_bytes_max: 64,
        ..by_k()
    };
    let long = "x\n".repeat(9000);
    let file = format!("k,v\na,1\n\"{long}\",\"{long}");
    let said = rows_of("f.csv", file.as_bytes(), &spec);
    assert_eq!(said.last(), Some(&open(9003)));
    // What is no quote of a field opens nothing.
    check(
        "k,v\na,5\" pipe\nb, \"x\nc,\"\"",
        &by_k(),
        &[
            "0:2 a {\"k\":\"a\",\"v\":\"5\\\" pipe\"}",
            "1:3 b {\"k\":\"b\",\"v\":\" \\\"x\"}",
            "2:4 c {\"k\":\"c\",\"v\":\"\"}",
        ],
    );
}

/// A missing quote that a later one seems to close swallows the rows between them in silence.
#[test]
fn a_quote_that_is_closed_in_the_middle_of_a_later_field_is_one_rejected_row() {
    check(
        "k,v\na,\"Bonn\nb,\"Kiel\"\nc,Ulm\n\"d\ne\",1\n",
        &by_k(),
        &[
            "0:2 NO a quote that is opened in line 2 is closed in the middle of a field of a later line, as where one is missing",
            "1:4 c {\"k\":\"c\",\"v\":\"Ulm\"}",
            "2:5 d\ne {\"k\":\"d\\ne\",\"v\":1}",
        ],
    );
    // Lines may end in a CR alone.
    check(
        "k,v\ra,\"Bonn\rb,\"Kiel\"\rc,Ulm\r",
        &by_k(),
        &[
            "0:1 NO a quote that is opened in line 1 is closed in the middle of a field of a later line, as where one is missing",
            "1:1 c {\"k\":\"c\",\"v\":\"Ulm\"}",
        ],
    );
    check(
        "k,v\n\"a\"b,1\n",
        &by_k(),
        &["0:2 ab {\"k\":\"ab\",\"v\":1}"],
    );
}

#[test]
fn texts_are_escaped_as_json_wants_it() {
    check(
        "k,v\na,\"say \"\"hi\"\" \\ \u{1b}[2J\u{9b}\u{e9}\"\n",
        &by_k(),
        &["0:2 a {\"k\":\"a\",\"v\":\"say \\\"hi\\\" \\\\ \\u001b[2J\\u009b\u{e9}\"}"],
    );
}

#[test]
fn the_null_text_becomes_null_and_is_missing_as_a_key() {
    let spec = RowSpec {
        null: Some("NA".into()),
        time: Some("t".into()),
        ..by_k()
    };
    check(
        "k,v,t\nNA,1,NA\na,NA,NA\n",
        &spec,
        &[
            "0:2 NO the key is missing: field \"k\" is null",
            "1:3 a {\"k\":\"a\",\"v\":null,\"t\":null}",
        ],
    );
    let zero = RowSpec {
        null: Some("0".into()),
        ..by_k()
    };
    check("k,v\na,0\n", &zero, &["0:2 a {\"k\":\"a\",\"v\":null}"]);
}

#[test]
fn a_row_may_span_lines_within_quotes_and_is_named_by_its_first() {
    check(
        "k,v\na,\"1\n2\"\n\nb,3\n",
        &by_k(),
        &[
            "0:2 a {\"k\":\"a\",\"v\":\"1\\n2\"}",
            "1:5 b {\"k\":\"b\",\"v\":3}",
        ],
    );
}

#[test]
fn lines_may_end_in_cr_lf() {
    check(
        "k,v\r\na,1\r\nb\r\nc,3",
        &by_k(),
        &[
            "0:2 a {\"k\":\"a\",\"v\":1}",
            "1:3 NO the row has 1 fields where the header has 2",
            "2:4 c {\"k\":\"c\",\"v\":3}",
        ],
    );
}

#[test]
fn a_row_with_another_number_of_fields_is_rejected() {
    check(
        "k,v\na\nb,1,2\nc,\"open\nd,4\"\n",
        &by_k(),
        &[
            "0:2 NO the row has 1 fields where the header has 2",
            "1:3 NO the row has 3 fields where the header has 2",
            "2:4 c {\"k\":\"c\",\"v\":\"open\\nd,4\"}",
        ],
    );
    check(
        "k,v\na,1,\"open\nd,4\"\n",
        &by_k(),
        &[
            "0:2 NO the row has 3 fields where the header has 2; it goes on to line 3, as after a quote that is not closed",
        ],
    );
}

#[test]
fn a_row_too_long_to_be_held_goes_by() {
    let spec = RowSpec {
        payload_bytes_max: 64,
        ..by_k()
    };
    let long = "x".repeat(2 << 20);
    let file = format!("k,v\na,\"{long}\n\n\"\nb,2\n");
    let rows = rows_of("f.csv", file.as_bytes(), &spec);
    let expected = [
        "0:2 NO the payload is over the limit of 64 bytes; it goes on to line 4, as after a quote that is not closed",
        "1:5 b {\"k\":\"b\",\"v\":2}",
    ];
    assert_eq!(rows, expected);
    let file = format!("k,v\na,{}\nb,2\n", &long[..80]);
    check(
        &file,
        &spec,
        &[
            "0:2 NO the payload is over the limit of 64 bytes",
            "1:3 b {\"k\":\"b\",\"v\":2}",
        ],
    );
}

#[test]
fn blank_lines_are_no_rows_however_many() {
    let spec = RowSpec {
        payload_bytes_max: 64,
        ..by_k()
    };
    let blank = "\r\n".repeat(300_000);
    let file = format!("{blank}k\na\n{blank}b\n{blank}");
    let rows = rows_of("f.csv", file.as_bytes(), &spec);
    assert_eq!(
        rows,
        ["0:300002 a {\"k\":\"a\"}", "1:600003 b {\"k\":\"b\"}"]
    );
}

#[test]
fn bytes_that_are_not_utf8_are_rejected() {
    let rows = rows_of("f.csv", b"k,v\na,\xff\n\xc3,\xa9\nb,1\n", &by_k());
    let expected = [
        "0:2 NO the field \"v\" is not UTF-8 text",
        "1:3 NO the field \"k\" is not UTF-8 text",
        "2:4 b {\"k\":\"b\",\"v\":1}",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_header_that_can_not_serve_is_an_error_at_once() {
    let twice = "exit 2: f.csv:1: the header names the column \"v\" twice";
    check("k,v,v\na,1,2\n", &by_k(), &[twice]);
    check(
        "",
        &by_k(),
        &["exit 2: f.csv:1: there is no header line that names the columns"],
    );
    let lacks = |column: &str| {
        format!("exit 2: f.csv:1: the header has no column \"{column}\"; it has key, v")
    };
    check("key,v\na,1\n", &by_k(), &[&lacks("k")]);
    let by_key = RowSpec::new("key");
    let others = [
        RowSpec {
            event_type: TypeFrom::Field("x".into()),
            ..by_key.clone()
        },
        RowSpec {
            time: Some("x".into()),
            ..by_key.clone()
        },
        RowSpec {
            id: Some("x".into()),
            ..by_key.clone()
        },
    ];
    for spec in &others {
        check("key,v\na,1\n", spec, &[&lacks("x")]);
    }
}

#[test]
fn the_parts_of_an_event_come_from_columns_of_any_name() {
    let spec = RowSpec {
        event_type: TypeFrom::Field("a.type".into()),
        time: Some("t".into()),
        id: Some("i".into()),
        ..RowSpec::new("a.b")
    };
    let id = eventcask::EventId::from_name("row 1");
    check(
        "a.b,a.type,t,i\nx,Sold,1357034400,row 1\n",
        &spec,
        &[&format!(
            "0:2 x Sold at 2013-01-01T10:00:00Z id {id} {{\"a.b\":\"x\",\"a.type\":\"Sold\",\"t\":1357034400,\"i\":\"row 1\"}}"
        )],
    );
}

#[test]
fn the_check_is_of_the_header_and_all_rows_so_far_and_never_changes() {
    let checks = checks_of("f.csv", b"k,v\na,1\nbad\nb,2\n", &by_k());
    assert_eq!(
        checks,
        [
            0xa2bd_70a5_7ff9_3719,
            0x9ca0_dabb_e0a0_e650,
            0xcdda_3f2c_4762_4717
        ]
    );
    assert_eq!(
        checks,
        checks_of("f.csv", b"k,v\r\na,1\r\nbad\r\nb,2", &by_k())
    );
    assert_ne!(checks[0], checks_of("f.csv", b"k,w\na,1\n", &by_k())[0]);
}

/// Where lines end with a carriage return alone, all of them are the first one.
#[test]
fn rows_may_end_with_a_carriage_return_and_lines_are_counted_by_line_feeds() {
    let spec = RowSpec::new("k");
    assert_eq!(
        rows_of("f.csv", b"k,v\ra,1\r,2\r", &spec),
        [
            "0:1 a {\"k\":\"a\",\"v\":1}",
            "1:1 NO the key in field \"k\" is empty"
        ]
    );
}
