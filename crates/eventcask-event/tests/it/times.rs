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

#[test]
fn text_that_is_no_time_is_refused_with_a_sentence() {
    for text in [
        "",
        "yesterday",
        "2013-01-01",
        "2013-01-01T10:00:00",
        "2013-02-30T10:00:00Z",
        "1677-09-21T00:12:43Z",
        "2262-04-11T23:47:17Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ] {
        let error = text.parse::<Timestamp>().unwrap_err();
        assert!(matches!(error, Invalid::Time { .. }), "{text:?}");
        assert!(error.to_string().contains("is not a time"));
    }
    let long = "1".repeat(1 << 20).parse::<Timestamp>().unwrap_err();
    assert!(long.to_string().len() < 300);
}
