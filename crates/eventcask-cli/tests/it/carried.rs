//! What events carry beside their payloads, on the command line.

use eventcask::{EventId, Expected, NewEvent, Store};
use serde_json::{Value, json};

use crate::binary::Place;

const REQUEST: &str = "01941f29-7c00-7000-8000-000000000001";

/// What an event carries, as it is printed.
fn carried(event: &Value) -> Vec<Value> {
    let names = ["correlation", "causation", "headers", "tags"];
    names.map(|name| event[name].clone()).to_vec()
}

#[test]
fn an_appended_event_is_shown_with_what_it_carries() {
    let place = Place::new();
    let args = [
        "append",
        "order-7",
        "Placed",
        "{}",
        "--correlation",
        REQUEST,
    ];
    let more = [
        "--causation",
        "call 7",
        "--header",
        "trace=00-4b=f9",
        "--meta",
        "by=",
        "--tag",
    ];
    place.ok(&[&args[..], &more, &["shop=7", "--tag", "customer=Ada L"]].concat());
    place.ok(&["append", "order-7", "Paid", "{}"]);
    let printed = place.ok(&["read", "order-7"]);
    let lines: Vec<&str> = printed.lines().collect();
    let cause = EventId::from_name("call 7");
    let expected = format!(
        "\"correlation\":\"{REQUEST}\",\"causation\":\"{cause}\",\
         \"headers\":{{\"trace\":\"00-4b=f9\",\"by\":\"\"}},\
         \"tags\":{{\"customer\":\"Ada L\",\"shop\":\"7\"}},\"payload\":{{}}}}"
    );
    assert!(lines[0].ends_with(&expected), "{}", lines[0]);
    for name in ["correlation", "causation", "headers", "tags"] {
        assert!(!lines[1].contains(name), "{}", lines[1]);
    }
    assert_eq!(place.ok(&["export"]).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn an_event_that_carries_what_is_not_allowed_is_refused() {
    let place = Place::new();
    let append = ["append", "order-7", "Placed", "{}"];
    let fails = |more: &[&str]| place.fails(2, &[&append[..], more].concat());
    let long = format!("shop={}", "7".repeat(257));
    assert!(fails(&["--tag", &long]).contains("the tag \"shop\" has 257 bytes"));
    let twice = fails(&["--tag", "shop=7", "--tag", "shop=8"]);
    assert!(twice.contains("the tag \"shop\" twice"), "{twice}");
    assert!(fails(&["--header", "shop"]).contains("a name, = and a value are expected"));
    let nil = "00000000-0000-0000-0000-000000000000";
    assert!(fails(&["--correlation", nil]).contains("reserved"));
    assert!(!place.path("store").exists(), "no store is made for it");
}

/// Events of all kinds of metadata, among them headers that are no text.
fn fill(place: &Place) -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::options()
        .shards(2)
        .pin(false)
        .open(place.path("store"))?;
    let plain = NewEvent::json("Placed", br#"{"cents":5}"#);
    let request: EventId = REQUEST.parse()?;
    let events = [
        plain,
        plain.correlation(request),
        plain
            .causation(request)
            .headers(&[("raw", &[0xff, 0, 7]), ("a.b", b"\x1b[2J \"")]),
        plain.tags(&[("shop", ""), ("customer", "Z\u{fc}rich")]),
        plain
            .headers(&[("base64", b"{\"base64\":\"AA==\"}")])
            .tags(&[("shop", "7")]),
    ];
    for (number, event) in events.iter().enumerate() {
        let key = format!("order-{number}");
        store.append(&key, Expected::Any, &[*event])?.wait()?;
    }
    store.close()?;
    Ok(())
}

#[test]
fn what_is_exported_is_ingested_with_the_same_metadata() {
    let place = Place::new();
    fill(&place).unwrap();
    let exported = place.export(&[]);
    let file = place.file("exported.ndjson", place.ok(&["export"]));
    let again = Place::new();
    let ingest = [
        "ingest",
        &file,
        "--aggregate",
        "aggregate",
        "--type",
        "type",
        "--id",
        "id",
    ];
    let metadata = ["--correlation", "correlation", "--causation", "causation"];
    let objects = ["--headers", "headers", "--tags", "tags"];
    again.ok(&[&ingest[..], &metadata, &objects].concat());
    let found = again.export(&[]);
    assert_eq!(found.len(), 5);
    for before in exported {
        let of_it = |event: &&Value| event["id"] == before["id"];
        let event = found.iter().find(of_it).expect("it was ingested");
        assert_eq!(carried(event), carried(&before));
        assert_eq!(event["payload"]["payload"], before["payload"]);
    }
}

#[test]
fn fields_of_rows_become_ids_headers_and_tags() {
    let place = Place::new();
    let ndjson = place.file(
        "rows.ndjson",
        "{\"k\":\"a\",\"call\":7,\"by\":{\"name\":\"Ada\"},\"shop\":\"S\u{e9}\"}\n\
         {\"k\":\"a\",\"call\":null,\"by\":{}}\n\
         {\"k\":\"a\",\"shop\":\"\\u0041\"}\n",
    );
    let flags = [
        "--correlation",
        "call",
        "--header",
        "name=by.name",
        "--tag",
        "at=shop",
        "--tag",
        "again=shop",
    ];
    let ingest = ["ingest", &ndjson, "--aggregate", "k"];
    place.ok(&[&ingest[..], &flags].concat());
    let shown: Vec<_> = place.export(&[]).iter().map(carried).collect();
    let call = json!(EventId::from_name("7").to_string());
    let expected = [
        vec![
            call,
            Value::Null,
            json!({"name":"Ada"}),
            json!({"again":"S\u{e9}","at":"S\u{e9}"}),
        ],
        vec![Value::Null; 4],
        vec![
            Value::Null,
            Value::Null,
            Value::Null,
            json!({"again":"A","at":"A"}),
        ],
    ];
    assert_eq!(shown, expected);
}

#[test]
fn columns_of_a_table_become_ids_headers_and_tags() {
    let place = Place::new();
    let table = place.file(
        "rows.csv",
        "k,call,name,shop,all\nb,7,Ada,NA,\"{\"\"x\"\":1}\"\n",
    );
    let ingest = [
        "ingest",
        &table,
        "--aggregate",
        "k",
        "--null",
        "NA",
        "--causation",
        "call",
    ];
    place.ok(&[
        &ingest[..],
        &["--header", "by=name", "--tag", "at=shop", "--tags", "all"],
    ]
    .concat());
    let shown = carried(&serde_json::from_str(&place.ok(&["read", "b"])).unwrap());
    let call = json!(EventId::from_name("7").to_string());
    assert_eq!(
        shown,
        [Value::Null, call, json!({"by":"Ada"}), json!({"x":"1"})]
    );
    let missing = ["ingest", &table, "--aggregate", "k", "--tag", "at=nowhere"];
    assert!(
        place
            .fails(2, &missing)
            .contains("the header has no column \"nowhere\"")
    );
}

#[test]
fn a_row_whose_metadata_can_not_be_taken_is_refused_with_its_place() {
    let refused = |row: &str, flags: &[&str], sentence: &str| {
        let place = Place::new();
        let rows = format!("{{\"k\":\"a\"}}\n{row}\n");
        let file = place.file("rows.ndjson", rows);
        let said = place.fails(2, &[&["ingest", &file, "--aggregate", "k"], flags].concat());
        assert!(
            said.contains("rows.ndjson:2") && said.contains(sentence),
            "{said}"
        );
        assert_eq!(place.export(&[]).len(), 1, "the row before it is stored");
    };
    let long = format!(r#"{{"k":"a","t":"{}"}}"#, "x".repeat(257));
    refused(&long, &["--tag", "t=t"], "the tag \"t\" has 257 bytes");
    refused(
        r#"{"k":"a","t":[]}"#,
        &["--tag", "t=t"],
        "the tag in field \"t\" is an array",
    );
    refused(
        r#"{"k":"a","t":7}"#,
        &["--tags", "t"],
        "the field \"t\" is not a JSON object",
    );
    let twice = r#"{"k":"a","t":{"x":"1","x":"2"}}"#;
    refused(twice, &["--tags", "t"], "the tag \"x\" twice");
    let no_bytes = r#"{"k":"a","h":{"x":{"base64":"%"}}}"#;
    refused(no_bytes, &["--headers", "h"], "an object without bytes");
    let nil = r#"{"k":"a","c":"00000000-0000-0000-0000-000000000000"}"#;
    refused(
        nil,
        &["--correlation", "c"],
        "the correlation in field \"c\"",
    );
    refused(r#"{"k":"a","c":""}"#, &["--causation", "c"], "is empty");
}

#[test]
fn events_are_found_by_what_they_carry() {
    let place = Place::new();
    fill(&place).unwrap();
    let keys = |flags: &[&str]| -> Vec<String> {
        let mut keys: Vec<_> = place
            .export(flags)
            .iter()
            .map(|one| one["aggregate"].to_string())
            .collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(&["--correlation", REQUEST]), ["\"order-1\""]);
    assert_eq!(keys(&["--tag", "shop=7"]), ["\"order-4\""]);
    assert_eq!(keys(&["--tag", "shop="]), ["\"order-3\""]);
    assert_eq!(
        keys(&["--tag", "shop=", "--tag", "customer=Z\u{fc}rich"]),
        ["\"order-3\""]
    );
    assert!(keys(&["--tag", "shop=7", "--correlation", REQUEST]).is_empty());
    assert!(keys(&["--tag", "shop=8"]).is_empty());
    assert!(keys(&["--tag", "nothing=7"]).is_empty());
    assert!(
        place
            .fails(2, &["export", "--tag", "shop"])
            .contains("a name, = and a value")
    );
}
