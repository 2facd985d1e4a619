//! A store that an earlier version wrote, with all that a log can have beside its events. It is
//! kept as it is, and read for ever.

use std::fs;
use std::path::{Path, PathBuf};

use eventcask::inspect::{Inspection, Sealed};
use eventcask::projection::SnapshotPolicy;
use eventcask::subscribe::Retry;
use eventcask::{
    Codec, Event, EventId, NewEvent, Options, ProjectionHandle, Store, ViewSpec, inspect, verify,
};

use crate::support::Counts;

const EVENTS: u64 = 400;
/// Those before are in blocks of ten, the others in one: it has two groups of rows.
const SMALL: u64 = 90;
/// Events that are given up: those that were committed before the second block, and the first four
/// of an aggregate, of which one was among them.
const RETIRED: u64 = 10;
const TRUNCATED: [u64; 3] = [10, 17, 24];
/// Where the subscription stood when the store was closed.
const LETTERS: u64 = 25;

/// Written by [`write`] of version 0.1.0 (format 2), without the lock and the reserve.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2-derived")
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

/// Of so many events two carry something beside their payloads.
const CARRYING: u64 = 5;
const HEADERS: &[(&str, &[u8])] = &[("trace", b"00-4bf92f"), ("raw", &[0xff, 0])];

fn teller(number: u64) -> String {
    format!("teller {}", number % 4)
}

fn request(number: u64) -> EventId {
    EventId::from_name(&format!("request {number}"))
}

/// The event with this number has what it came with.
fn check_metadata(number: u64, event: &Event) {
    let (of_request, of_cause) = match number % CARRYING {
        0 => (Some(request(number)), None),
        1 => (None, Some(request(number))),
        _ => (None, None),
    };
    assert_eq!(event.correlation_id(), of_request);
    assert_eq!(event.causation_id(), of_cause);
    let headers: Vec<_> = event.headers().iter().collect();
    assert_eq!(headers, if of_cause.is_some() { HEADERS } else { &[] });
    let of_teller = of_request.map(|_| teller(number));
    assert_eq!(event.tags().get("teller"), of_teller.as_deref());
    assert_eq!(event.tags().len(), 2 * usize::from(of_request.is_some()));
}

fn counts(store: &Store) -> ProjectionHandle<Counts> {
    let counts = store.projection(Counts).sync();
    counts.snapshots(SnapshotPolicy::default()).start().unwrap()
}

/// The numbers of the events that are shown.
fn shown() -> Vec<u64> {
    let shown = (RETIRED..EVENTS).filter(|number| !TRUNCATED.contains(number));
    shown.collect()
}

