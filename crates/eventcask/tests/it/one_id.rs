//! One id under several keys: each aggregate has its own event with it.

use std::sync::Arc;

use eventcask::{
    Appended, DedupWindow, Error, ErrorKind, EventId, Expected, NewEvent, Options, Store,
    StoreReader,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, id, payloads, put};

const ENOSPC: i32 = 28;

/// A store in which each block is a segment of its own.
fn bank(shards: u32, set: fn(Options) -> Options) -> Bank {
    let mut bank = Bank::new(shards);
    bank.options = set(bank.options.segment_bytes(1).seal(false));
    bank
}

fn append(store: &Store, key: &str, events: &[NewEvent<'_>]) -> String {
    let ticket = store.producer().append(key, Expected::Any, events);
    match ticket.unwrap().wait() {
        Ok(Appended::Stored { version, .. }) => format!("stored {version}"),
        Ok(Appended::Duplicate { version, .. }) => format!("known {}", version.unwrap()),
        Err(Error::IdConflict { .. }) => "conflict".to_owned(),
        Err(Error::PartlyKnown { known }) => format!("{} known", known.len()),
        other => panic!("{other:?}"),
    }
}

/// Key, payloads of the events, whose ids are 7, 8.., and the answers at first and from then on.
const APPENDS: [(&str, &[&str], &str, &str); 11] = [
    ("a", &["1"], "stored 1", "known 1"),
    ("b", &["1"], "stored 1", "known 1"),
    ("c", &["2"], "stored 1", "known 1"),
    ("a", &["1"], "known 1", "known 1"),
    ("b", &["3"], "conflict", "conflict"),
    ("c", &["1"], "conflict", "conflict"),
    ("c", &["2"], "known 1", "known 1"),
    ("b", &["1", "x"], "1 known", "1 known"),
    ("d", &["1", "x"], "stored 2", "known 2"),
    ("d", &["1", "y"], "conflict", "conflict"),
    ("e", &["1"], "stored 1", "known 1"),
];

fn send(store: &Store) -> Vec<String> {
    let send = |(key, payloads, ..): &(&str, &[&str], &str, &str)| {
        let numbered = (7..).zip(*payloads);
        let events: Vec<_> = numbered
            .map(|(number, payload)| deposit(payload).id(id(number)))
            .collect();
        append(store, key, &events)
    };
    APPENDS.iter().map(send).collect()
}

/// The answer was a duplicate, a conflict or stored, as the keys happened to be in one shard or in
/// two: an id was looked up in the shard of its key. The key is part of the identity now.
#[test]
fn l4_an_id_under_several_keys_is_answered_alike_by_any_number_of_shards() {
    let settings: [fn(Options) -> Options; 2] =
        [|options| options, |options| options.dedup_memory_bytes(1)];
    for (shards, set) in [1, 2, 16]
        .into_iter()
        .flat_map(|n| settings.map(|set| (n, set)))
    {
        let bank = bank(shards, set);
        let mut store = bank.open();
        assert_eq!(
            send(&store),
            APPENDS.map(|(.., first, _)| first),
            "{shards}"
        );
        let again = APPENDS.map(|(.., again)| again);
        assert_eq!(send(&store), again, "{shards} shards");
        store.close().unwrap();
        store = bank.open();
        assert_eq!(send(&store), again, "{shards} shards, opened again");
        for filler in 0..64 {
            put(&store, &format!("filler-{filler}"), "0");
        }
        store.seal().unwrap();
        assert_eq!(send(&store), again, "{shards} shards, sealed");
        store.close().unwrap();
        store = bank.open();
        assert_eq!(send(&store), again, "{shards} shards, sealed and opened");
        // A sixth aggregate is as new as it was at first.
        let event = [deposit("1").id(id(7))];
        assert_eq!(append(&store, "f", &event), "stored 1", "{shards} shards");
        assert_eq!(append(&store, "f", &event), "known 1", "{shards} shards");
        let report = eventcask::verify(Arc::new(bank.storage.clone())).unwrap();
        assert_eq!((report.problems, report.repeated_ids), (vec![], 0));
    }
}

#[test]
fn l4_pushed_events_under_one_id_are_told_apart_by_their_keys() {
    let keys: Vec<String> = (0..500).map(|key| format!("account-{key}")).collect();
    let bank = bank(1, |options| options.dedup_memory_bytes(1));
    let push = |store: &Store| {
        let mut producer = store.producer();
        // An id of its own between them, so that both ways are gone.
        for (key, number) in keys.iter().zip(100..) {
            producer.push(key, &deposit("1").id(id(7))).unwrap();
            producer.push(key, &deposit("2").id(id(number))).unwrap();
        }
        let flushed = producer.flush().unwrap().wait().unwrap();
        (flushed.stored, flushed.duplicates, flushed.refused)
    };
    let store = bank.open();
    assert_eq!(push(&store), (1000, 0, 0));
    assert_eq!(push(&store), (0, 1000, 0));
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(push(&store), (0, 1000, 0), "opened again");
    put(&store, "filler", "0");
    store.seal().unwrap();
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(push(&store), (0, 1000, 0), "from the tables");
    assert_eq!(payloads(&store, "account-7"), ["1", "2"]);
}

#[test]
fn l4_an_id_under_several_keys_leaves_the_window_and_comes_again() {
    let mut bank = bank(1, |options| options.dedup(DedupWindow::Ids(1_000)));
    bank.options = bank.options.segment_bytes(1 << 20);
    let mut store = bank.open();
    let mut next = 1_000;
    for round in 1..4 {
        let event = [deposit("1").id(id(7))];
        for key in ["a", "b"] {
            assert_eq!(append(&store, key, &event), format!("stored {round}"));
            assert_eq!(append(&store, key, &event), format!("known {round}"));
        }
        store.close().unwrap();
        store = bank.open();
        for key in ["a", "b"] {
            assert_eq!(append(&store, key, &event), format!("known {round}"));
        }
        let mut producer = store.producer();
        for number in next..next + 200_000 {
            producer.push("c", &deposit("2").id(id(number))).unwrap();
        }
        producer.flush().unwrap().wait().unwrap();
        next += 200_000;
    }
}

#[test]
fn f3_an_id_that_a_full_disk_refused_under_one_key_stays_known_under_another() {
    let bank = bank(1, |options| options);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    let event = [deposit("1").id(id(7))];
    assert_eq!(append(&store, "a", &event), "stored 1");
    disk.fails(Operation::Write, "shards", Fault::Errno(ENOSPC));
    for key in ["b", "c"] {
        let ticket = store.producer().append(key, Expected::Any, &event);
        let refused = ticket.unwrap().wait().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull, "{refused}");
    }
    disk.is_well();
    assert_eq!(append(&store, "c", &event), "stored 1");
    assert_eq!(append(&store, "b", &event), "stored 1");
    for key in ["a", "b", "c"] {
        assert_eq!(append(&store, key, &event), "known 1");
    }
}

