//! A store that is written anew with other shards holds the same events, and goes on as it was.

use std::sync::Arc;

use eventcask::storage::{MemoryStorage, Storage};
use eventcask::subscribe::Retry;
use eventcask::upkeep::{ReshardOptions, ReshardReport, reshard};
use eventcask::{
    Codec, Error, ErrorKind, Event, EventId, Expected, NewEvent, Options, RouteBy, Store,
    StoreReader, Timestamp, ViewSpec, verify,
};

use crate::support::{all, bytes_of, copy_of, deposit, files, payloads, put};

/// Shards and routing.
pub(crate) type Layout = (u32, RouteBy);

pub(crate) const BY_KEY: RouteBy = RouteBy::Key;
const BY_CATEGORY: RouteBy = RouteBy::Category;

pub(crate) fn options((shards, by): Layout) -> Options {
    Store::options()
        .shards(shards)
        .route_by(by)
        .threads(1)
        .pin(false)
        .codec(Codec::Zstd(1))
        .segment_bytes(6_000)
}

pub(crate) fn open(storage: &MemoryStorage) -> Store {
    let options = Store::options().threads(1).pin(false);
    options.create(false).open(storage.clone()).unwrap()
}

pub(crate) fn reader(storage: &MemoryStorage) -> StoreReader {
    Store::options().open_read_only(storage.clone()).unwrap()
}

/// Writes a store anew; the segments are small, so that some are complete.
pub(crate) fn anew(from: &MemoryStorage, layout: Layout) -> (MemoryStorage, ReshardReport) {
    anew_within(from, layout, 1 << 20)
}

/// The same with so much memory for aggregates.
fn anew_within(
    from: &MemoryStorage,
    layout: Layout,
    memory_bytes: usize,
) -> (MemoryStorage, ReshardReport) {
    let to = MemoryStorage::default();
    let how = ReshardOptions::new(options(layout));
    let how = how.forget_subscriptions(true).memory_bytes(memory_bytes);
    let report = reshard(from.clone(), to.clone(), &how).unwrap();
    is_whole(&to);
    (to, report)
}

pub(crate) fn is_whole(storage: &MemoryStorage) {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    let stats = Store::options().open_read_only(&storage).unwrap().stats();
    assert_eq!(stats.aggregates, report.aggregates, "what figures say");
}

/// All that an event is, but for its place.
fn said(event: Result<Event, Error>) -> String {
    let event = event.unwrap();
    let payload = String::from_utf8_lossy(event.payload());
    format!(
        "{}@{} {} {} {:?} {} {} {:?} {payload} {:?} {:?} {:?} {:?}",
        event.key(),
        event.version(),
        event.event_type(),
        event.schema(),
        event.encoding(),
        event.id(),
        event.commit_time(),
        event.time(),
        event.correlation_id(),
        event.causation_id(),
        event.headers().iter().collect::<Vec<_>>(),
        event.tags().iter().collect::<Vec<_>>(),
    )
}

/// All events, in an order that has nothing to do with shards.
pub(crate) fn events(store: &StoreReader) -> Vec<String> {
    let mut all: Vec<_> = store.events().iter().map(said).collect();
    all.sort_unstable();
    all
}

/// Each aggregate by itself, as it is loaded.
pub(crate) fn aggregates(store: &StoreReader) -> Vec<Vec<String>> {
    let keys = store
        .events()
        .iter()
        .map(|event| event.unwrap().key().to_owned());
    let mut keys: Vec<_> = keys.collect();
    keys.sort();
    keys.dedup();
    let load = |key: &String| store.aggregate(key).events().unwrap().map(said).collect();
    keys.iter().map(load).collect()
}

fn key(number: u64) -> String {
    let category = ["order", "account", "stock", "tenant"][(number % 4) as usize];
    match number % 9 {
        0 => category.to_owned(),
        _ => format!("{category}-{}", number % 23),
    }
}

/// Events of all kinds: with and without ids and times, of several types, in large appends and
/// small ones, before and after a new opening.
pub(crate) fn fill(storage: &MemoryStorage, layout: Layout) -> Store {
    let store = options(layout).open(storage.clone()).unwrap();
    write(&store, 0..150);
    store.close().unwrap();
    let store = options(layout).open(storage.clone()).unwrap();
    write(&store, 150..300);
    store
}

