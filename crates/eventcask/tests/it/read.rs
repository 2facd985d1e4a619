//! Reading: one aggregate, all events, the past.

use eventcask::event::Encoding;
use eventcask::{Codec, Expected, NewEvent, Store, Timestamp};

use crate::support::{Bank, all, deposit, payloads, put};

fn versions(events: eventcask::read::AggregateEvents) -> Vec<u64> {
    events.map(|event| event.expect("read").version()).collect()
}

/// An aggregate whose events lie in many blocks, each shared with others.
fn scattered(store: &Store) {
    for round in 0..20 {
        let mut producer = store.producer();
        for key in ["a", "b", "c"] {
            producer.push(key, &deposit(&round.to_string())).unwrap();
        }
        producer.push("a", &deposit(&format!("{round}.5"))).unwrap();
        producer.flush().unwrap().wait().unwrap();
    }
}

#[test]
fn an_aggregate_is_read_in_order_over_many_blocks() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1), Codec::Auto] {
        let mut bank = Bank::new(2);
        bank.options = bank.options.codec(codec);
        let store = bank.open();
        scattered(&store);
        let expected: Vec<String> = (0..20)
            .flat_map(|round| [round.to_string(), format!("{round}.5")])
            .collect();
        assert_eq!(payloads(&store, "a"), expected);
        store.close().unwrap();
        assert_eq!(payloads(&bank.open(), "a"), expected);
        assert_eq!(payloads(&bank.open_read_only(), "a"), expected);
    }
}

/// Events in blocks that are large enough to be read row by row: the key of each, its type and
/// its payload.
fn in_large_blocks(store: &Store) -> Vec<(String, &'static str, Vec<u8>)> {
    const TYPES: [&str; 5] = ["Opened", "Deposited", "Withdrawn", "Blocked", "Closed"];
    let mut events = Vec::new();
    let mut producer = store.producer();
    for block in 0..3_usize {
        for row in 0..700_usize {
            // Each block names its types in another order, and aggregates have some of them each.
            let (key, event_type) = (row % 9, TYPES[(row * row + block + row % 9) % 5]);
            let payload = vec![(row % 251) as u8; 20 + (row * 7 + block) % 180];
            let key = format!("account-{key}");
            let event = NewEvent::bytes(event_type, &payload);
            producer.push(&key, &event).unwrap();
            events.push((key, event_type, payload));
        }
        producer.flush().unwrap().wait().unwrap();
    }
    events
}

#[test]
fn loads_that_share_memory_share_no_event() {
    for codec in [Codec::None, Codec::Zstd(1)] {
        let mut bank = Bank::new(1);
        bank.options = bank.options.codec(codec);
        let store = bank.open();
        let written = in_large_blocks(&store);
        let mut held = Vec::new();
        // What one load leaves behind is memory for the next one, unless an event is held.
        for round in 0..27_u64 {
            let key = format!("account-{}", round * 4 % 9);
            let newest = store.aggregate(&key).version().unwrap();
            let from = [1, newest - 1, newest][round as usize % 3];
            let of_key = written.iter().filter(|(of, _, _)| *of == key);
            let mut expected = of_key.skip(from as usize - 1);
            for event in store.aggregate(&key).from_version(from).events().unwrap() {
                let event = event.unwrap();
                let (_, event_type, payload) = expected.next().unwrap();
                assert_eq!(event.key(), key);
                assert_eq!(
                    (event.event_type(), event.payload()),
                    (*event_type, &payload[..])
                );
                if round % 4 == 1 {
                    held.push((event, *event_type, payload.clone()));
                }
            }
            assert_eq!(expected.next(), None);
        }
        assert!(held.len() > 100);
        for (event, event_type, payload) in held {
            assert_eq!(
                (event.event_type(), event.payload()),
                (event_type, &payload[..])
            );
        }
    }
}

#[test]
fn events_are_found_whatever_the_sizes_of_blocks() {
    let even = vec![3; 60];
    let one_large = [vec![1; 40], vec![900], vec![1; 40]].concat();
    let large_first = [vec![1200], vec![2; 80]].concat();
    let large_last = [vec![1; 80], vec![1200]].concat();
    for sizes in [even, one_large, large_first, large_last, vec![7]] {
        let store = Bank::new(1).open();
        let mut producer = store.producer();
        let mut row = 0..;
        for size in &sizes {
            for row in row.by_ref().take(*size) {
                let (key, payload) = (format!("account-{}", row % 5), row.to_string());
                producer.push(&key, &deposit(&payload)).unwrap();
            }
            producer.flush().unwrap().wait().unwrap();
        }
        let events: usize = sizes.iter().sum();
        for key in 0..5 {
            let expected: Vec<_> = (key..events)
                .step_by(5)
                .map(|row| row.to_string())
                .collect();
            assert_eq!(
                payloads(&store, &format!("account-{key}")),
                expected,
                "{sizes:?}"
            );
        }
    }
}

