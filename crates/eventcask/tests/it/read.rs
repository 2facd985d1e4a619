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