fn event_id(number: u64) -> EventId {
    EventId::from_name(&number.to_string())
}

pub(crate) fn write(store: &Store, numbers: std::ops::Range<u64>) {
    let mut producer = store.producer();
    for number in numbers {
        let payload = format!(
            r#"{{"n":{number},"text":"{}"}}"#,
            "x".repeat(number as usize % 90)
        );
        let mut event = match number % 5 {
            0 => NewEvent::bytes("Raw", &[0xff, 0, 7]).schema(3),
            1 => NewEvent::json("Withdrawn", payload.as_bytes()),
            _ => deposit(&payload),
        };
        if number % 3 == 0 {
            event = event.id(EventId::from_name(&number.to_string()));
        }
        if number % 4 == 0 {
            event = event.time(Timestamp::from_nanos(number as i64 * 1_000 - 50_000));
        }
        let header = [("by", &[0xff, number as u8][..])];
        let tags = [("tenant", "north"), ("till", "7")];
        if number % 6 == 1 {
            event = event.correlation(event_id(number / 3)).headers(&header);
        }
        if number % 10 == 1 {
            event = event.causation(event_id(number)).tags(&tags);
        }
        match number % 7 {
            0 => {
                let several = [deposit("1"), deposit("2"), deposit("3")];
                let ticket = producer.append(&key(number), Expected::Any, &several);
                ticket.unwrap().wait().unwrap();
            }
            _ => producer.push(&key(number), &event).unwrap(),
        }
        if number % 40 == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
}

const WAYS: [(Layout, Layout); 10] = [
    ((1, BY_KEY), (4, BY_KEY)),
    ((4, BY_KEY), (1, BY_KEY)),
    ((2, BY_KEY), (8, BY_KEY)),
    ((8, BY_KEY), (2, BY_KEY)),
    ((4, BY_KEY), (4, BY_KEY)),
    ((4, BY_KEY), (4, BY_CATEGORY)),
    ((4, BY_CATEGORY), (4, BY_KEY)),
    ((2, BY_KEY), (16, BY_CATEGORY)),
    ((16, BY_CATEGORY), (1, BY_KEY)),
    ((4, BY_CATEGORY), (2, BY_CATEGORY)),
];

#[test]
fn l14_every_event_is_there_as_it_was_in_the_shard_of_its_aggregate() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        let store = fill(&from, before);
        let (expected, by_aggregate) = (events(&store), aggregates(&store));
        let (id, created) = (store.stats().store, store.created());
        store.close().unwrap();
        let untouched = copy_of(&from);
        let (to, report) = anew(&from, after);
        assert_eq!((report.shards, report.route_by), after);
        assert_eq!(report.events, expected.len() as u64);
        assert!(
            files(&from).iter().all(|path| {
                path == "LOCK" || bytes_of(&from, path) == bytes_of(&untouched, path)
            })
        );
        for store in [reader(&to), open(&to).reader()] {
            assert_eq!(events(&store), expected, "{before:?} {after:?}");
            assert_eq!(aggregates(&store), by_aggregate, "{before:?} {after:?}");
            assert_eq!((store.shards(), store.route_by()), after);
            let stats = store.stats();
            assert!(stats.store != id && stats.origin == Some(id));
            assert!(stats.sealed_segments > 0, "complete ones are sealed");
            assert!(store.created() > created);
            for event in &store.events() {
                let event = event.unwrap();
                assert_eq!(event.shard(), store.shard_of(event.key()));
            }
        }
    }
}

#[test]
fn events_of_a_shard_stand_in_the_order_of_commits_and_then_of_shards_before() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        let store = fill(&from, before);
        let order: Vec<_> = store.events().iter().map(said).collect();
        store.close().unwrap();
        let (to, _) = anew(&from, after);
        let (again, _) = anew(&from, after);
        let store = reader(&to);
        for shard in 0..after.0 {
            let in_shard = |store: &StoreReader| -> Vec<_> {
                store.events().shard(shard).iter().map(said).collect()
            };
            let of_shard =
                |event: &&String| store.shard_of(event.split_once('@').unwrap().0) == shard;
            let expected: Vec<_> = order.iter().filter(of_shard).cloned().collect();
            assert_eq!(in_shard(&store), expected);
            assert_eq!(in_shard(&reader(&again)), expected);
        }
    }
}

