//! `eventcask append`.

use serde_json::json;

use crate::binary::Place;

#[test]
fn a_first_event_is_stored_without_a_program() {
    let place = Place::new();
    let said = place.ok(&["append", "account-42", "Opened", r#"{"owner":"Ada"}"#]);
    assert!(
        said.starts_with("account-42 version 1, at position 0 of shard "),
        "{said}"
    );
    let args = [
        "append",
        "account-42",
        "Deposited",
        " {\"cents\": 5.00}\n",
        "--time",
        "1357034400",
    ];
    let said = place.json(&args);
    assert_eq!(
        (&said["version"], &said["duplicate"]),
        (&2.into(), &false.into())
    );
    let events = place.export(&[]);
    assert_eq!(events[1]["time"], "2013-01-01T10:00:00Z");
    assert_eq!(events[1]["type"], "Deposited");
    assert_eq!(events[1]["shard"], said["shard"]);
    assert!(place.ok(&["export"]).contains("{\"cents\": 5.00}"));
}

#[test]
fn json_comes_from_standard_input_as_well() {
    let place = Place::new();
    let said = place.piped(&["append", "a", "T", "-"], b"[1,\n2]\n");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(place.payloads()["a"], [json!([1, 2])]);
}

#[test]
fn what_the_aggregate_is_expected_to_be_like_is_checked() {
    let place = Place::new();
    let append = |expect: &str| {
        place
            .run(&["append", "a", "T", "1", "--expect", expect])
            .code
    };
    for (expect, code) in [
        ("exists", 1),
        ("1", 1),
        ("none", 0),
        ("none", 1),
        ("0", 1),
        ("1", 0),
        ("any", 0),
        ("exists", 0),
        ("3", 1),
        ("4", 0),
        ("some", 2),
        ("-1", 2),
    ] {
        assert_eq!(append(expect), Some(code), "{expect}");
    }
    let said = place.fails(1, &["append", "a", "T", "1", "--expect", "none"]);
    assert!(said.contains("has version 5"), "{said}");
}

#[test]
fn an_event_with_an_id_is_stored_once() {
    let place = Place::new();
    let append = |json| place.run(&["append", "a", "T", json, "--id", "transfer-7", "--json"]);
    assert_eq!(append("1").code, Some(0));
    let again = append("1");
    assert_eq!(again.code, Some(0));
    assert!(again.out.contains("\"version\":1") && again.out.contains("\"duplicate\":true"));
    assert_eq!(append("2").code, Some(1));
    assert_eq!(place.export(&[]).len(), 1);
}

#[test]
fn what_is_no_event_is_refused_and_makes_no_store() {
    let place = Place::new();
    let long = "k".repeat(1025);
    // As with ingest: common readers of JSON could not read it.
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    for args in [
        &["a", "T", "{"][..],
        &["a", "T", ""],
        &["a", "T", "1 2"],
        &["a", "T", "-"],
        &["a", "T", &deep],
        &["a", "", "1"],
        &["", "T", "1"],
        &[&long, "T", "1"],
        &["a", "$truncated", "1"],
        &["a", "T", "1", "--id", ""],
        &[
            "a",
            "T",
            "1",
            "--id",
            "00000000-0000-0000-0000-000000000000",
        ],
        &["a", "T", "1", "--time", "9999-12-31T23:59:59Z"],
    ] {
        place.fails(2, &[&["append"], args].concat());
    }
    assert!(!place.path("store").exists());
}
