//! Exactly once by id.

use std::sync::Arc;
use std::time::Duration;

use eventcask::storage::{Open, Storage};
use eventcask::{Appended, Codec, Error, ErrorKind, Expected, NewEvent, Place, Store};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, id, payloads, put};

const EIO: i32 = 5;

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

/// The original is in memory, on disk, in a sealed segment, and in one whose ids are not in memory.
#[test]
fn l4_the_same_id_with_other_content_is_refused() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.segment_bytes(1).seal(false);
    let mut store = bank.open();
    put_with_id(&store, "a", 7, "1").unwrap();
    for place in 0..4 {
        match place {
            0 => {}
            2 => assert!(store.seal().unwrap() > 0),
            _ => {
                store.close().unwrap();
                store = bank.open();
            }
        }
        refuse_other_content(&store);
        put(&store, "filler", "0");
    }
}

fn refuse_other_content(store: &Store) {
    let timed = eventcask::Timestamp::from_nanos(5);
    let first = deposit("1").id(id(7));
    let other = [
        deposit("2").id(id(7)),
        first.schema(2),
        first.time(timed),
        NewEvent::bytes("Deposited", b"1").id(id(7)),
        NewEvent::json("Withdrawn", b"1").id(id(7)),
    ];
    for event in other {
        let answer = store
            .producer()
            .append("a", Expected::Any, &[event])
            .unwrap()
            .wait();
        assert_eq!(answer, Err(Error::IdConflict { id: id(7) }));
    }
    let (place, version) = (Place::new(0, 0), Some(1));
    let known = put_with_id(store, "a", 7, "1");
    assert_eq!(known, Ok(Appended::Duplicate { place, version }));
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

/// Each known id cost the block of its original, which was read, decompressed and compared.
#[test]
fn l4_a_known_id_in_a_sealed_segment_is_answered_without_its_block() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.segment_bytes(1).seal(false).codec(Codec::None);
    let mut store = bank.open();
    put_with_id(&store, "a", 7, "first").unwrap();
    put(&store, "filler", "0");
    store.seal().unwrap();
    overwrite(&bank, "first");
    for _ in 0..2 {
        let known = put_with_id(&store, "a", 7, "first").unwrap();
        let (place, version) = (Place::new(0, 0), Some(1));
        assert_eq!(known, Appended::Duplicate { place, version });
        let other = put_with_id(&store, "a", 7, "other").unwrap_err();
        assert_eq!(
            other.kind(),
            ErrorKind::Damaged,
            "it is read to be told apart"
        );
        store.close().unwrap();
        store = bank.open();
    }
}

/// Damage that an append met was told as an error of the disk: the refusal kept the sentence and
/// lost the kind.
#[test]
fn damage_that_an_append_meets_is_told_as_damage() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.clone().codec(Codec::None);
    put_with_id(&bank.open(), "a", 7, "first").unwrap();
    let store = bank.open();
    overwrite(&bank, "first");
    let refused = put_with_id(&store, "a", 7, "first").unwrap_err();
    assert!(refused.to_string().contains(FIRST_SEGMENT), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Damaged);
}

const FIRST_SEGMENT: &str = "shards/0000/0000000001.segment";

/// Damages the first byte of a payload.
fn overwrite(bank: &Bank, payload: &str) {
    let file = bank.storage.open(FIRST_SEGMENT, Open::Write).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    let mut windows = bytes.windows(payload.len());
    let at = windows.position(|some| some == payload.as_bytes()).unwrap();
    file.write_all_at(b"x", at as u64).unwrap();
}

/// New rows, repeats of the batch itself and of what is stored, an id with other content, and ids of
/// other aggregates: whatever lies between them, each row is decided on after the one before it.
#[test]
fn l4_pushed_rows_are_decided_on_as_if_they_came_one_by_one() {
    use std::collections::BTreeMap;

    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let store = Bank::new(1).open();
        let mut model: BTreeMap<String, Vec<(u128, String)>> = BTreeMap::new();
        // Few ids make nearly every row a repeat, many hardly any.
        let ids = [20, 300, 5000, 1 << 40][seed as usize % 4];
        for _ in 0..4 {
            let mut producer = store.producer();
            let mut expected = (0, 0, 0);
            for _ in 0..random.usize(1..700) {
                let key = format!("account-{}", random.u32(..40));
                let number = u128::from(random.u64(..ids));
                let payload = format!("{number}{}", random.u32(..30) / 29);
                let mut event = deposit(&payload);
                // The id 0 is none.
                if number > 0 {
                    event = event.id(id(number));
                }
                producer.push(&key, &event).unwrap();
                let stored = model.entry(key).or_default();
                let original = stored.iter().find(|(id, _)| *id == number && number > 0);
                match original {
                    None => {
                        stored.push((number, payload.clone()));
                        expected.0 += 1;
                    }
                    Some((_, content)) if *content == payload => expected.1 += 1,
                    Some(_) => expected.2 += 1,
                }
            }
            let flushed = producer.flush().unwrap().wait().unwrap();
            let counted = (flushed.stored, flushed.duplicates, flushed.refused);
            assert_eq!(counted, expected, "seed {seed}");
        }
        for (key, stored) in &model {
            let contents: Vec<&str> = stored.iter().map(|(_, payload)| &**payload).collect();
            assert_eq!(payloads(&store, key), contents, "seed {seed}, {key}");
        }
    }
}

/// Where an aggregate can not be read, the rows behind it are looked at once more. They were entered
/// under the hashes of later rows then, so that nobody found them again.
#[test]
fn l4_rows_behind_an_aggregate_that_can_not_be_read_are_known_again() {
    const ROWS: u128 = 300;
    let mut bank = Bank::new(1);
    bank.options = bank.options.segment_bytes(5_000);
    let store = bank.open();
    put(&store, "old", "0");
    for number in 0..12 {
        put(&store, "new", &format!("{number:>900}"));
    }
    store.seal().unwrap();
    store.close().unwrap();
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    // All rows come in one batch.
    let options = bank.options.linger(Duration::from_secs(3600));
    let store = options.open(Arc::new(disk.clone())).unwrap();
    let first = store.append("new", Expected::Any, &[deposit("0")]);
    store.flush().unwrap();
    first.unwrap().wait().unwrap();
    let push_all = || {
        let mut producer = store.producer();
        for number in 1..=ROWS {
            let key = if number == 10 { "old" } else { "new" };
            producer.push(key, &deposit("1").id(id(number))).unwrap();
        }
        producer.flush().unwrap().wait()
    };
    disk.fails(Operation::Read, "shards", Fault::Errno(EIO));
    assert_eq!(push_all().unwrap_err().kind(), ErrorKind::Io);
    disk.is_well();
    let again = push_all().unwrap();
    assert_eq!((again.stored, again.duplicates), (1, ROWS as u64 - 1));
    let versions = ["old", "new"].map(|key| store.aggregate(key).version().unwrap());
    assert_eq!(versions, [2, 13 + ROWS as u64 - 1]);
}