/// Where aggregates are is told by the tables of sealed segments then.
#[test]
fn s10_with_no_memory_for_aggregates_the_same_comes_of_it() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        let store = options(before).open(from.clone()).unwrap();
        give_up(&store, true);
        write(&store, 150..300);
        let (expected, by_aggregate) = (left(&store), aggregates(&store));
        let counted = store.stats().aggregates;
        store.close().unwrap();
        let (to, _) = anew_within(&from, after, 0);
        let stats = reader(&to).stats();
        assert_eq!(left(&reader(&to)), expected, "{before:?} {after:?}");
        assert_eq!(aggregates(&reader(&to)), by_aggregate);
        assert!(
            stats.segments > 4 && stats.aggregates == counted,
            "{stats:?}"
        );
    }
}

#[test]
fn there_and_back_again_is_the_same() {
    let layouts = [
        (1, BY_KEY),
        (4, BY_CATEGORY),
        (2, BY_KEY),
        (4, BY_KEY),
        (1, BY_KEY),
    ];
    let from = MemoryStorage::default();
    let store = fill(&from, layouts[0]);
    let (expected, first) = (events(&store), store.stats().store);
    store.close().unwrap();
    let mut storage = from;
    for layout in &layouts[1..] {
        storage = anew(&storage, *layout).0;
        assert_eq!(events(&reader(&storage)), expected);
        let origin = reader(&storage).stats().origin;
        assert_eq!(origin, Some(first), "where its events began");
    }
}

#[test]
fn l3_versions_that_are_expected_hold_and_go_on() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        fill(&from, before).close().unwrap();
        let (to, _) = anew(&from, after);
        let (old, store) = (reader(&from), open(&to));
        for number in 0..36 {
            let key = key(number);
            let version = old.aggregate(&key).version().unwrap();
            let append = |expected| {
                let ticket = store.append(&key, expected, &[deposit("{}")]).unwrap();
                ticket.wait().map(|done| done.version())
            };
            if store.aggregate(&key).version().unwrap() != version {
                // The same aggregate once more.
                continue;
            }
            let refused = append(Expected::Exact(version + 1)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Conflict);
            assert_eq!(append(Expected::Exact(version)).unwrap(), Some(version + 1));
            let loaded = store.aggregate(&key).events().unwrap().count() as u64;
            assert_eq!(loaded, version + 1);
        }
        store.close().unwrap();
        is_whole(&to);
    }
}

/// The event with an id, as it would be sent again.
fn again(event: &Event) -> NewEvent<'_> {
    let mut new = match event.encoding() {
        eventcask::event::Encoding::Json => NewEvent::json(event.event_type(), event.payload()),
        _ => NewEvent::bytes(event.event_type(), event.payload()),
    };
    new = new.schema(event.schema()).id(event.id());
    new = new.metadata(event.metadata());
    match event.time() {
        Some(time) => new.time(time),
        None => new,
    }
}

#[test]
fn l4_an_event_that_comes_again_is_known_by_its_id_also_by_one_that_the_engine_made() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        fill(&from, before).close().unwrap();
        let (to, _) = anew(&from, after);
        for round in ["at once", "opened again"] {
            let store = open(&to);
            let known: Vec<_> = store.events().iter().map(Result::unwrap).collect();
            for event in &known {
                let ticket = store
                    .append(event.key(), Expected::Any, &[again(event)])
                    .unwrap();
                let answer = ticket.wait().unwrap();
                assert!(
                    answer.is_duplicate(),
                    "{round}: {}",
                    said(Ok(event.clone()))
                );
                assert_eq!(answer.version(), Some(event.version()));
                let found = store.find(event.id()).unwrap();
                assert!(
                    found
                        .iter()
                        .any(|one| said(Ok(one.clone())) == said(Ok(event.clone())))
                );
            }
            let other = deposit(r#"{"other":1}"#).id(known[0].id());
            let refused = store
                .append(known[0].key(), Expected::Any, &[other])
                .unwrap();
            assert_eq!(refused.wait().unwrap_err().kind(), ErrorKind::IdConflict);
            store.close().unwrap();
        }
    }
}

