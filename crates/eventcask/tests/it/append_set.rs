//! One append over several aggregates of a shard: all of it or nothing.

use std::sync::{Arc, Barrier};
use std::thread;

use eventcask::event::Invalid;
use eventcask::storage::Storage;
use eventcask::{
    AppendResult, AppendSet, Appended, Error, ErrorKind, Expected, NewEvent, Place, RouteBy, Store,
    verify,
};

use crate::support::{Bank, all, copy_of, deposit, id, payloads, put};

fn bank() -> Bank {
    let mut bank = Bank::new(4);
    bank.options = bank.options.route_by(RouteBy::Category);
    bank
}

fn append(store: &Store, set: &AppendSet<'_>) -> AppendResult {
    store.append_all(set)?.wait()
}

/// Key, what was expected and what is, of each conflict.
fn conflicts(refused: AppendResult) -> Vec<(String, Expected, u64)> {
    let Err(Error::Conflicts { conflicts }) = refused else {
        panic!("{refused:?}");
    };
    let parts = conflicts.into_iter().map(|one| match one {
        Error::Conflict {
            key,
            expected,
            actual,
            ..
        } => (key, expected, actual),
        other => panic!("{other:?}"),
    });
    parts.collect()
}

fn versions(store: &Store, keys: &[&str]) -> Vec<u64> {
    let version = |key: &&str| store.aggregate(key).version().unwrap();
    keys.iter().map(version).collect()
}

#[test]
fn l1_events_of_several_aggregates_are_stored_together() {
    let bank = bank();
    let store = bank.open();
    put(&store, "bank-ada", "0");
    let transfer = AppendSet::new()
        .append(
            "bank-ada",
            Expected::Exact(1),
            &[deposit("1"), deposit("2")],
        )
        .append("bank-ben", Expected::NoStream, &[deposit("3")])
        .append("bank-ada", Expected::Exists, &[deposit("4")])
        .check("bank-rules", Expected::NoStream);
    let shard = store.shard_of("bank");
    let place = Place::new(shard, 4);
    let answer = append(&store, &transfer).unwrap();
    assert_eq!(answer, Appended::Stored { place, version: 4 });
    assert_eq!(payloads(&store, "bank-ada"), ["0", "1", "2", "4"]);
    assert_eq!(payloads(&store, "bank-ben"), ["3"]);
    let order = [
        "bank-ada@1",
        "bank-ada@2",
        "bank-ada@3",
        "bank-ben@1",
        "bank-ada@4",
    ];
    assert_eq!(all(&store), order);
    // One block holds all of it, so a crash leaves all of it or nothing.
    assert_eq!(store.stats().shards[shard as usize].blocks, 2);
    let commits: Vec<_> = store
        .events()
        .iter()
        .map(|event| event.unwrap().commit_time())
        .collect();
    assert!(commits[1..].iter().all(|commit| *commit == commits[1]));
    store.close().unwrap();

    let store = bank.open();
    assert_eq!(
        versions(&store, &["bank-ada", "bank-ben", "bank-rules"]),
        [4, 1, 0]
    );
    store.close().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(bank.storage.clone());
    assert!(verify(&storage).unwrap().is_ok());
}