/// `aggregate@version` of the events that carry an id.
fn found(store: &StoreReader, id: EventId) -> Vec<String> {
    let events = store.find(id).unwrap();
    let name = |event: &eventcask::Event| {
        assert_eq!(event.id(), id);
        format!("{}@{}", event.key(), event.version())
    };
    events.iter().map(name).collect()
}

#[test]
fn events_are_found_by_their_id_wherever_they_are() {
    for shards in [1, 4] {
        let bank = bank(shards, |options| options);
        let store = bank.open();
        for key in ["a", "b", "c"] {
            put(&store, key, "0");
            append(&store, key, &[deposit("1").id(id(7))]);
        }
        let all = ["a@2", "b@2", "c@2"];
        assert_eq!(found(&store, id(7)), all, "in the open end");
        let reader = bank.open_read_only();
        assert_eq!(found(&reader, id(7)), all, "by a reader");
        for filler in 0..32 {
            put(&store, &format!("filler-{filler}"), "0");
        }
        store.seal().unwrap();
        assert_eq!(found(&store, id(7)), all, "sealed");
        append(&store, "d", &[deposit("1").id(id(7))]);
        assert_eq!(found(&store, id(7)), ["a@2", "b@2", "c@2", "d@1"]);
        assert_eq!(found(&store, id(8)), [""; 0], "there is none");
        store.close().unwrap();
        let store = bank.open();
        assert_eq!(found(&store, id(7)), ["a@2", "b@2", "c@2", "d@1"]);
        reader.refresh().unwrap();
        assert_eq!(found(&reader, id(7)), ["a@2", "b@2", "c@2", "d@1"]);
    }
}

#[test]
fn an_event_is_found_by_the_id_that_the_engine_made() {
    let bank = bank(4, |options| options);
    let store = bank.open();
    for key in ["a", "b", "c"] {
        put(&store, key, "0");
    }
    let made: Vec<(EventId, String)> = store
        .events()
        .iter()
        .map(|event| event.map(|event| (event.id(), event.key().to_owned())))
        .collect::<Result<_, _>>()
        .unwrap();
    for (id, key) in &made {
        assert_eq!(found(&store, *id), [format!("{key}@1")]);
        let other = EventId::from_u128(id.as_u128() + 1_000);
        assert_eq!(found(&store, other), [""; 0], "a position that nobody has");
    }
}

#[test]
fn an_event_that_was_given_up_is_not_found() {
    let bank = bank(1, |options| options);
    let store = bank.open();
    for key in ["a", "b"] {
        append(&store, key, &[deposit("1").id(id(7))]);
        put(&store, key, "2");
    }
    store.truncate_aggregate("a", 2).unwrap();
    assert_eq!(found(&store, id(7)), ["b@1"]);
    put(&store, "filler", "0");
    store.seal().unwrap();
    assert_eq!(found(&store, id(7)), ["b@1"]);
    store.reclaim().unwrap();
    assert_eq!(found(&store, id(7)), ["b@1"]);
    // Its id went with it, and b still has its own.
    assert_eq!(append(&store, "b", &[deposit("1").id(id(7))]), "known 1");
}
