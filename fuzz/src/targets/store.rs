//! A store as its users see it: opened, read, exported, verified.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use eventcask::{Aggregate, Error, Store, StoreReader, Timestamp};
use eventcask_cli::output::write_event;
use serde::de::IgnoredAny;

use super::framed;
use super::stage::{self, SEGMENT};
use crate::corpus;

/// Events that are read of one scan; a small file can say that it has a million.
const EVENTS_MAX: usize = 2_000;
/// Aggregates whose events are read.
const AGGREGATES_MAX: usize = 4;

/// Opens a store whose only segment has these bytes, exports it and reads its aggregates.
pub fn store(bytes: &[u8]) -> bool {
    let (storage, _) = stage::store_of(bytes);
    framed::put_definition(&storage, &corpus::definition_file());
    let opened = Store::options().open_read_only(Arc::new(storage));
    let taken = match opened {
        Ok(store) => {
            let rows = store.view("delays").and_then(|view| view.rows());
            rows.expect("whatever the payloads are, the view runs");
            read(&store)
        }
        Err(error) => said(&error),
    };
    // Files cost a hundred times what memory does, so the bytes choose an eighth of themselves.
    if crc32c::crc32c(bytes).is_multiple_of(8) {
        verify(bytes);
    }
    taken
}

/// An error is a sentence for people.
pub(super) fn said(error: &Error) -> bool {
    assert!(!error.to_string().is_empty());
    false
}

pub(super) fn read(store: &StoreReader) -> bool {
    let mut keys = BTreeSet::new();
    let mut line = Vec::new();
    for event in store.events().iter().take(EVENTS_MAX) {
        let event = match event {
            Ok(event) => event,
            Err(error) => return said(&error),
        };
        line.clear();
        write_event(&mut line, &event.get());
        serde_json::from_slice::<IgnoredAny>(&line).expect("an event is shown as JSON");
        assert!(!line.contains(&b'\n'), "an event is one line");
        if keys.len() < AGGREGATES_MAX {
            keys.insert(event.get().key.to_owned());
        }
    }
    for key in &keys {
        let reader = store.aggregate(key);
        read_aggregate(&reader);
        read_aggregate(&reader.clone().from_version(2));
        assert!(read_aggregate(&reader.last(3)) <= 3);
    }
    read_part(store);
    assert_eq!(store.stats().shards.len(), 1);
    !keys.is_empty()
}

/// Reads from the middle on, within bounds.
fn read_part(store: &StoreReader) {
    let from = store.positions()[0] / 2;
    let (since, until) = (
        Timestamp::from_nanos(0),
        Timestamp::from_nanos(i64::MAX - 1),
    );
    let scan = store.events().from_position(from).types(&["Deposited"]);
    for event in scan.since(since).until(until).iter().take(EVENTS_MAX) {
        match event {
            Ok(event) => assert_eq!(event.get().event_type, "Deposited"),
            Err(error) => drop(said(&error)),
        }
    }
}

/// How many events there are, damage being the last.
fn read_aggregate(reader: &Aggregate) -> usize {
    let events = match reader.events() {
        Ok(events) => events.take(EVENTS_MAX),
        Err(error) => return usize::from(said(&error)),
    };
    let mut count = 0;
    for event in events {
        match event {
            Ok(event) => assert!(!event.get().key.is_empty()),
            Err(error) => return count + usize::from(said(&error)),
        }
        count += 1;
    }
    count
}

/// Verifies and inspects the same bytes as files: those are opened by path only.
pub(super) fn verify(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let path = directory.path();
    let write = || {
        fs::create_dir_all(path.join("shards/0000"))?;
        fs::write(path.join("MANIFEST"), corpus::manifest_file())?;
        fs::write(path.join(SEGMENT), bytes)
    };
    write().expect("there is room for temporary files");
    match eventcask::verify(path) {
        Ok(report) => assert!(report.is_ok() || !report.problems[0].reason.is_empty()),
        Err(error) => drop(said(&error)),
    }
    if let Err(error) = eventcask::inspect::file(path.join(SEGMENT)) {
        said(&error);
    }
}
