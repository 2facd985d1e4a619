//! What is whole of a damaged store is kept, what is not is named.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::binary::{Events, FLIGHTS, Place, flights, flip};

const ROWS: u64 = 40_000;

fn number(value: &Value) -> u64 {
    value.as_u64().expect("it is a number")
}

/// Events that are in no repaired segment.
fn elsewhere(events: &Events, repaired: &[Value]) -> Events {
    let is_within = |event: &Value, segment: &Value| {
        let shard = format!("/shards/{:04}/", number(&event["shard"]));
        let file = segment["file"].as_str().expect("it is text");
        let positions = number(&segment["first_position"])..number(&segment["next_position"]);
        file.contains(&shard) && positions.contains(&number(&event["position"]))
    };
    let mut events = events.clone();
    events.retain(|_, event| !repaired.iter().any(|segment| is_within(event, segment)));
    events
}

/// Damages a store and repairs it: all that is whole is there afterwards, and it goes on. Says
/// what the repair said.
fn check_repair(damage: impl FnOnce(&Place)) -> Value {
    let place = Place::new();
    place.fill_segments(ROWS);
    let before = place.events();
    damage(&place);
    let verify = place.fails(1, &["verify"]);
    assert!(verify.contains("is damaged in "), "{verify}");

    let report = place.json(&["repair"]);
    assert_eq!(report["ok"], true, "{report}");
    let repaired = report["repaired"].as_array().expect("it is a list");
    assert_eq!(repaired.len(), 1, "{report}");
    let lost = number(&report["lost"]);
    assert_eq!(report["lost"], repaired[0]["lost"]);

    let after = place.events();
    assert_eq!(after.len() as u64, before.len() as u64 - lost);
    assert!(after.iter().all(|(name, event)| before[name] == *event));
    let whole = elsewhere(&before, repaired);
    assert!(whole.keys().all(|name| after.contains_key(name)));
    let kept = number(&repaired[0]["kept"]);
    assert_eq!(after.len() as u64, whole.len() as u64 + kept);
    check_goes_on(&place, &after, lost);
    report
}

/// Verified, repaired again in vain, and good for more rows.
fn check_goes_on(place: &Place, before: &Events, lost: u64) {
    assert_eq!(place.json(&["verify"])["ok"], true);
    let stats = place.json(&["stats"]);
    assert_eq!(stats["lost_events"], lost, "{stats}");
    assert_eq!(stats["events"], before.len(), "{stats}");
    assert!(
        place
            .ok(&["repair"])
            .starts_with("nothing was to be repaired")
    );
    let more = place.file("more.csv", flights(3000));
    let ingest = ["ingest", &more, "--on-error", "skip", "--source", "more"];
    let summary = place.json(&[&ingest[..], &FLIGHTS].concat());
    assert_eq!(summary["stored"], 3000 - 3000 / 50);
    let after = place.events();
    assert!(before.iter().all(|(name, event)| after[name] == *event));
    assert_eq!(after.len(), before.len() + 3000 - 3000 / 50);
    assert_eq!(place.json(&["verify"])["ok"], true);
}

/// Whether a repaired segment was kept aside as it was.
fn check_aside(report: &Value) {
    let aside = report["repaired"][0]["aside"].as_str();
    let aside = Path::new(aside.expect("the file was there"));
    assert!(aside.is_absolute(), "{}", aside.display());
}

#[test]
fn a_whole_store_is_left_alone() {
    let place = Place::new();
    place.fill_segments(5000);
    let before: Vec<_> = place
        .segments(0)
        .iter()
        .map(fs::read)
        .map(Result::ok)
        .collect();
    let report = place.json(&["repair"]);
    assert_eq!(report["ok"], true);
    assert_eq!(report["repaired"], serde_json::json!([]));
    assert_eq!(report["files"], serde_json::json!([]));
    assert_eq!(report["lost"], 0);
    let text = place.ok(&["repair"]);
    assert!(text.starts_with("nothing was to be repaired in "), "{text}");
    assert!(text.contains("all is well: "), "{text}");
    let after: Vec<_> = place
        .segments(0)
        .iter()
        .map(fs::read)
        .map(Result::ok)
        .collect();
    assert!(before == after);
}