/// Rows of a source whose keys are in any shard.
pub(crate) fn send(store: &Store, rows: std::ops::Range<u64>) -> (u64, u64) {
    let mut producer = store.producer_from("file").unwrap();
    for row in rows {
        let payload = row.to_string();
        producer
            .push_at(row, row * 3, &key(row), &deposit(&payload))
            .unwrap();
    }
    let flushed = producer.flush().unwrap().wait().unwrap();
    (flushed.stored, flushed.duplicates)
}

#[test]
fn l14_rows_of_a_source_are_known_and_it_goes_on() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        let store = options(before).open(from.clone()).unwrap();
        assert_eq!(send(&store, 0..100), (100, 0));
        store.close().unwrap();
        let (to, report) = anew(&from, after);
        assert_eq!(report.sources, 1);
        let store = open(&to);
        let consumed = store.consumed("file");
        assert!((0..100).all(|row| consumed.has(row, &key(row))));
        assert!(!(100..200).any(|row| consumed.has(row, &key(row))));
        assert_eq!(send(&store, 0..130), (30, 100), "{before:?} {after:?}");
        store.close().unwrap();
        let (to, _) = anew(&to, before);
        let store = open(&to);
        assert_eq!(send(&store, 0..150), (20, 130), "{before:?} {after:?}");
        assert_eq!(all(&store).len(), 150);
    }
}

/// One shard had come further than another when the process ended.
#[test]
fn rows_that_some_shards_had_and_others_had_not_are_told_apart() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        let store = options(before).open(from.clone()).unwrap();
        let late = |row: u64| store.shard_of(&key(row)) == 0 && row >= 30;
        let mut producer = store.producer_from("file").unwrap();
        let mut stored = 0;
        for row in (0..100).filter(|row| !late(*row)) {
            let payload = row.to_string();
            producer
                .push_at(row, row * 3, &key(row), &deposit(&payload))
                .unwrap();
            stored += 1;
        }
        assert_eq!(producer.flush().unwrap().wait().unwrap().stored, stored);
        drop(producer);
        store.close().unwrap();
        let (to, _) = anew(&from, after);
        let store = open(&to);
        // No mark says more than what is there.
        for (shard, mark) in (0..).zip(store.source_marks("file")) {
            let next = mark.map_or(0, |mark| mark.next);
            let consumed = store.consumed("file");
            let own = (0..next).filter(|row| store.shard_of(&key(*row)) == shard);
            assert!(own.into_iter().all(|row| consumed.has(row, &key(row))));
        }
        assert_eq!(
            send(&store, 0..100),
            (100 - stored, stored),
            "{before:?} {after:?}"
        );
        for number in 0..36 {
            let mut rows = payloads(&store, &key(number));
            rows.sort();
            rows.dedup();
            assert_eq!(rows.len(), payloads(&store, &key(number)).len());
        }
        assert_eq!(all(&store).len(), 100);
    }
}

#[test]
fn l14_sessions_go_on_behind_their_last_ordinal() {
    for (before, after) in WAYS {
        let from = MemoryStorage::default();
        let store = options(before).open(from.clone()).unwrap();
        let mut session = store.session("teller").unwrap();
        for ordinal in 0..50 {
            session
                .push(&key(ordinal), &deposit(&ordinal.to_string()))
                .unwrap();
        }
        session.flush().unwrap().wait().unwrap();
        drop(session);
        store.close().unwrap();
        let (to, _) = anew(&from, after);
        let store = open(&to);
        let mut session = store.session("teller").unwrap();
        assert_eq!(session.next_ordinal(), Some(50));
        session.resume_at(20).unwrap();
        for ordinal in 20..60 {
            session
                .push(&key(ordinal), &deposit(&ordinal.to_string()))
                .unwrap();
        }
        let flushed = session.flush().unwrap().wait().unwrap();
        assert_eq!(
            (flushed.stored, flushed.duplicates),
            (10, 30),
            "{before:?} {after:?}"
        );
    }
}

