//! Points in time.

use eventcask_event::{Invalid, Timestamp};

fn nanos(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_nanos()
}

#[test]
fn a_time_is_shown_with_as_many_decimals_as_it_has_and_read_back() {
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_357_034_400_500_000_000, "2013-01-01T10:00:00.5Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        (i64::MIN + 1, "1677-09-21T00:12:43.145224193Z"),
    ] {
        let time = Timestamp::from_nanos(nanos);
        assert_eq!(time.to_string(), text);
        assert_eq!(text.parse(), Ok(time));
    }
}

#[test]
fn any_time_is_read_back() {
    let seed = 6;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let time = Timestamp::from_nanos(random.i64(..));
        assert_eq!(time.to_string().parse(), Ok(time), "seed {seed}: {time}");
    }
}

#[test]
fn an_offset_is_taken_into_account() {
    assert_eq!(
        nanos("2013-01-01T05:00:00-05:00"),
        nanos("2013-01-01T10:00:00Z")
    );
    assert_eq!(nanos("1970-01-01T00:00:00+00:00"), 0);
}

#[test]
fn the_lowest_number_of_all_stands_for_no_time_and_is_no_time() {
    let lowest = Timestamp::from_nanos(i64::MIN);
    assert_eq!(lowest.as_nanos(), i64::MIN + 1);
    assert_eq!(lowest, Timestamp::from_nanos(i64::MIN + 1));
    assert!(lowest < Timestamp::from_nanos(i64::MIN + 2));
}

/// What is taken, and as which time.
#[test]
fn a_time_may_be_written_as_programs_write_it() {
    for (text, time) in [
        ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z"),
        ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"),
        ("1990-12-31T23:59:60Z", "1990-12-31T23:59:59Z"),
        ("1990-12-31T15:59:60.25-08:00", "1990-12-31T23:59:59.25Z"),
        ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.87Z"),
        ("2024-02-29t12:00:00z", "2024-02-29T12:00:00Z"),
        ("2024-02-29 12:00:00+00", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00,5+0130", "2024-02-29T10:30:00.5Z"),
        ("2024-02-29T12:00Z", "2024-02-29T12:00:00Z"),
        (
            "2024-02-29T12:00+01:00[Europe/Berlin]",
            "2024-02-29T11:00:00Z",
        ),
        ("2024-02-29T12:00:00-00:00", "2024-02-29T12:00:00Z"),
        ("2024-02-29T12:00:00+23:59", "2024-02-28T12:01:00Z"),
        (" 2024-02-29T12:00:00Z\t", "2024-02-29T12:00:00Z"),
        (
            "2024-02-29T12:00:00.123456789999Z",
            "2024-02-29T12:00:00.123456789Z",
        ),
        (
            "1969-12-31T23:59:59.9999999999Z",
            "1969-12-31T23:59:59.999999999Z",
        ),
    ] {
        assert_eq!(nanos(text), nanos(time), "{text}");
    }
}

/// The unit is the largest in which the time is in range.
#[test]
fn a_number_counts_from_1970_in_the_unit_that_its_size_tells() {
    for (text, time) in [
        ("0", "1970-01-01T00:00:00Z"),
        ("1764400000", "2025-11-29T07:06:40Z"),
        ("1.7644E9", "2025-11-29T07:06:40Z"),
        ("17644e+5", "2025-11-29T07:06:40Z"),
        ("17644000000e-1", "2025-11-29T07:06:40Z"),
        ("0001764400000", "2025-11-29T07:06:40Z"),
        ("1764400000.5", "2025-11-29T07:06:40.5Z"),
        ("1764400000.1234567899", "2025-11-29T07:06:40.123456789Z"),
        ("1764400000123", "2025-11-29T07:06:40.123Z"),
        ("1764400000123.25", "2025-11-29T07:06:40.12325Z"),
        ("1.764400000123E12", "2025-11-29T07:06:40.123Z"),
        ("1764400000123456", "2025-11-29T07:06:40.123456Z"),
        ("1764400000123456789", "2025-11-29T07:06:40.123456789Z"),
        ("86400000000", "1972-09-27T00:00:00Z"),
        ("-86400000000", "1967-04-07T00:00:00Z"),
        ("-86400", "1969-12-31T00:00:00Z"),
        ("-0.0000000001", "1969-12-31T23:59:59.999999999Z"),
        ("1e-999999999999", "1970-01-01T00:00:00Z"),
        ("0e999999999999", "1970-01-01T00:00:00Z"),
        ("9223372036", "2262-04-11T23:47:16Z"),
        ("9223372037", "1970-04-17T18:02:52.037Z"),
    ] {
        assert_eq!(nanos(text), nanos(time), "{text}");
    }
    assert_eq!(nanos("9223372036854775807"), i64::MAX);
    assert_eq!(nanos("-9223372036854775808"), i64::MIN + 1);
}

#[test]
fn text_that_is_no_time_is_refused_with_a_sentence() {
    for text in [
        "",
        "yesterday",
        "2013-01-01",
        "2013-01-01T10:00:00",
        "2013-02-30T10:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2018-02-14T00:28:07.Z",
        "2018-06-15T12:30:60Z",
        "2018-06-15T23:59:60+01:00",
        "2018-06-15T12:30:61Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+01:60",
        "2024-01-01T00:00:00+1",
        "2024-01-01T00:00:00Z[",
        "2024-01-01T00:00:00Zulu",
        "+002024-01-01T00:00:00Z",
        "1e",
        "1.",
        ".5",
        "+5",
        "0x10",
        "NaN",
        "1 000",
    ] {
        let error = text.parse::<Timestamp>().unwrap_err();
        assert!(matches!(error, Invalid::Time { .. }), "{text:?}");
        assert!(error.to_string().contains("is not a time"));
    }
}

/// A time that exists and can not be kept was said not to be one.
#[test]
fn a_time_out_of_range_is_refused_as_what_it_is() {
    for text in [
        "1677-09-21T00:12:43Z",
        "2262-04-11T23:47:17Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00+10:00",
        "9223372036854775808",
        "-9223372036854775809",
        "1e40",
        "1e999999999999",
    ] {
        let error = text.parse::<Timestamp>().unwrap_err();
        assert!(matches!(error, Invalid::TimeRange { .. }), "{text:?}");
        assert!(error.to_string().contains("out of range"));
    }
    let long = "1".repeat(1 << 20).parse::<Timestamp>().unwrap_err();
    assert!(long.to_string().len() < 300);
}