#[test]
fn c6_a_flipped_bit_in_a_sealed_segment_costs_its_block() {
    let report = check_repair(|place| {
        // How many blocks a segment has depends on how busy the machine is.
        let segments = (0..2).flat_map(|shard| place.segments(shard));
        let shown = segments.map(|segment| {
            let shown = place.json(&["inspect", &segment.display().to_string()]);
            (segment, shown)
        });
        let has_blocks =
            |shown: &Value| shown["blocks"].as_array().is_some_and(|all| all.len() > 1);
        let (segment, shown) = shown
            .filter(|(_, shown)| shown["sealed"].is_object())
            .find(|(_, shown)| has_blocks(shown))
            .expect("a sealed segment has several blocks");
        flip(
            &segment,
            number(&shown["blocks"][1]["place"]) as usize + 300,
        );
    });
    check_aside(&report);
    assert!(number(&report["lost"]) > 0, "{report}");
    assert!(number(&report["repaired"][0]["kept"]) > 0, "{report}");
}

#[test]
fn c6_a_flipped_bit_in_a_table_costs_no_event() {
    let report = check_repair(|place| {
        let segment = &place.segments(0)[0];
        let shown = place.json(&["inspect", &segment.display().to_string()]);
        let table = &shown["sealed"]["tables"][0];
        flip(segment, number(&table["place"]) as usize + 3);
    });
    check_aside(&report);
    assert_eq!(report["lost"], 0);
}

#[test]
fn c6_a_flipped_bit_in_the_tail_costs_its_block() {
    let report = check_repair(|place| {
        // The tail of a shard may hold nothing but the mark of the clean close.
        let tails = (0..2).filter_map(|shard| place.segments(shard).pop());
        let (tail, shown) = tails
            .map(|tail| {
                (
                    tail.clone(),
                    place.json(&["inspect", &tail.display().to_string()]),
                )
            })
            .find(|(_, shown)| shown["blocks"][0]["rows"] != 0)
            .expect("one of two ends with events");
        assert!(shown["sealed"].is_null());
        flip(&tail, number(&shown["blocks"][0]["place"]) as usize + 300);
    });
    check_aside(&report);
    assert!(number(&report["lost"]) > 0, "{report}");
}

#[test]
fn c5_a_deleted_segment_costs_its_events_only() {
    let report = check_repair(|place| {
        let segments = place.segments(0);
        assert!(segments.len() > 2, "{segments:?}");
        fs::remove_file(&segments[1]).expect("it is there");
    });
    let repaired = &report["repaired"][0];
    assert!(repaired["aside"].is_null(), "{report}");
    assert_eq!(repaired["kept"], 0);
    let positions = number(&repaired["next_position"]) - number(&repaired["first_position"]);
    assert_eq!(repaired["lost"], positions);
}

#[test]
fn other_files_are_named_too() {
    let place = Place::new();
    place.fill_segments(5000);
    place.ok(&["view", "create", "v", "--key", "carrier", "--agg", "count"]);
    let rows = place.ok(&["view", "get", "v", "--all", "--json"]);
    flip(&place.path("store/MANIFEST"), 20);
    flip(&place.path("store/views/0001/0000.snapshot"), 130);
    place.fails(1, &["verify"]);
    let text = place.ok(&["repair"]);
    assert!(
        text.contains("/MANIFEST was damaged and moved to "),
        "{text}"
    );
    assert!(
        text.contains("/0000.snapshot was damaged and moved to "),
        "{text}"
    );
    assert!(text.contains("0 events given up"), "{text}");
    assert_eq!(place.ok(&["view", "get", "v", "--all", "--json"]), rows);
}

#[test]
fn a_store_that_is_not_there_is_bad_input() {
    let place = Place::new();
    for command in [
        &["repair"][..],
        &["seal"],
        &["reclaim"],
        &["truncate", "k", "--all"],
    ] {
        place.fails(2, command);
        assert!(!place.path("store").exists(), "{command:?}");
    }
}
