//! Typed events of aggregates, queries, subscriptions and groups.

use eventcask::subscribe::Retry;
use eventcask::{Expected, NewEvent, Store};
use eventcask_domain::prelude::*;
use eventcask_domain::{ErrorKind, StoredTypes, TypedEvent};

use crate::account::{AccountEvent, AccountEventRef, Closed, Deposited, opened, store};
use crate::upcast::{CustomerEvent, customer};

fn deposit(cents: u64) -> AccountEvent {
    Deposited { cents }.into()
}

/// An account that was opened as its first version, with an event of somebody else's.
fn account() -> Store {
    let store = store();
    let old = [
        NewEvent::json("account.opened", br#"{"name":"Ada"}"#),
        NewEvent::json("audit.noted", b"not even JSON"),
    ];
    let ticket = store.append("account-1", Expected::NoStream, &old);
    ticket.unwrap().wait().unwrap();
    let ticket = store.append_events("account-1", Expected::Exact(2), &[deposit(7), deposit(8)]);
    ticket.unwrap().wait().unwrap();
    store
}

fn cents(view: AccountEventRef<'_>) -> u64 {
    match view {
        AccountEventRef::Deposited(event) => event.cents(),
        _ => 0,
    }
}

#[test]
fn an_append_expects_a_version_as_ever() {
    let store = account();
    let late = store.append_events("account-1", Expected::Exact(3), &[deposit(1)]);
    let error = late.unwrap().wait().unwrap_err();
    assert_eq!(error.kind(), eventcask::ErrorKind::Conflict);
    let none = store.append_events::<AccountEvent>("account-1", Expected::Any, &[]);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::Store);
}

#[test]
fn an_event_that_is_unknown_ends_the_read_of_an_aggregate_unless_it_is_passed_over() {
    let store = account();
    let events = || store.aggregate("account-1").events().unwrap();
    let all: Vec<_> = events().typed::<AccountEvent>().collect();
    let error = all[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownType);
    let text = error.to_string();
    assert!(
        text.starts_with("version 2 of aggregate \"account-1\", at "),
        "{text}"
    );
    assert!(
        text.ends_with("\"audit.noted\" is no event type of this set: add it, or read by a filter"),
        "{text}"
    );
    let passed = events().typed::<AccountEvent>().passing_others();
    let versions: Vec<u64> = passed.map(|event| event.unwrap().version()).collect();
    assert_eq!(versions, [1, 3, 4]);
}

#[test]
fn queries_and_subscriptions_and_groups_are_typed() {
    let store = account();
    let query = store.events().types(AccountEvent::TYPES);
    let back: Vec<u64> = query
        .rev()
        .typed::<AccountEvent>()
        .map(|event| cents(event.unwrap().view()))
        .collect();
    assert_eq!(back, [8, 7, 0]);
    let mut followed = query.subscribe().unwrap().typed::<AccountEvent>();
    let first = followed.next().unwrap().unwrap();
    assert_eq!(first.key(), "account-1");
    assert_eq!(followed.get_mut().positions().len(), 2);
    let named = query.named("mailer").unwrap().typed::<AccountEvent>();
    let cents: u64 = named
        .take(3)
        .map(|event| cents(event.unwrap().view()))
        .sum();
    assert_eq!(cents, 15);
    let group = query.group("workers", Retry::new(1)).unwrap();
    let claim = group.try_claim().unwrap().unwrap();
    let events = TypedEvent::<AccountEvent>::of(claim.event()).unwrap();
    assert!(matches!(events[0].view(), AccountEventRef::Opened(event) if event.owner() == "Ada"));
    claim.ack().unwrap();
}

#[test]
fn all_that_can_not_be_read_is_listed_at_the_start() {
    let store = account();
    let mut newer = vec![NewEvent::json("account.closed", b"null").schema(9)];
    newer.push(NewEvent::bytes("account.deposited", b""));
    let ticket = store.append("account-2", Expected::Any, &newer);
    ticket.unwrap().wait().unwrap();
    let closed = AccountEvent::from(Closed);
    let ticket = store.append_events("account-2", Expected::Any, &[closed, opened("Bob").into()]);
    ticket.unwrap().wait().unwrap();

    let types = StoredTypes::of(&store).unwrap();
    let names: Vec<_> = types
        .iter()
        .map(|stored| (stored.event_type, stored.version))
        .collect();
    let expected = [
        ("account.closed", 1),
        ("account.closed", 9),
        ("account.deposited", 1),
        ("account.deposited", 1),
        ("account.opened", 1),
        ("account.opened", 3),
        ("audit.noted", 1),
    ];
    assert_eq!(names, expected);
    let known = types.known_to::<AccountEvent>().known_to::<CustomerEvent>();
    let error = known.clone().check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoPath);
    let text = error.to_string();
    for part in [
        "\"account.closed\" has schema version 9",
        "\"account.deposited\" of schema version 1 is stored as bytes",
        "\"audit.noted\" is no event type",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(text.matches("; ").count(), 2);
    let text = known.but_for_others().check().unwrap_err().to_string();
    assert!(!text.contains("audit.noted"), "{text}");
}

#[test]
fn what_is_upcast_to_several_has_a_path() {
    let types = StoredTypes::of(&customer()).unwrap();
    assert_eq!(types.known_to::<CustomerEvent>().check(), Ok(()));
}

#[event("account.opened")]
struct OpenedOnce {
    name: String,
}

/// A part of the program that was not brought up to date.
#[derive(EventSet)]
enum OldEvent {
    Opened(OpenedOnce),
}

/// Each set is read by somebody: that one of two can read a type hid that the other can not.
#[test]
fn a_set_that_can_not_read_its_type_is_heard_beside_one_that_can() {
    let store = account();
    let ticket = store.append_events::<AccountEvent>("a-2", Expected::Any, &[opened("Bob").into()]);
    ticket.unwrap().wait().unwrap();
    let types = || StoredTypes::of(&store).unwrap();
    let newer_known = types().known_to::<AccountEvent>();
    for known in [
        newer_known.clone().known_to::<OldEvent>(),
        types().known_to::<OldEvent>().known_to::<AccountEvent>(),
        newer_known
            .clone()
            .known_to::<OldEvent>()
            .known_to::<CustomerEvent>(),
    ] {
        let text = known.but_for_others().check().unwrap_err().to_string();
        assert!(text.contains("has schema version 3"), "{text}");
        assert!(!text.contains("; "), "{text}");
    }
    let others = newer_known.known_to::<CustomerEvent>().but_for_others();
    assert_eq!(
        others.check(),
        Ok(()),
        "a set without the type says nothing of it"
    );
}
