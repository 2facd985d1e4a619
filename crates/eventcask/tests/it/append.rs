//! Appending: versions, expectations, and all or nothing.

use eventcask::event::Invalid;
use eventcask::{Appended, Error, ErrorKind, Expected, NewEvent, Place, Store};

use crate::support::{Bank, all, deposit, payloads, put};

fn try_put(store: &Store, key: &str, expected: Expected) -> Result<Appended, Error> {
    store
        .producer()
        .append(key, expected, &[deposit("{}")])?
        .wait()
}

#[test]
fn l2_versions_count_from_one_and_positions_from_zero() {
    let store = Bank::new(1).open();
    for number in 0..3 {
        let answer = put(&store, "a", "{}");
        assert_eq!(
            answer,
            Appended::Stored {
                place: Place::new(0, number),
                version: number + 1
            }
        );
    }
    assert_eq!(
        put(&store, "b", "{}"),
        Appended::Stored {
            place: Place::new(0, 3),
            version: 1
        }
    );
}

#[test]
fn an_append_holds_what_it_expected() {
    let store = Bank::new(2).open();
    let cases = [
        (Expected::Exists, None),
        (Expected::Exact(1), None),
        (Expected::NoStream, Some(1)),
        (Expected::NoStream, None),
        (Expected::Exact(0), None),
        (Expected::Exists, Some(2)),
        (Expected::Exact(2), Some(3)),
        (Expected::Exact(2), None),
        (Expected::Any, Some(4)),
    ];
    for (expected, version) in cases {
        let answer = try_put(&store, "account", expected);
        match version {
            Some(version) => assert_eq!(answer.expect("stored").version(), Some(version)),
            None => assert_eq!(answer.expect_err("refused").kind(), ErrorKind::Conflict),
        }
    }
}

#[test]
fn a_conflict_says_what_was_expected_and_what_is() {
    let store = Bank::new(1).open();
    put(&store, "a", "{}");
    let error = try_put(&store, "a", Expected::Exact(7)).expect_err("refused");
    let sentence = error.to_string();
    assert!(
        sentence.contains("version 1") && sentence.contains("version 7"),
        "{sentence}"
    );
}

#[test]
fn l1_events_of_one_append_are_stored_together() {
    let bank = Bank::new(1);
    let store = bank.open();
    let steps = [deposit("1"), deposit("2"), deposit("3")];
    let answer = store
        .producer()
        .append("a", Expected::Any, &steps)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(
        answer,
        Appended::Stored {
            place: Place::new(0, 2),
            version: 3
        }
    );
    let refused = store
        .producer()
        .append("a", Expected::NoStream, &steps)
        .unwrap()
        .wait();
    assert!(
        matches!(refused, Err(Error::Conflict { actual: 3, .. })),
        "{refused:?}"
    );
    assert_eq!(payloads(&store, "a"), ["1", "2", "3"]);
}

#[test]
fn a_refused_append_leaves_its_neighbours_alone() {
    let store = Bank::new(1).open();
    put(&store, "a", "{}");
    let mut producer = store.producer();
    let first = producer
        .append("b", Expected::Any, &[deposit("{}")])
        .unwrap();
    let refused = producer
        .append("a", Expected::NoStream, &[deposit("{}")])
        .unwrap();
    let last = producer
        .append("a", Expected::Exact(1), &[deposit("{}")])
        .unwrap();
    assert_eq!(first.wait().unwrap().version(), Some(1));
    assert!(refused.wait().is_err());
    assert_eq!(last.wait().unwrap().version(), Some(2));
    assert_eq!(all(&store), ["a@1", "b@1", "a@2"]);
}

#[test]
fn l3_of_many_writers_that_expect_one_version_one_wins() {
    let store = Bank::new(4).open();
    let won: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                let attempt = move |round| try_put(&store, "hot", Expected::Exact(round)).is_ok();
                scope.spawn(move || (0..50).filter(|round| attempt(*round)).count())
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"))
            .sum()
    });
    let version = store.aggregate("hot").version().unwrap();
    assert_eq!(won as u64, version, "each version was won once");
    assert!(version > 0);
}

#[test]
fn pushed_events_are_counted_at_the_flush() {
    let store = Bank::new(4).open();
    let mut producer = store.producer();
    for number in 0..1000 {
        producer
            .push(&format!("account-{}", number % 10), &deposit("{}"))
            .unwrap();
    }
    let flushed = producer.flush().unwrap().wait().unwrap();
    assert_eq!((flushed.stored, flushed.duplicates), (1000, 0));
    assert_eq!(store.aggregate("account-3").version().unwrap(), 100);
    assert_eq!(producer.flush().unwrap().wait().unwrap().stored, 0);
}

#[test]
fn events_outside_the_limits_are_refused_with_a_reason() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    let large = vec![b' '; (1 << 20) + 1];
    let long = "k".repeat(1025);
    let one = [deposit("{}")];
    let cases: Vec<(&str, Vec<NewEvent<'_>>)> = vec![
        ("", one.to_vec()),
        (&long, one.to_vec()),
        ("a", vec![NewEvent::bytes("", b"")]),
        ("a", vec![NewEvent::bytes(&long[..256], b"")]),
        ("a", vec![NewEvent::bytes("Large", &large)]),
        ("a", vec![]),
        (
            "a",
            vec![deposit("{}").id(eventcask::EventId::from_u128(0))],
        ),
    ];
    for (key, events) in cases {
        let error = producer
            .append(key, Expected::Any, &events)
            .expect_err("refused");
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let huge = vec![b' '; 1 << 20];
    let many = vec![NewEvent::bytes("Large", &huge); 16];
    let error = producer
        .append("a", Expected::Any, &many)
        .expect_err("refused");
    assert!(
        matches!(error, Error::Invalid(Invalid::AppendTooLarge { .. })),
        "{error:?}"
    );
    assert_eq!(store.stats().events, 0);
}

#[test]
fn the_largest_append_is_stored_whole() {
    let bank = Bank::new(1);
    let store = bank.open();
    let payload = vec![b' '; 1 << 20];
    let many = vec![NewEvent::bytes("Large", &payload); 14];
    let answer = store
        .producer()
        .append("a", Expected::Any, &many)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(answer.version(), Some(14));
    store.close().unwrap();
    assert_eq!(bank.open().aggregate("a").events().unwrap().count(), 14);
}

#[test]
fn a_batch_of_very_many_event_types_is_split() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    for number in 0..5000 {
        producer
            .push("a", &NewEvent::bytes(&format!("Type{number}"), b"x"))
            .unwrap();
    }
    assert_eq!(producer.flush().unwrap().wait().unwrap().stored, 5000);
    let last = store
        .events()
        .types(&["Type4999"])
        .iter()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(last.version(), 5000);
}