/// Pushes events in commits of so many.
fn push(store: &Store, numbers: std::ops::Range<u64>, commit: u64) {
    let mut producer = store.producer();
    for number in numbers {
        let payload = payload(number);
        let event = NewEvent::json("Deposited", payload.as_bytes());
        let id = EventId::from_name(&number.to_string());
        let key = format!("account-{}", number % 7);
        let tags = [("teller", &*teller(number)), ("branch", "")];
        let event = match number % CARRYING {
            0 => event.correlation(request(number)).tags(&tags),
            1 => event.causation(request(number)).headers(HEADERS),
            _ => event,
        };
        producer.push(&key, &event.id(id)).unwrap();
        if number % commit == commit - 1 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Segments that are sealed and clustered, sealed, and open, the last of them not compressed; a
/// retention and a truncation; a view, a projection, a subscription, and a group of consumers that
/// has parked an aggregate.
fn write(directory: &Path) {
    let clustered = options().clustered(true).open(directory).unwrap();
    push(&clustered, 0..40, 10);
    clustered.seal().unwrap();
    clustered.close().unwrap();
    let store = options().open(directory).unwrap();
    push(&store, 40..SMALL, 10);
    store.seal().unwrap();
    let mut letters = store.events().named("letters").unwrap();
    for _ in 0..LETTERS {
        letters.try_next().unwrap().unwrap();
    }
    letters.checkpoint().unwrap();
    drop(letters);
    store.close().unwrap();
    let raw = options().codec(Codec::None).open(directory).unwrap();
    push(&raw, SMALL..EVENTS, EVENTS);
    let first_left = raw.events().iter().nth(RETIRED as usize).unwrap().unwrap();
    raw.truncate_before(first_left.commit_time()).unwrap();
    raw.truncate_aggregate("account-3", 5).unwrap();
    raw.create_view(
        "texts",
        ViewSpec::new("text", &["count"], None, None).unwrap(),
    )
    .unwrap();
    let mailer = raw.events().group("mailer", Retry::default()).unwrap();
    let claim = mailer.try_claim().unwrap().unwrap();
    claim.park("it makes no sense").unwrap();
    mailer.checkpoint().unwrap();
    drop((mailer, counts(&raw)));
    raw.close().unwrap();
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
    check_events(&store);
    check_what_follows(&store);

    // With events more it is still the same store, and the ids of the old ones are known.
    let before = store.stats().events;
    push(&store, EVENTS - 10..EVENTS + 10, 10);
    assert_eq!(store.stats().events, before + 10);
    store.close().unwrap();
    assert_eq!(verify(directory).unwrap().problems, []);
}

fn check_events(store: &Store) {
    let events: Vec<_> = store.events().iter().map(Result::unwrap).collect();
    let payloads: Vec<_> = events
        .iter()
        .map(|event| event.payload().to_vec())
        .collect();
    let shown = shown().into_iter();
    let written: Vec<_> = shown.map(|number| payload(number).into_bytes()).collect();
    assert!(
        payloads == written,
        "the events are not those that were written"
    );
    for (number, event) in self::shown().into_iter().zip(&events) {
        check_metadata(number, event);
    }
    let of_teller = store.events().tag("teller", "teller 2").iter();
    let of_teller = of_teller.map(|event| event.unwrap().position());
    let is_hers = |number: &u64| number.is_multiple_of(CARRYING) && number % 4 == 2;
    assert!(of_teller.eq(self::shown().into_iter().filter(is_hers)));
    let of_one = store.aggregate("account-3").events().unwrap();
    let versions: Vec<_> = of_one.map(|event| event.unwrap().version()).collect();
    let all = (0..EVENTS).filter(|number| number % 7 == 3).count() as u64;
    assert_eq!(versions, Vec::from_iter(5..=all));
}

fn check_what_follows(store: &Store) {
    let mut letters = store.events().named("letters").unwrap();
    assert_eq!(letters.positions(), [LETTERS]);
    let next = letters.try_next().unwrap().unwrap();
    assert_eq!(next.payload(), payload(LETTERS).as_bytes());
    let parked = store.parked("mailer").unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].reason, "it makes no sense");

    let rows = store.view("texts").unwrap().rows().unwrap();
    let keys: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
    let texts = ["0", "1", "2", "3"].map(|teller| format!("of the teller {teller}"));
    assert_eq!(keys, texts);
    let counts = counts(store);
    let positions = counts.stats().snapshot_positions;
    assert_eq!(positions, [Some(EVENTS + 1)], "it was taken up");
    let mut sum = 0;
    counts
        .each_shard(|_, state| sum += state.iter().map(|(_, count)| count).sum::<u64>())
        .unwrap();
    assert_eq!(sum, shown().len() as u64);
}

/// Rows of the block with the most.
fn most_rows(directory: &Path) -> u32 {
    let shard = fs::read_dir(directory.join("shards/0000")).unwrap();
    let files = shard.map(|file| inspect::file(file.unwrap().path()));
    let blocks = files.flat_map(|file| match file {
        Ok(Inspection::Segment(segment)) => segment.blocks,
        _ => Vec::new(),
    });
    blocks.map(|block| block.rows).max().unwrap()
}

#[test]
fn s11_a_store_of_format_version_2_keeps_all_that_follows_from_its_log() {
    let scratch = tempfile::tempdir().unwrap();
    copy(&kept(), scratch.path());
    assert!(most_rows(scratch.path()) > 256, "it has groups");
    assert!(scratch.path().join("RETENTION").exists());
    check(scratch.path());
}

#[test]
fn what_this_version_writes_is_what_the_kept_store_has() {
    let scratch = tempfile::tempdir().unwrap();
    write(scratch.path());
    check(scratch.path());
}
