//! Which values are numbers, what is exact, and how numbers print.

use eventcask_project::Number;

use crate::support::{answer, flight, spec, state_of};

/// The answer of one aggregation over these values of one field.
fn check(aggregation: &str, values: &[&str], expected: &str) {
    let rows: Vec<_> = values
        .iter()
        .map(|value| flight(&format!(r#"{{"k":"x","a":{value}}}"#)))
        .collect();
    let answer = answer(&state_of(&spec("k", &[&format!("{aggregation}:a")]), &rows));
    assert_eq!(
        answer,
        format!(r#"[{{"key":"x","{aggregation}:a":{expected}}}]"#)
    );
}

#[test]
fn sums_are_exact_decimals() {
    check("sum", &["0.1", "0.2"], "0.3");
    check("sum", &["0.1"; 10], "1");
    check("sum", &["1e3", "-2.5E-2", "12"], "1011.975");
    check(
        "sum",
        &["9007199254740993", "0.0000000001"],
        "9007199254740993.0000000001",
    );
    check("sum", &["9223372036854775807", "1"], "9223372036854775808");
    check("sum", &["-0.05", "0"], "-0.05");
}

#[test]
fn whole_numbers_print_without_a_decimal_point() {
    check("sum", &["56.0"], "56");
    check("max", &["5.60e1"], "56");
    check("mean", &["55", "57"], "56");
    check("sum", &["-0.0"], "0");
    check("min", &["1.50"], "1.5");
}

#[test]
fn values_that_are_not_numbers_are_missing() {
    let values = ["null", "\"7\"", "true", "[7]", r#"{"a":7}"#, "3"];
    check("count", &values, "1");
    check("sum", &values, "3");
    check("min", &values, "3");
    check("max", &values, "3");
    check("mean", &values, "3");
}

#[test]
fn the_sum_of_none_is_zero_and_the_rest_is_null() {
    check("count", &["null"], "0");
    check("sum", &["null"], "0");
    check("min", &["null"], "null");
    check("max", &["null"], "null");
    check("mean", &["null"], "null");
}

#[test]
fn minimum_and_maximum_go_by_value() {
    let values = ["2", "-1.5", "10", "9.99", "-1.05"];
    check("min", &values, "-1.5");
    check("max", &values, "10");
    check("max", &["-3", "-2.50", "-2.5000001"], "-2.5");
    let far = ["170000000000000000000000000000000000000", "0.1", "-0.1"];
    check("max", &far, "170000000000000000000000000000000000000");
    check(
        "min",
        &["-1e38", "0.01", "-0.01"],
        "-100000000000000000000000000000000000000",
    );
}

#[test]
fn a_mean_is_the_nearest_float() {
    check("mean", &["1", "2"], "1.5");
    check("mean", &["0.1", "0.1", "0.1"], "0.1");
    check("mean", &["1", "1", "0"], "0.6666666666666666");
}

#[test]
fn zeros_take_no_digits() {
    let zeros = "0".repeat(60);
    check(
        "sum",
        &[&format!("1.{zeros}"), &format!("0.{zeros}e5")],
        "1",
    );
    check("sum", &[&format!("25{zeros}e-61")], "2.5");
    check("sum", &["0e999999999999999999999", "1"], "1");
}

#[test]
fn what_does_not_fit_becomes_a_float() {
    check("sum", &["1e39"], "1e39");
    check("sum", &["1e-39"], "1e-39");
    check("sum", &["1e38", "1e38"], "2e38");
    check("sum", &["1e38", "0.5"], "1e38");
    check("max", &["1e300", "5"], "1e300");
    check(
        "sum",
        &["1.2345678901234567890123456789012345678901"],
        "1.2345678901234567",
    );
    assert!(Number::from_json("1e38").unwrap().is_exact());
    assert!(!Number::from_json("1e39").unwrap().is_exact());
}

#[test]
fn what_fits_no_float_is_missing() {
    check("count", &["1e999", "-1e999", "1e99999999999999999999"], "0");
    check(
        "sum",
        &["1e308", "1e308", "1e308"],
        "1.7976931348623157e308",
    );
}

#[test]
fn only_json_numbers_are_numbers() {
    for text in [
        "", "-", "+1", ".5", "NaN", "inf", "Infinity", "\"1\"", "1x", "1.5.2", "0x10",
    ] {
        assert_eq!(Number::from_json(text), None, "{text}");
    }
    let number = Number::from_json("-12.50").unwrap();
    assert_eq!(
        (number.to_f64(), number.to_string().as_str()),
        (-12.5, "-12.5")
    );
}

#[test]
fn numbers_survive_a_json_value() {
    let rows = state_of(&spec("k", &["sum:a"]), &[flight(r#"{"k":"x","a":0.3}"#)]).rows();
    let value = serde_json::to_value(&rows).unwrap();
    assert_eq!(value[0]["sum:a"], 0.3);
}