/// Which of these texts are on a disk.
fn found(storage: &MemoryStorage, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(storage) {
        let bytes = bytes_of(storage, &path);
        for text in texts {
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(format!("{text} in {path}"));
            }
        }
    }
    found
}

/// Given up in all ways: the beginning of an aggregate, all of one, and by time; taken back or not.
fn give_up(store: &Store, reclaims: bool) {
    for number in 0..12 {
        put(
            store,
            "early",
            &format!("{{\"secret\":\"Babbage {number}\"}}"),
        );
        put(store, &format!("early-{number}"), "{}");
    }
    put(store, "late", "{\"secret\":\"Babbage\"}");
    put(store, "late", "{}");
    let newest = store.aggregate("late").last(1).events().unwrap().next();
    let until = newest.unwrap().unwrap().commit_time();
    store.truncate_before(until).unwrap();
    write(store, 0..150);
    for number in 0..8 {
        put(
            store,
            "lovely-ada",
            &format!("{{\"secret\":\"Lovelace {number}\"}}"),
        );
        put(
            store,
            "short",
            &format!("{{\"secret\":\"Lovelace {number}\"}}"),
        );
        put(store, "back", "{\"secret\":\"Lovelace\"}");
    }
    store.delete_aggregate("lovely-ada").unwrap();
    store.delete_aggregate("back").unwrap();
    put(store, "short", "{}");
    store.truncate_aggregate("short", 9).unwrap();
    if reclaims {
        store.reclaim().unwrap();
    }
    put(store, "back", "{}");
    put(store, "short", "{}");
}

const GIVEN_UP: [&str; 7] = [
    "early",
    "early-3",
    "late",
    "lovely-ada",
    "short",
    "back",
    "none",
];

/// What is left, and the versions that go on.
fn left(store: &StoreReader) -> (Vec<String>, Vec<u64>) {
    let version = |key: &&str| store.aggregate(key).version().unwrap();
    (events(store), GIVEN_UP.iter().map(version).collect())
}

#[test]
fn l14_what_was_given_up_stays_so_and_versions_go_on() {
    for (before, after) in WAYS {
        for reclaims in [false, true] {
            let from = MemoryStorage::default();
            let store = options(before)
                .codec(Codec::None)
                .open(from.clone())
                .unwrap();
            give_up(&store, reclaims);
            let expected = left(&store);
            assert_eq!(expected.1, [12, 1, 2, 9, 11, 10, 0]);
            let aggregates = store.stats().aggregates;
            store.close().unwrap();
            let to = MemoryStorage::default();
            let how = ReshardOptions::new(options(after).codec(Codec::None));
            let report = reshard(from.clone(), to.clone(), &how).unwrap();
            assert!(report.given_up > 0);
            is_whole(&to);
            assert_eq!(
                found(&to, &["Lovelace", "Babbage", "early", "lovely-ada"]),
                [""; 0]
            );
            let way = format!("{before:?} {after:?} {reclaims}");
            assert_eq!(left(&reader(&to)), expected, "{way}");
            assert_eq!(reader(&to).stats().aggregates, aggregates, "{way}");
            let again = anew(&to, before).0;
            assert_eq!(left(&reader(&again)), expected, "{way}");
            assert_eq!(
                reader(&again).stats().aggregates,
                aggregates,
                "{way}, again"
            );
            for storage in [to, again] {
                goes_on(&storage, &expected.1);
            }
        }
    }
}

/// Each of them goes on behind its version, is erased once more, and goes on again.
fn goes_on(storage: &MemoryStorage, versions: &[u64]) {
    let store = open(storage);
    let append = |key: &str, version| {
        let expected = match version {
            0 => Expected::NoStream,
            version => Expected::Exact(version),
        };
        let ticket = store.append(key, expected, &[deposit("{}")]).unwrap();
        ticket.wait().unwrap().version().unwrap()
    };
    for (key, version) in GIVEN_UP.iter().zip(versions) {
        assert_eq!(append(key, *version), version + 1, "{key}");
    }
    store.delete_aggregate("lovely-ada").unwrap();
    store.delete_aggregate("early").unwrap();
    store.reclaim().unwrap();
    assert_eq!(append("lovely-ada", 11), 12);
    assert_eq!(append("early", 14), 15);
    store.close().unwrap();
    is_whole(storage);
}