#[test]
fn types_are_told_apart_however_many_there_are() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    let name_of = |row: usize| format!("Type{}", row % 6000);
    for row in 0..12_000 {
        let (name, key) = (name_of(row), format!("account-{}", row % 7));
        producer
            .push(&key, &NewEvent::bytes(&name, b"payload"))
            .unwrap();
        if row % 2000 == 1999 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    for key in 0..7 {
        let events = store.aggregate(&format!("account-{key}")).events().unwrap();
        let names: Vec<_> = events
            .map(|event| event.unwrap().event_type().to_owned())
            .collect();
        let expected: Vec<_> = (key..12_000).step_by(7).map(name_of).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn bounds_choose_versions() {
    let store = Bank::new(1).open();
    scattered(&store);
    let a = || store.aggregate("a");
    assert_eq!(
        versions(a().from_version(38).events().unwrap()),
        [38, 39, 40]
    );
    assert_eq!(versions(a().as_of_version(3).events().unwrap()), [1, 2, 3]);
    assert_eq!(
        versions(a().from_version(4).as_of_version(6).events().unwrap()),
        [4, 5, 6]
    );
    assert_eq!(versions(a().last(2).events().unwrap()), [39, 40]);
    assert_eq!(
        versions(a().as_of_version(9).last(2).events().unwrap()),
        [8, 9]
    );
    assert!(versions(a().last(0).events().unwrap()).is_empty());
    assert!(versions(a().from_version(41).events().unwrap()).is_empty());
    assert_eq!(a().version().unwrap(), 40);
}

#[test]
fn an_unknown_aggregate_has_no_events() {
    let store = Bank::new(1).open();
    put(&store, "a", "{}");
    assert_eq!(store.aggregate("b").events().unwrap().count(), 0);
    assert_eq!(store.aggregate("b").version().unwrap(), 0);
}

#[test]
fn l8_the_past_is_read_as_it_was() {
    let store = Bank::new(4).open();
    scattered(&store);
    let events: Vec<_> = store.events().iter().map(|event| event.unwrap()).collect();
    for event in events.iter().step_by(9) {
        let time = event.commit_time();
        let by_scan = events.iter().filter(|one| one.commit_time() <= time);
        let by_scan = by_scan.filter(|one| one.key() == "a").count();
        let as_of = store
            .aggregate("a")
            .as_of_time(time)
            .events()
            .unwrap()
            .count();
        assert_eq!(as_of, by_scan);
        assert_eq!(
            store.events().until(time).iter().count() + store.events().since(time).iter().count(),
            events.len()
                + events
                    .iter()
                    .filter(|one| one.commit_time() == time)
                    .count()
        );
    }
}

#[test]
fn all_events_come_in_the_order_they_were_committed() {
    let store = Bank::new(8).open();
    let keys: Vec<String> = (0..60).map(|number| format!("account-{number}")).collect();
    for key in &keys {
        put(&store, key, "{}");
    }
    let expected: Vec<String> = keys.iter().map(|key| format!("{key}@1")).collect();
    assert_eq!(
        all(&store),
        expected,
        "what was acknowledged first is read first"
    );
}

#[test]
fn scans_are_narrowed_by_shard_position_and_type() {
    let store = Bank::new(2).open();
    for number in 0..30 {
        let name = if number % 3 == 0 {
            "Opened"
        } else {
            "Deposited"
        };
        let event = NewEvent::json(name, b"{}");
        let key = format!("account-{number}");
        store
            .producer()
            .append(&key, Expected::Any, &[event])
            .unwrap()
            .wait()
            .unwrap();
    }
    assert_eq!(store.events().types(&["Opened"]).iter().count(), 10);
    assert_eq!(
        store
            .events()
            .types(&["Opened", "Deposited"])
            .iter()
            .count(),
        30
    );
    assert_eq!(store.events().types(&["Closed"]).iter().count(), 0);
    let positions = store.positions();
    let in_shards: usize = (0..2)
        .map(|shard| store.events().shard(shard).iter().count())
        .sum();
    assert_eq!(in_shards, 30);
    assert_eq!(store.events().from_positions(&positions).iter().count(), 0);
    let from = store
        .events()
        .shard(1)
        .from_position(positions[1] - 2)
        .iter();
    assert_eq!(
        from.map(|event| event.unwrap().position())
            .collect::<Vec<_>>(),
        [positions[1] - 2, positions[1] - 1]
    );
}

#[test]
fn everything_an_event_came_with_is_read_back() {
    let bank = Bank::new(1);
    let store = bank.open();
    let time = Timestamp::from_nanos(-5);
    let event = NewEvent::bytes("Späte Buchung", b"\0\xff")
        .schema(7)
        .time(time);
    store
        .producer()
        .append("Ключ/../x", Expected::Any, &[event])
        .unwrap()
        .wait()
        .unwrap();
    put(&store, "plain", "{}");
    store.close().unwrap();
    let store = bank.open();
    let event = store
        .aggregate("Ключ/../x")
        .events()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!((event.event_type(), event.schema()), ("Späte Buchung", 7));
    assert_eq!(
        (event.encoding(), event.payload()),
        (Encoding::Bytes, b"\0\xff".as_slice())
    );
    assert_eq!(
        (event.time(), event.version(), event.position()),
        (Some(time), 1, 0)
    );
    let plain = store
        .aggregate("plain")
        .events()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(plain.time(), None);
}

#[test]
fn an_event_has_the_place_that_its_append_was_answered() {
    let store = Bank::new(2).open();
    for key in ["a", "b", "c", "a"] {
        let answer = put(&store, key, "{}");
        let newest = store.aggregate(key).last(1).events().unwrap().next();
        let newest = newest.unwrap().unwrap();
        assert_eq!(newest.place(), answer.place());
        assert_eq!(newest.get().place(), answer.place());
        assert_eq!(newest.shard(), store.shard_of(key));
    }
}
