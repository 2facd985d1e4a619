//! What events carry beside their payloads, on each way in and each way out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventcask::event::{Invalid, Metadata, NewMetadata};
use eventcask::limits::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_NAME_BYTES, MAX_TAG_BYTES, MAX_TAGS};
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{
    AppendSet, ApplyError, Batch, Codec, Error, EventId, Expected, NewEvent, Options, Projection,
    RouteBy, Store, StoreReader, Timeout, verify,
};

use crate::support::{bytes_of, files};

const EVENTS: u64 = 3_000;

/// Blocks are larger than what is read whole, and nothing is kept: single events are read by rows.
fn options(codec: Codec) -> Options {
    let options = Store::options().shards(2).threads(1).pin(false).seal(false);
    let options = options.segment_bytes(20_000).block_cache_bytes(0);
    let options = options.codec(codec).seal_codec(codec);
    options.route_by(RouteBy::Category)
}

fn key(number: u64) -> String {
    format!("{}-{}", ["a", "b"][(number % 2) as usize], number % 30)
}

fn id(name: &str, number: u64) -> EventId {
    EventId::from_name(&format!("{name} {number}"))
}

/// Lends the event with this number: most carry something, and no two the same.
fn with_event<T>(number: u64, take: impl FnOnce(&NewEvent<'_>) -> T) -> T {
    let payload = format!(r#"{{"number":{number}}}"#);
    let (trace, customer) = (format!("trace {number}"), format!("of {}", number % 40));
    let headers = [("trace", trace.as_bytes()), ("raw", &[0xff, number as u8])];
    let tags = [("shop", "7"), ("customer", &*customer)];
    let mut event = NewEvent::json("Placed", payload.as_bytes()).id(id("event", number));
    if number.is_multiple_of(3) {
        event = event.correlation(id("request", number));
    }
    if number.is_multiple_of(5) {
        event = event.causation(id("cause", number));
    }
    if number.is_multiple_of(4) {
        event = event.headers(&headers);
    }
    if number.is_multiple_of(7) {
        event = event.tags(&tags);
    }
    take(&event)
}

/// What the event with this number carries, as text.
fn truth(number: u64) -> String {
    with_event(number, |event| carried(event.metadata))
}

fn carried(metadata: Option<NewMetadata<'_>>) -> String {
    let metadata = metadata.unwrap_or_default();
    let headers: Vec<_> = metadata.headers.iter().collect();
    let tags: BTreeMap<_, _> = metadata.tags.iter().collect();
    format!(
        "{:?} {:?} {headers:?} {tags:?}",
        metadata.correlation, metadata.causation
    )
}

/// The number that the payload of an event says, and what it carries.
fn shown(payload: &[u8], metadata: Metadata<'_>) -> (u64, String) {
    let text = str::from_utf8(payload).unwrap();
    let number = text
        .trim_start_matches("{\"number\":")
        .trim_end_matches('}');
    (number.parse().unwrap(), carried(metadata.to_new()))
}

fn of_event(event: Result<eventcask::Event, Error>) -> (u64, String) {
    let event = event.unwrap();
    assert_eq!(event.get().metadata, event.metadata());
    shown(event.payload(), event.metadata())
}

/// Events by all ways in.
fn write(store: &Store) {
    let mut producer = store.producer();
    for number in 0..EVENTS {
        let key = key(number);
        with_event(number, |event| match number % 100 {
            0 => drop(
                producer
                    .append(&key, Expected::Any, &[*event])
                    .unwrap()
                    .wait(),
            ),
            1 => drop(store.append(&key, Expected::Any, &[*event]).unwrap().wait()),
            2 => {
                let set = AppendSet::new().append(&key, Expected::Any, std::slice::from_ref(event));
                store.append_all(&set).unwrap().wait().unwrap();
            }
            _ => producer.push(&key, event).unwrap(),
        });
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Every way out gives each event with what it came with.
fn check(store: &StoreReader) {
    let all = |found: Vec<(u64, String)>| {
        let mut numbers: Vec<u64> = found.iter().map(|one| one.0).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..EVENTS));
        for (number, carried) in found {
            assert_eq!(carried, truth(number), "{number}");
        }
    };
    all(store.events().iter().map(of_event).collect());
    all(store.events().rev().map(of_event).collect());
    all(store
        .events()
        .types(&["Placed"])
        .iter()
        .map(of_event)
        .collect());
    let keys = (0..30).map(key);
    let of_key = |key: String| store.aggregate(&key).events().unwrap();
    all(keys.flat_map(of_key).map(of_event).collect());
    let mut in_batches = Vec::new();
    for batch in store.events().batches() {
        let batch = batch.unwrap();
        let batch = batch.get();
        let rows = batch.rows();
        in_batches.extend(rows.map(|row| shown(batch.payload(row), batch.metadata(row))));
    }
    all(in_batches);
    for number in [0, 7, 84, EVENTS - 1] {
        let found = store.find(id("event", number)).unwrap().remove(0);
        assert_eq!(of_event(Ok(found)), (number, truth(number)));
    }
    let newest = store.aggregate(&key(EVENTS - 20)).last(1);
    let newest = of_event(newest.events().unwrap().next().unwrap());
    assert_eq!(newest.1, truth(newest.0));
}

/// How many events carry a tag, and the bytes of all headers.
struct Carriers;

impl Projection for Carriers {
    const NAME: &'static str = "carriers";
    const VERSION: u32 = 1;
    type State = eventcask::PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut of = state.of(batch);
        for row in batch.rows() {
            let metadata = batch.metadata(row);
            let bytes: usize = metadata.headers().iter().map(|one| one.1.len()).sum();
            let tags = metadata.tags().get("customer").is_some();
            of[batch.aggregate_index(row)] += bytes as u64 + u64::from(tags);
        }
        Ok(())
    }
}

/// How many events of each aggregate it was told of, and that none of them carried anything.
struct Plain;

impl Projection for Plain {
    const NAME: &'static str = "plain";
    const VERSION: u32 = 1;
    const METADATA: bool = false;
    type State = eventcask::PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut of = state.of(batch);
        for row in batch.rows() {
            assert_eq!(batch.metadata(row), Metadata::NONE);
            assert_eq!(batch.event(row).metadata, Metadata::NONE);
            of[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}

#[test]
fn a_projection_that_ignores_metadata_is_told_of_none_live_and_from_the_log() {
    let store = options(Codec::Zstd(1)).open(Arc::new(MemoryStorage::default()));
    let store = store.unwrap();
    let live = store.projection(Plain).sync().start().unwrap();
    write(&store);
    let count = |handle: &eventcask::ProjectionHandle<Plain>| -> u64 {
        let of = |number| {
            let key = key(number);
            let read = handle.read_of(&key, |state| state.get(&key).copied());
            read.unwrap().unwrap()
        };
        (0..30).map(of).sum()
    };
    assert_eq!(count(&live), EVENTS);
    live.rebuild().unwrap().wait().unwrap();
    assert_eq!(count(&live), EVENTS);
}

#[test]
fn events_come_out_with_what_they_came_with() {
    for codec in [Codec::None, Codec::Zstd(1)] {
        let storage = MemoryStorage::default();
        let options = options(codec);
        let store = options.open(Arc::new(storage.clone())).unwrap();
        let live = store.projection(Carriers).sync().start().unwrap();
        write(&store);
        check(&store);
        let of_all = |handle: &eventcask::ProjectionHandle<Carriers>| -> Vec<Option<u64>> {
            handle
                .catch_up(Timeout::Error(Duration::from_secs(60)))
                .unwrap();
            let of = |number| {
                let key = key(number);
                handle
                    .read_of(&key, |state| state.get(&key).copied())
                    .unwrap()
            };
            (0..30).map(of).collect()
        };
        let counted = of_all(&live);
        assert!(
            counted
                .iter()
                .all(|count| count.is_some_and(|count| count > 9))
        );
        let mut news = store.events().subscribe().unwrap();
        for _ in 0..EVENTS {
            let (number, carried) = of_event(Ok(news.try_next().unwrap().unwrap()));
            assert_eq!(carried, truth(number));
        }
        drop((live, news));
        store.close().unwrap();
        let store = options.open(Arc::new(storage.clone())).unwrap();
        check(&store);
        assert!(store.seal().unwrap() > 0);
        check(&store);
        assert_eq!(
            of_all(&store.projection(Carriers).start().unwrap()),
            counted
        );
        store.close().unwrap();
        let clustered = options.clone().clustered(true);
        let store = clustered.open(Arc::new(storage.clone())).unwrap();
        store.seal().unwrap();
        check(&store);
        let storage: Arc<dyn Storage> = Arc::new(storage);
        assert_eq!(verify(&storage).unwrap().problems, []);
        check(&options.open_read_only(Arc::clone(&storage)).unwrap());
        let copy = tempfile::tempdir().unwrap();
        let copy = copy.path().join("copy");
        store.backup(&copy).unwrap();
        check(&options.open_read_only(&copy).unwrap());
        drop(store);
        let again = options.open(storage).unwrap();
        let rebuilt = again.projection(Carriers).start().unwrap();
        rebuilt.rebuild().unwrap().wait().unwrap();
        assert_eq!(of_all(&rebuilt), counted);
    }
}

#[test]
fn s4_an_event_that_comes_again_with_other_metadata_is_another() {
    let storage = MemoryStorage::default();
    let options = options(Codec::Lz4);
    let mut store = options.open(Arc::new(storage.clone())).unwrap();
    write(&store);
    let again = |store: &Store, number: u64, event: &NewEvent<'_>| {
        let ticket = store
            .append(&key(number), Expected::Any, &[*event])
            .unwrap();
        ticket.wait().map(|appended| appended.is_duplicate())
    };
    for round in 0..3 {
        for number in [0, 28, 420, EVENTS - 5, EVENTS - 1] {
            let same = with_event(number, |event| again(&store, number, event));
            assert!(same.unwrap(), "round {round}, {number}");
            let others: [fn(&mut NewEvent<'_>); 4] = [
                |event| *event = event.correlation(id("another", 1)),
                |event| *event = event.causation(id("another", 1)),
                |event| *event = event.headers(&[("trace", b"another")]),
                |event| *event = event.tags(&[("customer", "another")]),
            ];
            for other in others {
                let refused = with_event(number, |event| {
                    let mut event = *event;
                    other(&mut event);
                    again(&store, number, &event)
                });
                let refused = refused.unwrap_err();
                assert!(matches!(refused, Error::IdConflict { .. }), "{refused}");
            }
        }
        match round {
            0 => assert!(store.seal().unwrap() > 0),
            _ => {
                store.close().unwrap();
                store = options.open(Arc::new(storage.clone())).unwrap();
            }
        }
    }
    check(&store);
}

/// Only payloads were counted: blocks that were full of headers went behind a full segment as small
/// ones do, until it was three times as large.
#[test]
fn s10_a_block_of_large_headers_begins_a_new_segment_where_one_is_full() {
    let storage = MemoryStorage::default();
    let store = options(Codec::None).open(Arc::new(storage)).unwrap();
    let large = NewEvent::json("Noted", b"{}").headers(&[("a", &[7; MAX_HEADER_BYTES])]);
    for _ in 0..60 {
        let ticket = store.append("a-1", Expected::Any, &[large]).unwrap();
        ticket.wait().unwrap();
    }
    let segments = store.stats().segments;
    assert!(segments >= 60 / 5, "{segments} segments");
}

#[test]
fn s5_metadata_of_an_erased_event_is_nowhere_on_the_disk() {
    let storage = MemoryStorage::default();
    let options = options(Codec::None).segment_bytes(2_000);
    let store = options.open(Arc::new(storage.clone())).unwrap();
    let secret = NewEvent::json("Noted", b"{}")
        .headers(&[("Lovelace", b"no such street")])
        .tags(&[("born", "1815 in London")]);
    let harmless = NewEvent::json("Noted", b"{}").tags(&[("born", "1791")]);
    for number in 0..60 {
        store
            .append("a-ada", Expected::Any, &[secret])
            .unwrap()
            .wait()
            .unwrap();
        let other = format!("a-{}", number % 7);
        store
            .append(&other, Expected::Any, &[harmless])
            .unwrap()
            .wait()
            .unwrap();
    }
    let found = || {
        let mut found = 0;
        for path in files(&storage) {
            let bytes = bytes_of(&storage, &path);
            for secret in ["Lovelace", "no such street", "1815 in London"] {
                let holds = |part: &[u8]| part == secret.as_bytes();
                found += usize::from(bytes.windows(secret.len()).any(holds));
            }
        }
        found
    };
    assert!(found() > 9);
    store.truncate_aggregate("a-ada", 61).unwrap();
    store.reclaim().unwrap();
    assert_eq!(found(), 0);
    let left = store
        .aggregate("a-3")
        .events()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(left.tags().get("born"), Some("1791"));
}

/// A producer and the store take the event, or refuse it as expected.
fn check_limit(store: &Store, event: NewEvent<'_>, expected: Option<Invalid>) {
    let pushed = store.producer().push("a-1", &event);
    let appended = store.append("a-1", Expected::Any, &[event]).map(drop);
    let refused = [pushed, appended].map(|result| match result {
        Ok(()) => None,
        Err(Error::Invalid(invalid)) => Some(invalid),
        Err(other) => panic!("{other:?}"),
    });
    assert_eq!(refused, [expected.clone(), expected]);
}

#[test]
fn s2_more_headers_or_tags_than_the_limits_are_refused_with_a_sentence() {
    let storage = MemoryStorage::default();
    let store = options(Codec::None).open(Arc::new(storage)).unwrap();
    let event = NewEvent::json("Noted", b"{}");
    let names: Vec<String> = (0..40).map(|number| format!("name-{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (&**name, &b"x"[..])).collect();
    let tags: Vec<_> = names.iter().map(|name| (&**name, "x")).collect();
    check_limit(&store, event.headers(&headers[..MAX_HEADERS]), None);
    let count = MAX_HEADERS + 1;
    let refused = Invalid::TooManyHeaders { headers: count };
    check_limit(&store, event.headers(&headers[..count]), Some(refused));
    check_limit(&store, event.tags(&tags[..MAX_TAGS]), None);
    let count = MAX_TAGS + 1;
    check_limit(
        &store,
        event.tags(&tags[..count]),
        Some(Invalid::TooManyTags { tags: count }),
    );
}

#[test]
fn s2_names_and_values_beyond_the_limits_are_refused_with_a_sentence() {
    let storage = MemoryStorage::default();
    let store = options(Codec::None).open(Arc::new(storage)).unwrap();
    let event = NewEvent::json("Noted", b"{}");
    let name = "n".repeat(MAX_NAME_BYTES + 1);
    let longest = &name[1..];
    check_limit(&store, event.headers(&[(longest, b"")]), None);
    check_limit(&store, event.tags(&[(longest, "")]), None);
    for name in [&*name, ""] {
        let bytes = name.len();
        let refused = |what| Some(Invalid::NameLength { what, bytes });
        check_limit(&store, event.headers(&[(name, b"")]), refused("header"));
        check_limit(&store, event.tags(&[(name, "")]), refused("tag"));
    }

    let bytes = MAX_HEADER_BYTES + 1;
    let large = vec![7; bytes];
    check_limit(&store, event.headers(&[("a", &large[1..])]), None);
    let refused = Invalid::HeadersTooLarge { bytes };
    check_limit(
        &store,
        event.headers(&[("a", &large[1..]), ("b", b"x")]),
        Some(refused),
    );
    let (bytes, name) = (MAX_TAG_BYTES + 1, "a".to_owned());
    let long = "v".repeat(bytes);
    check_limit(&store, event.tags(&[("a", &long[1..])]), None);
    check_limit(
        &store,
        event.tags(&[("a", &long)]),
        Some(Invalid::TagTooLong { name, bytes }),
    );

    let twice = |what| {
        Some(Invalid::NameTwice {
            what,
            name: "a".to_owned(),
        })
    };
    check_limit(
        &store,
        event.headers(&[("a", b"1"), ("b", b"1"), ("a", b"2")]),
        twice("header"),
    );
    check_limit(&store, event.tags(&[("a", "1"), ("a", "1")]), twice("tag"));
    let nil = EventId::from_u128(0);
    let refused = |what| Some(Invalid::MetadataIdNil { what });
    check_limit(&store, event.correlation(nil), refused("correlation"));
    check_limit(&store, event.causation(nil), refused("causation"));
}

/// The largest metadata of all rows of a large append is stored, and comes back.
#[test]
fn s2_an_append_full_of_metadata_is_stored_or_refused() {
    let storage = MemoryStorage::default();
    let options = options(Codec::None);
    let store = options.open(Arc::new(storage)).unwrap();
    let value = vec![7; MAX_HEADER_BYTES];
    let headers = [("a", &*value)];
    let words: Vec<String> = (0..600 * 8).map(|word| format!("{word:0250}")).collect();
    let mut events = Vec::new();
    let tags: Vec<Vec<(&str, &str)>> = words
        .chunks(8)
        .map(|some| {
            let names = ["1", "2", "3", "4", "5", "6", "7", "8"];
            names
                .into_iter()
                .zip(some.iter().map(|word| &**word))
                .collect()
        })
        .collect();
    for tags in &tags {
        events.push(NewEvent::json("Noted", b"{}").headers(&headers).tags(tags));
    }
    store
        .append("a-1", Expected::Any, &events)
        .unwrap()
        .wait()
        .unwrap();
    let of_all = store.aggregate("a-1").events().unwrap();
    for (event, expected) in of_all.zip(&events) {
        let event = event.unwrap();
        assert_eq!(
            carried(event.metadata().to_new()),
            carried(expected.metadata)
        );
    }
    let four = [&events[..], &events, &events, &events].concat();
    store
        .append("a-2", Expected::Any, &four)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(store.aggregate("a-2").events().unwrap().count(), 4 * 600);
    let five = [&four[..], &events].concat();
    let refused = store.append("a-1", Expected::Any, &five).unwrap_err();
    assert!(
        matches!(refused, Error::Invalid(Invalid::AppendTooLarge { .. })),
        "{refused}"
    );
}
