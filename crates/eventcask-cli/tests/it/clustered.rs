//! `eventcask seal --clustered`: the events of a sealed segment once more, those of an aggregate
//! side by side.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binary::{FLIGHTS, Place, flights, flip};

/// The kind of the table of clusters, and where a sealed segment lists its tables (docs/FORMAT.md).
const CLUSTERS: usize = 10;
const TABLES_AT: usize = 256;
const TABLE_BYTES: usize = 32;

/// A number in a file.
fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let field = bytes[at..at + length].iter().rev();
    field.fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The tables of a segment: kind, place and length. One that is not sealed has none.
fn tables(segment: &Path) -> Vec<(usize, usize, usize)> {
    let bytes = fs::read(segment).expect("it is there");
    let table = |index| {
        let at = TABLES_AT + index * TABLE_BYTES;
        let field = |at, length| number(&bytes, at, length);
        (field(at, 4), field(at + 8, 8), field(at + 16, 8))
    };
    (0..number(&bytes, 232, 4)).map(table).collect()
}

/// Where the clusters of a segment are, and how long; none where it has none.
fn clusters(segment: &Path) -> Option<(usize, usize)> {
    let tables = tables(segment);
    let found = tables.iter().find(|(kind, ..)| *kind == CLUSTERS);
    found.map(|(_, place, length)| (*place, *length))
}

fn sealed_segments(place: &Place) -> Vec<PathBuf> {
    let mut segments = [place.segments(0), place.segments(1)].concat();
    segments.retain(|segment| !tables(segment).is_empty());
    segments
}

#[test]
fn seal_gives_clusters_to_what_is_sealed_and_repair_mends_them() {
    let place = Place::new();
    let file = place.file("flights.csv", flights(20_000));
    let ingest = ["ingest", &file, "--on-error", "skip", "--shards", "2"];
    let small = ["--segment-bytes", "150000", "--durability", "os"];
    place.ok(&[&ingest[..], &FLIGHTS, &small, &["--codec", "none"]].concat());
    place.ok(&["seal"]);
    let segments = sealed_segments(&place);
    assert_eq!(place.json(&["stats"])["sealed_segments"], segments.len());
    assert!(segments.len() > 2, "{segments:?}");
    assert!(segments.iter().all(|one| clusters(one).is_none()));
    let events = place.events();
    let key = events.keys().next().expect("there is one").0.clone();
    let expected: Vec<&Value> = events
        .iter()
        .filter(|(name, _)| name.0 == key)
        .map(|(_, event)| event)
        .collect();
    let check = || {
        let read = place.json(&["read", &key]);
        let read: Vec<&Value> = read.as_array().expect("it is a list").iter().collect();
        assert_eq!(read, expected);
    };
    check();

    let sealed = place.json(&["seal", "--clustered"]);
    assert_eq!(sealed["sealed"], segments.len());
    assert_eq!(sealed["sealed"], sealed["sealed_segments"]);
    assert!(segments.iter().all(|one| clusters(one).is_some()));
    assert_eq!(place.json(&["seal", "--clustered"])["sealed"], 0);
    assert_eq!(place.events(), events);
    check();
    assert_eq!(place.json(&["verify"])["ok"], true);

    for segment in &segments {
        let (at, bytes) = clusters(segment).expect("it has clusters");
        flip(segment, at + bytes / 2);
    }
    check();
    let said = place.run(&["verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("in its clustered copy"), "{said:?}");
    assert_eq!(place.json(&["repair"])["lost"], 0);
    assert_eq!(place.json(&["verify"])["ok"], true);
    check();
    assert_eq!(place.events(), events);
}