#[test]
fn l3_all_that_is_not_as_expected_is_said_at_once_and_nothing_is_stored() {
    let store = bank().open();
    put(&store, "bank-ada", "0");
    put(&store, "bank-ben", "0");
    let refused = AppendSet::new()
        .append("bank-ada", Expected::Exact(1), &[deposit("1")])
        .append("bank-ben", Expected::NoStream, &[deposit("2")])
        .append("bank-cid", Expected::Exists, &[deposit("3")])
        .append("bank-dan", Expected::Any, &[deposit("4")])
        .check("bank-rules", Expected::Exact(7));
    let told = conflicts(append(&store, &refused));
    let expected = [
        ("bank-ben".to_owned(), Expected::NoStream, 1),
        ("bank-cid".to_owned(), Expected::Exists, 0),
        ("bank-rules".to_owned(), Expected::Exact(7), 0),
    ];
    assert_eq!(told, expected);
    assert_eq!(all(&store).len(), 2);
    let keys = ["bank-ada", "bank-ben", "bank-cid", "bank-dan"];
    assert_eq!(versions(&store, &keys), [1, 1, 0, 0]);
    let error = append(&store, &refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let says = error.to_string();
    for key in ["bank-ben", "bank-cid", "bank-rules"] {
        assert!(says.contains(key), "{says}");
    }
    assert!(!says.contains("bank-ada"), "{says}");
}

#[test]
fn l3_an_aggregate_that_is_only_checked_is_held_to_its_version() {
    let store = bank().open();
    put(&store, "bank-rules", "0");
    let under = |version| {
        AppendSet::new()
            .append("bank-ada", Expected::Any, &[deposit("1")])
            .check("bank-rules", Expected::Exact(version))
    };
    append(&store, &under(1)).unwrap();
    put(&store, "bank-rules", "1");
    assert_eq!(
        conflicts(append(&store, &under(1))),
        [("bank-rules".to_owned(), Expected::Exact(1), 2)]
    );
    append(&store, &under(2)).unwrap();
    // To be checked gives no version.
    assert_eq!(versions(&store, &["bank-ada", "bank-rules"]), [2, 2]);
}

#[test]
fn l3_of_many_writers_over_the_same_aggregates_one_wins_each_version() {
    const WRITERS: usize = 4;
    const ROUNDS: u64 = 200;
    let store = bank().open();
    let start = Arc::new(Barrier::new(WRITERS));
    let threads: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, start) = (store.clone(), Arc::clone(&start));
            thread::spawn(move || {
                // In either order of the keys, and one of them sometimes only checked.
                let keys = [["bank-a", "bank-b"], ["bank-b", "bank-a"]][writer % 2];
                let mut won = [0; 2];
                for round in 0..ROUNDS {
                    start.wait();
                    let [first, second] = keys.map(|key| store.aggregate(key).version().unwrap());
                    let both = (round + writer as u64).is_multiple_of(3);
                    let event = [deposit("1")];
                    let events = if both { &event[..] } else { &[] };
                    let set = AppendSet::new()
                        .append(keys[0], Expected::Exact(first), &event)
                        .append(keys[1], Expected::Exact(second), events);
                    match append(&store, &set) {
                        Ok(answer) => {
                            assert!(!answer.is_duplicate());
                            won[writer % 2] += 1;
                            won[1 - writer % 2] += u64::from(both);
                        }
                        Err(Error::Conflicts { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                won
            })
        })
        .collect();
    let won: Vec<[u64; 2]> = threads.into_iter().map(|one| one.join().unwrap()).collect();
    let sums = [0, 1].map(|key| won.iter().map(|won| won[key]).sum::<u64>());
    // Each version of each aggregate was given to one append that knew the one before.
    assert_eq!(versions(&store, &["bank-a", "bank-b"]), sums);
    assert!(sums[0] >= ROUNDS / 2 && sums[1] >= ROUNDS / 2, "{sums:?}");
}

fn known(number: u128, payload: &str) -> NewEvent<'_> {
    deposit(payload).id(id(number))
}

#[test]
fn l4_what_comes_again_is_a_duplicate_whatever_it_expects() {
    let bank = bank();
    let store = bank.open();
    let first = AppendSet::new()
        .append("bank-ada", Expected::NoStream, &[known(1, "1")])
        .append(
            "bank-ben",
            Expected::NoStream,
            &[known(2, "2"), known(3, "3")],
        )
        .check("bank-rules", Expected::NoStream);
    let stored = append(&store, &first).unwrap();
    put(&store, "bank-rules", "0");
    put(&store, "bank-ben", "4");
    let again = append(&store, &first).unwrap();
    assert!(again.is_duplicate());
    assert_eq!((again.place(), again.version()), (stored.place(), Some(2)));
    store.close().unwrap();
    let store = bank.open();
    let again = append(&store, &first).unwrap();
    assert!(again.is_duplicate());
    assert_eq!((again.place(), again.version()), (stored.place(), Some(2)));
    assert_eq!(all(&store).len(), 5);
}

#[test]
fn l4_a_partly_known_append_is_refused_and_names_the_known_ids() {
    let store = bank().open();
    store
        .append("bank-ben", Expected::Any, &[known(2, "2")])
        .unwrap()
        .wait()
        .unwrap();
    let partly = AppendSet::new()
        .append("bank-ada", Expected::Exact(9), &[known(1, "1")])
        .append("bank-ben", Expected::Any, &[known(2, "2"), known(3, "3")]);
    let refused = append(&store, &partly).unwrap_err();
    assert_eq!(refused, Error::PartlyKnown { known: vec![id(2)] });
    let other = AppendSet::new()
        .append("bank-ada", Expected::Any, &[known(1, "1")])
        .append("bank-ben", Expected::Any, &[known(2, "other")]);
    assert_eq!(
        append(&store, &other).unwrap_err(),
        Error::IdConflict { id: id(2) }
    );
    assert_eq!(all(&store), ["bank-ben@1"]);
    assert_eq!(versions(&store, &["bank-ada"]), [0]);
}

#[test]
fn l4_one_id_may_stand_for_a_step_in_each_of_the_aggregates() {
    let store = bank().open();
    let transfer = AppendSet::new()
        .append("bank-ada", Expected::Any, &[known(7, "-5")])
        .append("bank-ben", Expected::Any, &[known(7, "5")]);
    assert!(!append(&store, &transfer).unwrap().is_duplicate());
    assert!(append(&store, &transfer).unwrap().is_duplicate());
    let twice = AppendSet::new()
        .append("bank-ada", Expected::Any, &[known(8, "1")])
        .append("bank-ben", Expected::Any, &[known(9, "1")])
        .append("bank-ada", Expected::Any, &[known(8, "2")]);
    assert_eq!(
        append(&store, &twice).unwrap_err(),
        Error::IdConflict { id: id(8) }
    );
    assert_eq!(all(&store), ["bank-ada@1", "bank-ben@1"]);
}

#[test]
fn l10_every_append_gets_one_answer_whatever_stands_beside_it() {
    let store = bank().open();
    let mut producer = store.producer();
    let mut tickets = Vec::new();
    let keys: Vec<String> = (0..9).map(|number| format!("bank-{number}")).collect();
    for round in 0..300_u64 {
        let expected = match round % 3 {
            0 => Expected::Any,
            1 => Expected::Exact(round),
            _ => Expected::NoStream,
        };
        let [one, other] = [round % 9, (round + 1) % 9].map(|key| &keys[key as usize]);
        let set = AppendSet::new()
            .append(one, Expected::Any, &[deposit("1")])
            .append(other, expected, &[deposit("2")]);
        tickets.push(producer.append_all(&set).unwrap());
        producer.push(one, &deposit("3")).unwrap();
        tickets.push(producer.append(other, expected, &[deposit("4")]).unwrap());
    }
    let pushed = producer.flush().unwrap().wait().unwrap();
    assert_eq!(pushed.stored, 300);
    let (mut stored, mut refused) = (0, 0);
    for (number, ticket) in tickets.into_iter().enumerate() {
        match ticket.wait() {
            Ok(_) => stored += 2 - number as u64 % 2,
            Err(Error::Conflicts { .. } | Error::Conflict { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0);
    assert_eq!(store.stats().events, 300 + stored);
}

#[test]
fn aggregates_of_several_shards_are_refused_by_name() {
    let store = Bank::new(4).open();
    let keys: Vec<String> = (0..40).map(|number| format!("bank-{number}")).collect();
    let one = &keys[0];
    let other = keys
        .iter()
        .find(|key| store.shard_of(key) != store.shard_of(one))
        .unwrap();
    for checked in [false, true] {
        let event = [deposit("1")];
        let events = if checked { &[][..] } else { &event };
        let set = AppendSet::new().append(one, Expected::Any, &event).append(
            other,
            Expected::Any,
            events,
        );
        let error = store.append_all(&set).map(drop).unwrap_err();
        let expected = [one, other].map(|key| (key.clone(), store.shard_of(key)));
        assert_eq!(
            error,
            Error::SeveralShards {
                keys: expected.to_vec()
            }
        );
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let says = error.to_string();
        for part in [one.as_str(), other, "category", "one aggregate at a time"] {
            assert!(says.contains(part), "{says}");
        }
    }
    let many = keys
        .iter()
        .fold(AppendSet::new(), |set, key| set.check(key, Expected::Any));
    let many = many.append(one, Expected::Any, &[deposit("1")]);
    let says = store.append_all(&many).map(drop).unwrap_err().to_string();
    assert!(says.contains("and 33 more") && says.len() < 600, "{says}");
    assert!(all(&store).is_empty());

    // Those that happen to share a shard need no category.
    let mut near = keys
        .iter()
        .filter(|key| store.shard_of(key) == store.shard_of(one));
    let (_, near) = (near.next(), near.next().unwrap());
    let set = AppendSet::new()
        .append(one, Expected::Any, &[deposit("1")])
        .append(near, Expected::Any, &[deposit("1")]);
    append(&store, &set).unwrap();
}

#[test]
fn what_can_not_be_appended_is_said_before_anything_is_stored() {
    let store = bank().open();
    let invalid = |set: &AppendSet<'_>| match store.append_all(set).map(drop) {
        Err(Error::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    };
    assert_eq!(invalid(&AppendSet::new()), Invalid::AppendEmpty);
    let checked = AppendSet::new().check("bank-ada", Expected::Any);
    assert_eq!(invalid(&checked), Invalid::AppendEmpty);
    let event = [deposit("1")];
    let nameless = AppendSet::new().append("bank-a", Expected::Any, &event);
    let nameless = nameless.check("", Expected::Any);
    assert_eq!(invalid(&nameless), Invalid::KeyEmpty);
    let reserved = AppendSet::new().append("$erased:1:2", Expected::Any, &event);
    assert_eq!(invalid(&reserved), Invalid::KeyReserved);
    let long = vec![b' '; (1 << 20) + 1];
    let large = AppendSet::new().append("bank-a", Expected::Any, &event);
    let large = large.append("bank-b", Expected::Any, &[NewEvent::bytes("T", &long)]);
    assert!(matches!(invalid(&large), Invalid::PayloadTooLarge { .. }));
    let full = vec![NewEvent::bytes("T", &long[1..]); 16];
    let full = AppendSet::new().append("bank-a", Expected::Any, &full);
    assert!(matches!(invalid(&full), Invalid::AppendTooLarge { .. }));
    let keys: Vec<String> = (0..1024).map(|number| format!("bank-{number}")).collect();
    let many = keys
        .iter()
        .fold(AppendSet::new(), |set, key| set.check(key, Expected::Any));
    let many = many.append("bank-a", Expected::Any, &event);
    assert!(matches!(
        invalid(&many),
        Invalid::TooManyAggregates {
            aggregates: 1025,
            ..
        }
    ));
    assert!(all(&store).is_empty());
}

#[test]
fn an_owner_appends_over_the_aggregates_of_its_shard() {
    let bank = bank();
    let (store, mut owners) = bank.options.open_owned(bank.storage.clone()).unwrap();
    let set = AppendSet::new()
        .append("bank-ada", Expected::Any, &[deposit("1")])
        .append("bank-ben", Expected::NoStream, &[deposit("2")]);
    for owner in &mut owners {
        match owner.append_all(&set) {
            Ok(ticket) => {
                assert_eq!(owner.shard(), store.shard_of("bank"));
                assert_eq!(owner.answer(ticket).unwrap().version(), Some(1));
                let ticket = owner.append_all(&set).unwrap();
                let told = conflicts(owner.answer(ticket));
                assert_eq!(told, [("bank-ben".to_owned(), Expected::NoStream, 1)]);
            }
            Err(error) => {
                assert_ne!(owner.shard(), store.shard_of("bank"));
                assert!(matches!(error, Error::OtherShard { .. }), "{error}");
            }
        }
    }
    drop(owners);
    assert_eq!(all(&store), ["bank-ada@1", "bank-ben@1"]);
    store.close().unwrap();
}

#[test]
fn a_session_numbers_what_can_not_be_refused() {
    let store = bank().open();
    let mut session = store.session("teller").unwrap();
    let event = [deposit("1")];
    let free = AppendSet::new()
        .append("bank-a", Expected::Any, &event)
        .append("bank-b", Expected::Any, &[deposit("2"), deposit("3")])
        .check("bank-c", Expected::Any);
    assert!(
        !session
            .append_all(&free)
            .unwrap()
            .wait()
            .unwrap()
            .is_duplicate()
    );
    assert_eq!(session.next_ordinal(), Some(3));
    let first = AppendSet::new()
        .append("bank-c", Expected::NoStream, &event)
        .append("bank-a", Expected::Any, &event);
    session.append_all(&first).unwrap().wait().unwrap();
    assert_eq!(session.next_ordinal(), Some(3));
    for doubtful in [
        AppendSet::new().append("bank-a", Expected::Exists, &event),
        AppendSet::new()
            .append("bank-a", Expected::Any, &event)
            .check("bank-b", Expected::Exact(2)),
    ] {
        let refused = session.append_all(&doubtful).map(drop).unwrap_err();
        assert_eq!(refused, Error::Invalid(Invalid::SetInSession));
    }
    session.resume_at(0).unwrap();
    assert!(
        session
            .append_all(&free)
            .unwrap()
            .wait()
            .unwrap()
            .is_duplicate()
    );
    assert!(session.append_all(&first).unwrap().wait().is_err());
    assert_eq!(versions(&store, &["bank-a", "bank-b", "bank-c"]), [2, 2, 1]);
}

#[test]
fn aggregates_that_rest_in_sealed_segments_are_looked_up() {
    let mut bank = bank();
    bank.options = bank.options.segment_bytes(5_000);
    let store = bank.open();
    for number in 0..40 {
        put(
            &store,
            &format!("bank-{}", number % 10),
            &format!("{number:>900}"),
        );
    }
    store.seal().unwrap();
    store.close().unwrap();
    let store = bank.open();
    let before = copy_of(&bank.storage);
    let set = AppendSet::new()
        .append("bank-1", Expected::Exact(4), &[deposit("1")])
        .append("bank-2", Expected::Exact(3), &[deposit("1")])
        .check("bank-3", Expected::Exact(4))
        .check("bank-99", Expected::NoStream);
    let told = conflicts(append(&store, &set));
    assert_eq!(told, [("bank-2".to_owned(), Expected::Exact(3), 4)]);
    assert_eq!(copy_of(&bank.storage).files(), before.files());
    let set = AppendSet::new()
        .append("bank-1", Expected::Exact(4), &[deposit("1")])
        .append("bank-2", Expected::Exact(4), &[deposit("1")])
        .check("bank-3", Expected::Exact(4));
    append(&store, &set).unwrap();
    assert_eq!(
        versions(&store, &["bank-1", "bank-2", "bank-3", "bank-99"]),
        [5, 5, 4, 0]
    );
}