#[test]
fn views_come_along_by_their_definitions_and_give_the_same_rows() {
    let from = MemoryStorage::default();
    let store = fill(&from, (4, BY_KEY));
    let spec = ViewSpec::new("n", &["count"], None, None).unwrap();
    let rows = |store: &StoreReader| format!("{:?}", store.view("v").unwrap().rows().unwrap());
    store.create_view("v", spec).unwrap();
    let expected = rows(&store);
    store.close().unwrap();
    let (to, report) = anew(&from, (2, BY_CATEGORY));
    assert_eq!(report.views, ["v"]);
    let store = open(&to);
    assert_eq!(rows(&store), expected);
    store.close().unwrap();
    assert_eq!(rows(&reader(&to)), expected);
}

#[test]
fn subscriptions_that_have_handled_everything_go_on_and_others_are_never_forgotten_silently() {
    let from = MemoryStorage::default();
    let store = fill(&from, (4, BY_KEY));
    let mut letters = store.events().named("letters").unwrap();
    while letters.try_next().unwrap().is_some() {}
    letters.checkpoint().unwrap();
    let mut behind = store.events().named("behind").unwrap();
    behind.try_next().unwrap();
    behind.checkpoint().unwrap();
    let mail = store.events().group("parked", Retry::new(1)).unwrap();
    while let Some(claim) = mail.try_claim().unwrap() {
        match claim.event().version() {
            1 => claim.park("no such street").unwrap(),
            _ => claim.ack().unwrap(),
        }
    }
    drop((letters, behind, mail));
    store.close().unwrap();
    let to = MemoryStorage::default();
    let how = ReshardOptions::new(options((2, BY_KEY)));
    let refused = reshard(from.clone(), to.clone(), &how).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let sentence = refused.to_string();
    assert!(
        sentence.contains("\"behind\" (") && sentence.contains("\"parked\" ("),
        "{sentence}"
    );
    assert!(!sentence.contains("letters"), "{sentence}");
    assert_eq!(files(&to), [""; 0]);

    let (to, report) = anew(&from, (2, BY_KEY));
    assert_eq!(report.subscriptions, ["letters"]);
    assert_eq!(report.forgotten, ["behind", "parked"]);
    let store = open(&to);
    let mut letters = store.events().named("letters").unwrap();
    assert!(letters.try_next().unwrap().is_none(), "all is handled");
    put(&store, "new", "{}");
    assert_eq!(letters.try_next().unwrap().unwrap().key(), "new");
    let mut behind = store.events().named("behind").unwrap();
    assert!(behind.try_next().unwrap().is_some(), "it begins anew");
}

#[test]
fn a_store_without_events_becomes_one_without_events() {
    let from = MemoryStorage::default();
    options((2, BY_KEY))
        .open(from.clone())
        .unwrap()
        .close()
        .unwrap();
    let (to, report) = anew(&from, (4, BY_CATEGORY));
    assert_eq!((report.events, report.given_up), (0, 0));
    let store = open(&to);
    put(&store, "a", "{}");
    assert_eq!(all(&store), ["a@1"]);
}

#[test]
fn clusters_are_made_where_they_are_asked_for() {
    let from = MemoryStorage::default();
    let store = fill(&from, (4, BY_KEY));
    let expected = aggregates(&store);
    store.close().unwrap();
    let to = MemoryStorage::default();
    let how = ReshardOptions::new(options((1, BY_KEY)).clustered(true));
    reshard(from, to.clone(), &how).unwrap();
    is_whole(&to);
    assert_eq!(aggregates(&reader(&to)), expected);
    // Nothing is left to be sealed, with clusters or without.
    let store = Store::options().clustered(true).open(to.clone()).unwrap();
    assert_eq!(store.seal().unwrap(), 0);
}
