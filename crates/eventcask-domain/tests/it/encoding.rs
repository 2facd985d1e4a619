//! Typed events go into a store and come back as they were.

use eventcask::event::{Encoding, Tags};
use eventcask::{Expected, NewEvent};
use eventcask_domain::prelude::*;
use eventcask_domain::{DecodeError, ErrorKind};

use crate::account::{
    AccountEvent, AccountEventRef, Closed, Deposited, Opened, Rated, opened, store,
};

fn all() -> Vec<AccountEvent> {
    let rated = Rated {
        by: Some("ada".to_owned()),
        stars: 5,
        weight: 0.5,
        place: (-3, 7),
    };
    vec![
        opened("Ada").into(),
        Deposited { cents: u64::MAX }.into(),
        rated.into(),
        Closed.into(),
    ]
}

/// What the events of an aggregate look like, as they are seen.
fn seen(store: &eventcask::Store, key: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for stored in store.aggregate(key).events().unwrap() {
        let stored = stored.unwrap();
        let decoded = AccountEvent::decode(&stored.get()).unwrap().unwrap();
        lines.extend(decoded.views().map(|view| format!("{view:?}")));
    }
    lines
}

#[test]
fn what_is_stored_is_seen_as_what_was_appended() {
    let store = store();
    let encoded = EncodedEvents::of(&all()).unwrap();
    let ticket = encoded.with(|events| store.append("account-1", Expected::NoStream, events));
    ticket.unwrap().wait().unwrap();
    let before: Vec<String> = all()
        .iter()
        .map(|event| format!("{:?}", event.view()))
        .collect();
    assert_eq!(seen(&store, "account-1"), before);
    assert_eq!(
        before[0],
        "Opened(Opened { owner: \"Ada\", email: None, limits: [5, 6] })"
    );
    assert_eq!(
        before[2],
        "Rated(Rated { by: Some(\"ada\"), stars: 5, weight: 0.5, .. })"
    );
}

#[test]
fn an_event_is_stored_under_its_name_schema_and_encoding() {
    let encoded = EncodedEvents::of(&all()).unwrap();
    assert_eq!(encoded.len(), 4);
    encoded.with(|events| {
        let heads: Vec<_> = events
            .iter()
            .map(|event| (event.event_type, event.schema, event.encoding))
            .collect();
        let json = Encoding::Json;
        assert_eq!(heads[0], ("account.opened", 3, json));
        assert_eq!(heads[3], ("account.closed", 1, json));
        assert_eq!(events[1].payload, br#"{"cents":18446744073709551615}"#);
    });
}

#[test]
fn fields_that_are_tags_find_the_event() {
    let store = store();
    let anonymous = Rated {
        by: None,
        stars: 4,
        weight: 1.0,
        place: (0, 0),
    };
    let mut events = all();
    events.push(anonymous.into());
    let encoded = EncodedEvents::of(&events).unwrap();
    let ticket = encoded.with(|events| store.append("account-1", Expected::Any, events));
    ticket.unwrap().wait().unwrap();
    let found = |name: &str, value: &str| -> Vec<u64> {
        let events = store.events().tag(name, value).iter();
        events.map(|event| event.unwrap().version()).collect()
    };
    assert_eq!(found("owner", "Ada"), [1]);
    assert_eq!(
        (found("by", "ada"), found("stars", "5")),
        (vec![3], vec![3])
    );
    assert_eq!(found("stars", "4"), [5]);
    let newest = store.aggregate("account-1").last(1).events().unwrap();
    let newest = newest.last().unwrap().unwrap();
    assert_eq!(newest.tags().len(), 1, "`None` is no tag");
}

#[test]
fn accessors_give_numbers_texts_and_lists() {
    let event: AccountEvent = opened("Ada").into();
    let AccountEventRef::Opened(view) = event.view() else {
        panic!("it is one that was opened");
    };
    assert_eq!((view.owner(), view.email()), ("Ada", None));
    let limits = view.limits();
    assert_eq!((limits.len(), limits.is_empty()), (2, false));
    assert_eq!((limits.get(1), limits.get(2)), (Some(6), None));
    assert_eq!(limits.iter().sum::<u64>(), 11);
}

#[test]
fn a_number_that_json_does_not_have_is_refused_before_it_is_stored() {
    for weight in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let rated = Rated {
            by: None,
            stars: 1,
            weight,
            place: (0, 0),
        };
        let mut encoded = EncodedEvents::of(&all()).unwrap();
        let error = encoded.push(&AccountEvent::from(rated)).unwrap_err();
        assert_eq!(error.event_type, "account.rated");
        assert_eq!(encoded.len(), 4, "nothing of it is left");
        encoded.push(&AccountEvent::from(Closed)).unwrap();
        encoded.with(|events| assert_eq!(events[4].payload, b"{}"));
    }
}

fn decode_raw(event: &NewEvent<'_>) -> Result<Option<String>, DecodeError> {
    let store = store();
    let ticket = store.append("account-1", Expected::Any, &[*event]);
    ticket.unwrap().wait().unwrap();
    let mut stored = store.aggregate("account-1").events().unwrap();
    let stored = stored.next().unwrap().unwrap();
    let decoded = AccountEvent::decode(&stored.get())?;
    Ok(decoded.map(|decoded| format!("{decoded:?}")))
}

#[test]
fn a_type_that_the_set_does_not_have_is_told_from_one_that_can_not_be_read() {
    let other = NewEvent::json("account.flagged", b"{}");
    assert_eq!(decode_raw(&other), Ok(None));
}

#[test]
fn payloads_of_others_are_errors_and_never_a_panic() {
    for payload in [
        &b""[..],
        b"{",
        b"\xff",
        b"null",
        b"[]",
        br#"{"cents":-1}"#,
        br#"{"cents":18446744073709551616}"#,
        br#"{"cents":1}{"cents":1}"#,
        br#"{"cents":"1"}"#,
        br#"{"Cents":1}"#,
    ] {
        let stored = NewEvent::json("account.deposited", payload);
        let error = decode_raw(&stored).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{payload:?}");
        let text = error.to_string();
        assert!(
            text.contains("\"account.deposited\" of schema version 1"),
            "{text}"
        );
    }
}

#[test]
fn an_encoding_that_is_not_declared_is_named() {
    let stored = NewEvent::bytes("account.deposited", br#"{"cents":1}"#);
    let error = decode_raw(&stored).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherEncoding);
    assert_eq!(
        error.to_string(),
        "\"account.deposited\" of schema version 1 is stored as bytes and declared as JSON: give a new encoding a new version"
    );
}

#[test]
fn fields_that_a_newer_program_added_are_passed_over() {
    let stored = NewEvent::json("account.deposited", br#"{"cents":7,"currency":"EUR"}"#);
    let seen = decode_raw(&stored).unwrap().unwrap();
    assert_eq!(seen, "[Deposited(Deposited { cents: 7 })]");
}

#[test]
fn encoded_events_can_be_used_again() {
    let mut encoded = EncodedEvents::of(&all()).unwrap();
    encoded.clear();
    assert!(encoded.is_empty());
    encoded.push(&AccountEvent::from(opened("Bob"))).unwrap();
    encoded.with(|events| {
        let tags = events[0].metadata.map(|metadata| metadata.tags);
        let tags: Vec<_> = tags.iter().flat_map(Tags::iter).collect();
        assert_eq!(tags, [("owner", "Bob")]);
        let Opened { owner, .. } = serde_json::from_slice(events[0].payload).unwrap();
        assert_eq!(owner, "Bob");
    });
}
