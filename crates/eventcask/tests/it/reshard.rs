//! A store that is written anew with other shards holds the same events, and goes on as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventcask::inspect::{self, Inspection};
use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::subscribe::Retry;
use eventcask::upkeep::{ReshardOptions, ReshardReport, reshard};
use eventcask::{
    Codec, Error, ErrorKind, Event, EventId, Expected, NewEvent, Options, RouteBy, Store,
    StoreReader, Timestamp, ViewSpec, verify,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{all, bytes_of, copy_of, deposit, files, payloads, put};

const ENOSPC: i32 = 28;

/// Shards and routing.
type Layout = (u32, RouteBy);

const BY_KEY: RouteBy = RouteBy::Key;
const BY_CATEGORY: RouteBy = RouteBy::Category;

fn options((shards, by): Layout) -> Options {
    Store::options()
        .shards(shards)
        .route_by(by)
        .threads(1)
        .pin(false)
        .codec(Codec::Zstd(1))
        .segment_bytes(6_000)
}

fn open(storage: &MemoryStorage) -> Store {
    let options = Store::options().threads(1).pin(false);
    options.create(false).open(storage.clone()).unwrap()
}

fn reader(storage: &MemoryStorage) -> StoreReader {
    Store::options().open_read_only(storage.clone()).unwrap()
}

/// Writes a store anew; the segments are small, so that some are complete.
fn anew(from: &MemoryStorage, layout: Layout) -> (MemoryStorage, ReshardReport) {
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

fn is_whole(storage: &MemoryStorage) {
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
        "{}@{} {} {} {:?} {} {} {:?} {payload}",
        event.key(),
        event.version(),
        event.event_type(),
        event.schema(),
        event.encoding(),
        event.id(),
        event.commit_time(),
        event.time(),
    )
}

/// All events, in an order that has nothing to do with shards.
fn events(store: &StoreReader) -> Vec<String> {
    let mut all: Vec<_> = store.events().iter().map(said).collect();
    all.sort_unstable();
    all
}

/// Each aggregate by itself, as it is loaded.
fn aggregates(store: &StoreReader) -> Vec<Vec<String>> {
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
fn fill(storage: &MemoryStorage, layout: Layout) -> Store {
    let store = options(layout).open(storage.clone()).unwrap();
    write(&store, 0..150);
    store.close().unwrap();
    let store = options(layout).open(storage.clone()).unwrap();
    write(&store, 150..300);
    store
}

fn write(store: &Store, numbers: std::ops::Range<u64>) {
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
fn every_event_is_there_as_it_was_in_the_shard_of_its_aggregate() {
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
            for event in store.events().iter() {
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
fn send(store: &Store, rows: std::ops::Range<u64>) -> (u64, u64) {
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
fn rows_of_a_source_are_known_and_it_goes_on() {
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
fn sessions_go_on_behind_their_last_ordinal() {
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
fn l13_what_was_given_up_stays_so_and_versions_go_on() {
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
fn what_can_not_be_is_refused_and_leaves_nothing() {
    let from = MemoryStorage::default();
    let writer = fill(&from, (2, BY_KEY));
    let to = MemoryStorage::default();
    let how = |shards| ReshardOptions::new(Store::options().shards(shards));
    let refused = reshard(from.clone(), to.clone(), &how(4)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked, "somebody writes to it");
    writer.close().unwrap();
    for shards in [0, 3, 5, 8192] {
        let refused = reshard(from.clone(), to.clone(), &how(shards)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{shards}");
    }
    let nothing = reshard(MemoryStorage::default(), to.clone(), &how(4)).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotAStore);
    assert_eq!(files(&to), [""; 0]);
    let full = reshard(from.clone(), from.clone(), &how(4)).unwrap_err();
    assert!([ErrorKind::Invalid, ErrorKind::Locked].contains(&full.kind()));
    reshard(from.clone(), to.clone(), &how(4)).unwrap();
    let again = reshard(from, to, &how(4)).unwrap_err();
    assert_eq!(
        again.kind(),
        ErrorKind::Invalid,
        "a whole store is never gone over"
    );
}

#[test]
fn nobody_writes_to_the_source_meanwhile() {
    let from = MemoryStorage::default();
    fill(&from, (2, BY_KEY)).close().unwrap();
    let tried = Arc::new(AtomicU64::new(0));
    let how = ReshardOptions::new(Store::options().shards(4)).progress({
        let (from, tried) = (from.clone(), Arc::clone(&tried));
        move |copied, all| {
            assert!(copied <= all && all > 300);
            let refused = Store::options().open(from.clone()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Locked);
            tried.fetch_add(1, Ordering::Relaxed);
        }
    });
    reshard(from.clone(), MemoryStorage::default(), &how).unwrap();
    assert!(tried.load(Ordering::Relaxed) > 0);
    open(&from).close().unwrap();
}

/// A byte of each part of the source is changed: the command says which file, or does without.
#[test]
fn a_damaged_source_is_an_error_by_name_and_leaves_nothing() {
    let from = MemoryStorage::default();
    let store = fill(&from, (2, BY_KEY));
    let expected = events(&store);
    store.close().unwrap();
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let mut refused = 0;
    for path in files(&from)
        .into_iter()
        .filter(|path| path.ends_with(".segment"))
    {
        let length = bytes_of(&from, &path).len() as u64;
        for place in (0..length).step_by(211) {
            let damaged = copy_of(&from);
            let file = damaged.open(&path, Open::Write).unwrap();
            let byte = bytes_of(&from, &path)[place as usize];
            file.write_all_at(&[byte ^ 0x20], place).unwrap();
            let to = MemoryStorage::default();
            match reshard(damaged, to.clone(), &how) {
                Ok(_) => assert_eq!(events(&reader(&to)), expected, "{path} {place}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{path} {place}: {error}");
                    assert!(error.to_string().contains(&path), "{error}");
                    assert_eq!(files(&to), ["LOCK"; 0], "{path} {place}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn c7_a_source_that_has_lost_the_end_of_a_log_is_an_error_by_name() {
    let from = MemoryStorage::default();
    fill(&from, (1, BY_KEY)).close().unwrap();
    let segments = files(&from)
        .into_iter()
        .filter(|path| path.ends_with(".segment"));
    let newest = segments.max().unwrap();
    from.remove(&newest).unwrap();
    let to = MemoryStorage::default();
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let refused = reshard(from, to.clone(), &how).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(
        refused.to_string().contains("has lost its end"),
        "{refused}"
    );
    assert_eq!(files(&to), [""; 0]);
}

/// A source that a repair had to give events of up: their versions are missing, and stay so.
#[test]
fn a_source_that_was_repaired_is_copied_with_its_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let store = options((1, BY_KEY)).seal(false).open(&from).unwrap();
    write(&store, 0..300);
    store.close().unwrap();
    let segment = from.join("shards/0000/0000000001.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let Inspection::Segment(inspected) = inspect::file(&segment).unwrap() else {
        panic!("it is a segment");
    };
    let block = &inspected.blocks[1];
    bytes[(block.place + u64::from(block.length) / 2) as usize] ^= 0x55;
    std::fs::write(&segment, bytes).unwrap();
    assert!(eventcask::repair(&from).unwrap().lost() > 0);
    reshard(&from, &to, &ReshardOptions::new(options((4, BY_KEY)))).unwrap();
    let report = verify(&to).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    let open = |path| Store::options().open_read_only(path).unwrap();
    assert_eq!(events(&open(&to)), events(&open(&from)));
    assert_eq!(aggregates(&open(&to)), aggregates(&open(&from)));
}

/// Each operation of the disk fails once, whatever it is: the place is no store, says so, and the
/// same call begins it again.
#[test]
fn one_that_is_cut_short_anywhere_is_no_store_and_is_begun_again() {
    let from = MemoryStorage::default();
    let store = fill(&from, (2, BY_KEY));
    let spec = ViewSpec::new("n", &["count"], None, None).unwrap();
    store.create_view("v", spec).unwrap();
    let mut letters = store.events().named("letters").unwrap();
    while letters.try_next().unwrap().is_some() {}
    letters.checkpoint().unwrap();
    drop(letters);
    store.truncate_before(Timestamp::from_nanos(0)).unwrap();
    let expected = events(&store);
    store.close().unwrap();
    let how = ReshardOptions::new(options((4, BY_KEY)));
    let places = [
        "MANIFEST.unfinished",
        "shards/0001",
        "ORIGIN",
        "RETENTION",
        "views",
        "subscriptions",
        "ENDS",
    ];
    for (operation, fault) in [(Operation::Sync, 5), (Operation::Write, ENOSPC)] {
        for place in places {
            let copy = MemoryStorage::default();
            let disk = FaultyDisk::on(Arc::new(copy.clone()));
            disk.fails(operation, place, Fault::Errno(fault));
            let to: Arc<dyn Storage> = Arc::new(disk.clone());
            let failed = reshard(from.clone(), &to, &how).map(drop);
            disk.is_well();
            if place == "ENDS" && fault == ENOSPC {
                // It is noted when the store is opened.
                failed.unwrap();
                continue;
            }
            let kind = failed.unwrap_err().kind();
            let is_full = fault == ENOSPC;
            let expected_kind = if is_full {
                ErrorKind::StorageFull
            } else {
                ErrorKind::Io
            };
            assert_eq!(kind, expected_kind, "{place}");
            let refused = Store::options().create(false).open(&to).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotAStore, "{place}");
            reshard(from.clone(), &to, &how).unwrap();
            is_whole(&copy);
            assert_eq!(events(&reader(&copy)), expected, "{place}");
        }
    }
}

#[test]
fn an_unfinished_one_is_gone_over_by_its_own_source_only() {
    let (from, other) = (MemoryStorage::default(), MemoryStorage::default());
    fill(&from, (1, BY_KEY)).close().unwrap();
    fill(&other, (1, BY_KEY)).close().unwrap();
    let whole = anew(&from, (4, BY_KEY)).0;
    // As a process leaves it that was killed.
    whole.rename("MANIFEST", "MANIFEST.unfinished").unwrap();
    for refused in [
        Store::options().open(whole.clone()).unwrap_err(),
        Store::options().open_read_only(whole.clone()).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::NotAStore);
        assert!(
            refused.to_string().contains("was not finished"),
            "{refused}"
        );
    }
    let how = ReshardOptions::new(options((2, BY_KEY)));
    let refused = reshard(other, whole.clone(), &how).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    reshard(from.clone(), whole.clone(), &how).unwrap();
    is_whole(&whole);
    assert_eq!(events(&reader(&whole)), events(&reader(&from)));
}

/// What is needed of the store before is in a file of its own.
#[test]
fn a_lost_or_damaged_origin_is_named_and_mended_and_a_backup_has_it() {
    for is_lost in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let store = options((4, BY_KEY)).open(&from).unwrap();
        send(&store, 0..50);
        put(&store, "lovely-ada", "{}");
        store.delete_aggregate("lovely-ada").unwrap();
        store.reclaim().unwrap();
        store.close().unwrap();
        reshard(&from, &to, &ReshardOptions::new(options((2, BY_KEY)))).unwrap();
        let copy = directory.path().join("copy");
        Store::options()
            .open_read_only(&to)
            .unwrap()
            .backup(&copy)
            .unwrap();
        assert_eq!(
            send(&Store::options().open(&copy).unwrap(), 0..60),
            (10, 50)
        );
        let origin = to.join("ORIGIN");
        match is_lost {
            true => std::fs::remove_file(&origin).unwrap(),
            false => std::fs::write(&origin, "ECASKFRM").unwrap(),
        }
        let refused = Store::options().open(&to).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Damaged);
        assert!(refused.to_string().contains("ORIGIN"), "{refused}");
        let problems = verify(&to).unwrap().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].file.ends_with("ORIGIN"));
        let repaired = eventcask::repair(&to).unwrap();
        assert!(
            repaired.verified.is_ok(),
            "{:?}",
            repaired.verified.problems
        );
        assert!(repaired.files.iter().any(|line| line.contains("ORIGIN")));
        let store = Store::options().open(&to).unwrap();
        assert_eq!(
            store.aggregate("lovely-ada").version().unwrap(),
            2,
            "what is in the manifest stays"
        );
        assert_eq!(send(&store, 0..50), (50, 0), "as it is said");
    }
}

#[test]
fn a_store_that_lost_its_manifest_has_its_origin_again() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let store = options((4, BY_KEY)).open(&from).unwrap();
    send(&store, 0..50);
    store.close().unwrap();
    reshard(&from, &to, &ReshardOptions::new(options((2, BY_KEY)))).unwrap();
    let manifest = to.join("MANIFEST");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    assert!(eventcask::repair(&to).unwrap().verified.is_ok());
    assert_eq!(send(&Store::options().open(&to).unwrap(), 0..60), (10, 50));
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
