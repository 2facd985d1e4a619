//! What can be defined, and what is refused.

use eventcask_project::{MAX_AGGREGATIONS, MAX_PATH_DEPTH, SpecError, ViewSpec};

fn view(key: &str, aggregations: &[&str], window: Option<&str>) -> Result<ViewSpec, SpecError> {
    ViewSpec::new(key, aggregations, None, window)
}

#[test]
fn a_definition_survives_its_text() {
    let aggregations = ["count", "count:a.b", "sum:a", "min:a", "max:a", "mean:a"];
    let window = Some("15m:at \"noon\"");
    let spec = ViewSpec::new("customer.id", &aggregations, Some("Order"), window).unwrap();
    let again = ViewSpec::from_json(&spec.to_json()).unwrap();
    assert_eq!(again, spec);
    assert_eq!(again.to_json(), spec.to_json());
    assert_eq!(
        (again.key(), again.event_type()),
        ("customer.id", Some("Order"))
    );
    assert_eq!(again.window(), window);
    assert_eq!(again.aggregations().collect::<Vec<_>>(), aggregations);
}

#[test]
fn a_changed_definition_has_another_text() {
    let plain = view("a", &["count"], None).unwrap();
    let others = [
        view("b", &["count"], None),
        view("a", &["count", "sum:b"], None),
        view("a", &["count"], Some("1h:t")),
        ViewSpec::new("a", &["count"], Some("T"), None),
    ];
    for other in others.map(Result::unwrap) {
        assert_ne!(other.to_json(), plain.to_json());
        assert_ne!(other, plain);
    }
}

#[test]
fn paths_are_names_joined_by_dots() {
    let deep = vec!["a"; MAX_PATH_DEPTH].join(".");
    assert!(view(&deep, &["count"], None).is_ok());
    for path in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        &format!("{deep}.a"),
        &"x".repeat(1025),
    ] {
        assert!(
            matches!(view(path, &["count"], None), Err(SpecError::Path { .. })),
            "{path}"
        );
        let sum = format!("sum:{path}");
        assert!(
            matches!(view("a", &[&sum], None), Err(SpecError::Path { .. })),
            "{path}"
        );
        let window = format!("1h:{path}");
        let refused = view("a", &["count"], Some(&window));
        assert!(matches!(refused, Err(SpecError::Path { .. })), "{path}");
    }
}

#[test]
fn unknown_aggregations_are_refused() {
    for text in ["", "sum", "Count", "median:a", "count ", ":a"] {
        assert!(
            matches!(view("a", &[text], None), Err(SpecError::Aggregation { .. })),
            "{text}"
        );
    }
    assert_eq!(view("a", &[], None), Err(SpecError::NoAggregation));
    let twice = view("a", &["count", "count"], None);
    assert_eq!(
        twice,
        Err(SpecError::Duplicate {
            text: "count".to_owned()
        })
    );
}

#[test]
fn the_number_of_aggregations_has_a_limit() {
    let texts: Vec<_> = (0..=MAX_AGGREGATIONS)
        .map(|at| format!("sum:f{at}"))
        .collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    assert!(view("a", &texts[1..], None).is_ok());
    assert_eq!(
        view("a", &texts, None),
        Err(SpecError::TooManyAggregations { given: 65 })
    );
}

#[test]
fn windows_are_a_width_and_a_field() {
    for text in ["1s:t", "15m:t", "1h:t", "7d:t.u", "1h:a:b"] {
        assert!(view("a", &["count"], Some(text)).is_ok(), "{text}");
    }
    let huge = "9223372036854775807d:t";
    for text in [
        "", "1h", "h:t", "0h:t", "-1h:t", "+1h:t", "1.5h:t", "1w:t", "1é:t", huge,
    ] {
        let refused = view("a", &["count"], Some(text));
        assert!(matches!(refused, Err(SpecError::Window { .. })), "{text}");
    }
}

#[test]
fn an_event_type_that_no_event_has_is_refused() {
    let refused = ViewSpec::new("a", &["count"], Some(""), None);
    assert!(matches!(refused, Err(SpecError::EventType(_))));
}

#[test]
fn a_stored_text_of_another_shape_is_an_error() {
    let unknown = r#"{"key":"a","aggregations":["count"],"having":"b"}"#;
    for text in ["", "null", "[]", "{}", r#"{"key":"a"}"#, unknown] {
        assert!(
            matches!(ViewSpec::from_json(text), Err(SpecError::Json { .. })),
            "{text}"
        );
    }
    let none = ViewSpec::from_json(r#"{"key":"a","aggregations":[]}"#);
    assert_eq!(none, Err(SpecError::NoAggregation));
}

#[test]
fn rows_are_kept_for_a_time_where_there_are_windows() {
    let spec = |window| ViewSpec::new("k", &["count"], None, window).unwrap();
    let kept = spec(Some("1h:t")).keep("30d").unwrap();
    assert_eq!(
        kept.to_json(),
        r#"{"key":"k","window":"1h:t","keep":"30d","aggregations":["count"]}"#
    );
    assert_eq!(ViewSpec::from_json(&kept.to_json()).unwrap(), kept);
    assert_ne!(kept, spec(Some("1h:t")));
    let without = spec(None).keep("30d").unwrap_err().to_string();
    assert!(without.contains("no windows"), "{without}");
    for text in ["", "30", "d", "-1d", "0d", "30y", "99999999999d"] {
        let refused = spec(Some("1h:t")).keep(text).unwrap_err().to_string();
        assert!(
            refused.contains("30d is") || refused.contains("such as 30d"),
            "{refused}"
        );
    }
}
