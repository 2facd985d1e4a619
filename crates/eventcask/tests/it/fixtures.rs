//! A store that an earlier version wrote, with all that a log can have beside its events. It is
//! kept as it is, and read for ever.

use std::fs;
use std::path::{Path, PathBuf};

use eventcask::inspect::{Inspection, Sealed};
use eventcask::projection::SnapshotPolicy;
use eventcask::{Codec, EventId, NewEvent, Options, ProjectionHandle, Store, inspect, verify};

use crate::support::Counts;

const EVENTS: u64 = 90;
/// Where the subscription stood when the store was closed.
const LETTERS: u64 = 25;

/// Written by [`write`] of version 0.1.0, without the lock and the reserve.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1-derived")
}

fn options() -> Options {
    let options = Store::options().shards(1).threads(1).pin(false).seal(false);
    options.codec(Codec::Zstd(3)).segment_bytes(5_000)
}

fn payload(number: u64) -> String {
    format!(
        r#"{{"number":{number},"text":"of the teller {}"}}"#,
        number % 4
    )
}

fn counts(store: &Store) -> ProjectionHandle<Counts> {
    let counts = store.projection(Counts).sync();
    counts.snapshots(SnapshotPolicy::default()).start().unwrap()
}

fn push(store: &Store, numbers: std::ops::Range<u64>) {
    let mut producer = store.producer();
    for number in numbers {
        let payload = payload(number);
        let event = NewEvent::json("Deposited", payload.as_bytes());
        let id = EventId::from_name(&number.to_string());
        let key = format!("account-{}", number % 7);
        producer.push(&key, &event.id(id)).unwrap();
        if number % 10 == 9 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
}

/// Segments that are sealed and clustered, sealed, and open; a subscription; a projection.
fn write(directory: &Path) {
    let clustered = options().clustered(true).open(directory).unwrap();
    push(&clustered, 0..40);
    clustered.seal().unwrap();
    clustered.close().unwrap();
    let store = options().open(directory).unwrap();
    push(&store, 40..EVENTS);
    store.seal().unwrap();
    let mut letters = store.events().named("letters").unwrap();
    for _ in 0..LETTERS {
        letters.try_next().unwrap().unwrap();
    }
    letters.checkpoint().unwrap();
    drop((letters, counts(&store)));
    store.close().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Of each segment, whether it is sealed, and whether it has clusters.
fn segments(directory: &Path) -> Vec<(bool, bool)> {
    let shard = directory.join("shards/0000");
    let mut files: Vec<_> = fs::read_dir(shard).unwrap().map(Result::unwrap).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let segments = files
        .iter()
        .filter_map(|file| match inspect::file(file.path()) {
            Ok(Inspection::Segment(segment)) => Some(segment.sealed),
            _ => None,
        });
    segments
        .map(|sealed| {
            let is_clustered = sealed.as_ref().is_some_and(Sealed::is_clustered);
            (sealed.is_some(), is_clustered)
        })
        .collect()
}

/// Everything that [`write`] put into a store is there, by the log and by what follows from it.
fn check(directory: &Path) {
    let found = segments(directory);
    for kind in [(true, true), (true, false), (false, false)] {
        assert!(found.contains(&kind), "{kind:?} in {found:?}");
    }
    assert_eq!(verify(directory).unwrap().problems, []);

    let store = options().open(directory).unwrap();
    let events: Vec<_> = store.events().iter().map(Result::unwrap).collect();
    let payloads: Vec<_> = events
        .iter()
        .map(|event| event.payload().to_vec())
        .collect();
    let written: Vec<_> = (0..EVENTS)
        .map(|number| payload(number).into_bytes())
        .collect();
    assert!(
        payloads == written,
        "the events are not those that were written"
    );
    let of_one = store.aggregate("account-3").events().unwrap();
    let versions: Vec<_> = of_one.map(|event| event.unwrap().version()).collect();
    assert_eq!(versions, Vec::from_iter(1..=13));

    let mut letters = store.events().named("letters").unwrap();
    assert_eq!(letters.positions(), [LETTERS]);
    let next = letters.try_next().unwrap().unwrap();
    assert_eq!(next.payload(), payload(LETTERS).as_bytes());
    let counts = counts(&store);
    assert_eq!(
        counts.stats().snapshot_positions,
        [Some(EVENTS)],
        "it was taken up"
    );
    let mut sum = 0;
    counts
        .each_shard(|_, state| sum += state.iter().map(|(_, count)| count).sum::<u64>())
        .unwrap();
    assert_eq!(sum, EVENTS);

    // With events more it is still the same store, and the ids of the old ones are known.
    push(&store, EVENTS - 10..EVENTS + 10);
    assert_eq!(store.stats().events, EVENTS + 10);
    drop((letters, counts));
    store.close().unwrap();
    assert_eq!(verify(directory).unwrap().problems, []);
}

#[test]
fn s11_a_store_of_format_version_1_keeps_all_that_follows_from_its_log() {
    let scratch = tempfile::tempdir().unwrap();
    copy(&kept(), scratch.path());
    check(scratch.path());
}

#[test]
fn what_this_version_writes_is_what_the_kept_store_has() {
    let scratch = tempfile::tempdir().unwrap();
    write(scratch.path());
    check(scratch.path());
}
