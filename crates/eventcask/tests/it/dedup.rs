//! Exactly once by id.

use eventcask::storage::{Open, Storage};
use eventcask::{Appended, Codec, Error, ErrorKind, Expected, NewEvent, Place, Store};

use crate::support::{Bank, deposit, id, payloads, put};

fn put_with_id(store: &Store, key: &str, number: u128, payload: &str) -> Result<Appended, Error> {
    let event = deposit(payload).id(id(number));
    store
        .producer()
        .append(key, Expected::Any, &[event])
        .expect("taken")
        .wait()
}

#[test]
fn l4_the_same_id_twice_stores_once_and_names_the_original() {
    let bank = Bank::new(1);
    let mut store = bank.open();
    put(&store, "a", "0");
    put_with_id(&store, "a", 7, "1").unwrap();
    put(&store, "a", "2");
    for _ in 0..2 {
        let answer = put_with_id(&store, "a", 7, "1").unwrap();
        let (place, version) = (Place::new(0, 1), Some(2));
        assert_eq!(answer, Appended::Duplicate { place, version });
        store.close().unwrap();
        store = bank.open();
    }
    assert_eq!(payloads(&store, "a"), ["0", "1", "2"]);
}

#[test]
fn l4_a_repeat_is_a_duplicate_whatever_version_it_expects() {
    let store = Bank::new(1).open();
    let event = [deposit("1").id(id(7))];
    let mut producer = store.producer();
    producer
        .append("a", Expected::NoStream, &event)
        .unwrap()
        .wait()
        .unwrap();
    let again = producer
        .append("a", Expected::NoStream, &event)
        .unwrap()
        .wait()
        .unwrap();
    assert!(again.is_duplicate());
}

#[test]
fn l4_the_same_id_with_other_content_is_refused() {
    let store = Bank::new(1).open();
    let timed = eventcask::Timestamp::from_nanos(5);
    let first = deposit("1").id(id(7));
    store
        .producer()
        .append("a", Expected::Any, &[first])
        .unwrap()
        .wait()
        .unwrap();
    let other = [
        ("a", deposit("2").id(id(7))),
        ("a", first.schema(2)),
        ("a", first.time(timed)),
        ("a", NewEvent::bytes("Deposited", b"1").id(id(7))),
        ("a", NewEvent::json("Withdrawn", b"1").id(id(7))),
    ];
    for (key, event) in other {
        let answer = store
            .producer()
            .append(key, Expected::Any, &[event])
            .unwrap()
            .wait();
        assert_eq!(answer, Err(Error::IdConflict { id: id(7) }));
    }
}

#[test]
fn l4_a_partly_known_append_is_refused_and_names_the_known_ids() {
    let store = Bank::new(1).open();
    put_with_id(&store, "a", 1, "x").unwrap();
    let events = [deposit("x").id(id(1)), deposit("y").id(id(2))];
    let answer = store
        .producer()
        .append("a", Expected::Any, &events)
        .unwrap()
        .wait();
    assert_eq!(answer, Err(Error::PartlyKnown { known: vec![id(1)] }));
    let twice = [deposit("z").id(id(3)), deposit("z").id(id(3))];
    let answer = store
        .producer()
        .append("a", Expected::Any, &twice)
        .unwrap()
        .wait();
    assert_eq!(answer, Err(Error::IdConflict { id: id(3) }));
    assert_eq!(payloads(&store, "a"), ["x"]);
}

#[test]
fn l4_repeats_in_one_batch_and_in_flight_are_recognised() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    for _ in 0..3 {
        for number in 1..=500 {
            let payload = number.to_string();
            producer
                .push("a", &deposit(&payload).id(id(number)))
                .unwrap();
        }
    }
    let flushed = producer.flush().unwrap().wait().unwrap();
    assert_eq!((flushed.stored, flushed.duplicates), (500, 1000));
}

#[test]
fn an_id_that_was_refused_with_its_append_can_be_used() {
    let store = Bank::new(1).open();
    let event = [deposit("1").id(id(9))];
    let mut producer = store.producer();
    assert!(
        producer
            .append("a", Expected::Exists, &event)
            .unwrap()
            .wait()
            .is_err()
    );
    let answer = producer
        .append("a", Expected::NoStream, &event)
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(answer.version(), Some(1));
    assert!(!answer.is_duplicate());
}

#[test]
fn events_with_and_without_ids_share_a_batch() {
    let bank = Bank::new(1);
    let store = bank.open();
    let mut producer = store.producer();
    producer.push("a", &deposit("1")).unwrap();
    producer.push("a", &deposit("2").id(id(5))).unwrap();
    producer.push("a", &deposit("3")).unwrap();
    producer.flush().unwrap().wait().unwrap();
    let ids: Vec<_> = store
        .events()
        .iter()
        .map(|event| event.unwrap().id())
        .collect();
    assert_eq!(ids[1], id(5));
    assert_ne!(ids[0], ids[2]);
    store.close().unwrap();
    let again: Vec<_> = bank
        .open()
        .events()
        .iter()
        .map(|event| event.unwrap().id())
        .collect();
    assert_eq!(again, ids, "ids that the engine makes do not change");
}

#[test]
fn l4_a_pushed_event_whose_id_has_other_content_is_counted_as_refused() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    for payload in ["1", "1", "2"] {
        producer.push("a", &deposit(payload).id(id(7))).unwrap();
    }
    let flushed = producer.flush().unwrap().wait().unwrap();
    let counts = (flushed.stored, flushed.duplicates, flushed.refused);
    assert_eq!(counts, (1, 1, 1));
    assert_eq!(flushed.first_refused, Some(Error::IdConflict { id: id(7) }));
}

/// Damage that an append met was told as an error of the disk: the refusal kept the sentence and lost the
/// kind.
#[test]
fn damage_that_an_append_meets_is_told_as_damage() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.clone().codec(Codec::None);
    put_with_id(&bank.open(), "a", 7, "first").unwrap();
    let store = bank.open();
    let path = "shards/0000/0000000001.segment";
    let file = bank.storage.open(path, Open::Write).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    let at = bytes.windows(5).position(|five| five == b"first").unwrap();
    file.write_all_at(b"x", at as u64).unwrap();

    let refused = put_with_id(&store, "a", 7, "first").unwrap_err();
    assert!(refused.to_string().contains(path), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Damaged);
}
