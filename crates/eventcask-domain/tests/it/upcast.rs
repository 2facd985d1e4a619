//! Events of older schemas.

use eventcask::{Expected, NewEvent};
use eventcask_domain::prelude::*;
use eventcask_domain::{DecodeError, ErrorKind};

use crate::account::{AccountEvent, store};

fn decode(event: &NewEvent<'_>) -> Result<String, DecodeError> {
    let store = store();
    let ticket = store.append("account-1", Expected::Any, &[*event]);
    ticket.unwrap().wait().unwrap();
    let stored = store.events().iter().next().unwrap().unwrap();
    let decoded = AccountEvent::decode(&stored.get())?.unwrap();
    Ok(format!("{decoded:?}"))
}

#[test]
fn each_older_schema_is_brought_to_the_newest() {
    let stored = |version, payload| {
        decode(&NewEvent::json("account.opened", payload).schema(version)).unwrap()
    };
    assert_eq!(
        stored(1, br#"{"name":"Ada"}"#),
        "[Opened(Opened { owner: \"Ada\", email: None, limits: [1000] })]"
    );
    assert_eq!(
        stored(2, br#"{"owner":"Ada","email":"a@b"}"#),
        "[Opened(Opened { owner: \"Ada\", email: Some(\"a@b\"), limits: [1000] })]"
    );
    assert_eq!(
        stored(3, br#"{"owner":"Ada","email":null,"limits":[]}"#),
        "[Opened(Opened { owner: \"Ada\", email: None, limits: [] })]"
    );
}

#[test]
fn a_newer_schema_is_named() {
    let stored = NewEvent::json("account.opened", b"{}").schema(4);
    let error = decode(&stored).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NewerSchema);
    assert_eq!(
        error.to_string(),
        "\"account.opened\" has schema version 4, and this program knows it up to 3: run a newer program"
    );
}

#[test]
fn a_schema_that_nothing_leads_from_is_named() {
    let stored = NewEvent::json("account.opened", b"{}").schema(0);
    let error = decode(&stored).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoUpcaster);
}

#[test]
fn a_payload_of_another_version_of_the_chain_is_an_error() {
    let stored = NewEvent::json("account.opened", br#"{"owner":"Ada"}"#).schema(1);
    let error = decode(&stored).unwrap_err();
    let version = matches!(error, DecodeError::Malformed { version: 1, .. });
    assert!(version, "{error}");
}

#[event("customer.moved")]
pub(crate) struct Moved {
    pub(crate) street: String,
}

#[event("customer.renamed", version = 2)]
pub(crate) struct Renamed {
    pub(crate) name: String,
}

/// Both were one, whose second version is upcast from its first.
#[event("customer.changed", version = 2, prev = ChangedV1)]
pub(crate) struct Changed {
    name: Option<String>,
    street: Option<String>,
}

#[event("customer.changed")]
pub(crate) struct ChangedV1 {
    name: String,
}

/// The first version of a type that goes on was another thing.
#[event("customer.renamed")]
pub(crate) struct Requested {
    name: String,
}

impl From<ChangedV1> for Changed {
    fn from(old: ChangedV1) -> Self {
        Self {
            name: Some(old.name),
            street: None,
        }
    }
}

impl Upcast<CustomerEvent> for Changed {
    fn upcast(self) -> Vec<CustomerEvent> {
        let renamed = self.name.map(|name| Renamed { name }.into());
        let moved = self.street.map(|street| Moved { street }.into());
        renamed.into_iter().chain(moved).collect()
    }
}

impl Upcast<CustomerEvent> for Requested {
    fn upcast(self) -> Vec<CustomerEvent> {
        Vec::new()
    }
}

#[derive(EventSet)]
#[event_set(upcast = [Changed, Requested])]
pub(crate) enum CustomerEvent {
    Moved(Moved),
    Renamed(Renamed),
}

/// A customer with events of all kinds, as they are stored.
pub(crate) fn customer() -> eventcask::Store {
    let store = store();
    let events = [
        NewEvent::json("customer.renamed", br#"{"name":"nobody"}"#),
        NewEvent::json("customer.changed", br#"{"name":"Ada"}"#),
        NewEvent::json(
            "customer.changed",
            br#"{"name":"Bob","street":"Long Lane"}"#,
        )
        .schema(2),
        NewEvent::json("customer.changed", br#"{"name":null,"street":null}"#).schema(2),
        NewEvent::json("customer.renamed", br#"{"name":"Cid"}"#).schema(2),
    ];
    let ticket = store.append("customer-1", Expected::NoStream, &events);
    ticket.unwrap().wait().unwrap();
    store
}

#[test]
fn an_event_can_become_several_or_none() {
    let store = customer();
    let events = store.aggregate("customer-1").events().unwrap();
    let seen: Vec<(u64, String)> = events
        .typed::<CustomerEvent>()
        .map(|event| event.unwrap())
        .map(|event| (event.version(), format!("{:?}", event.view())))
        .collect();
    let expected = [
        (2, "Renamed(Renamed { name: \"Ada\" })"),
        (3, "Renamed(Renamed { name: \"Bob\" })"),
        (3, "Moved(Moved { street: \"Long Lane\" })"),
        (5, "Renamed(Renamed { name: \"Cid\" })"),
    ];
    let expected = expected.map(|(version, text)| (version, text.to_owned()));
    assert_eq!(seen, expected);
    let types = ["customer.moved", "customer.renamed", "customer.changed"];
    assert_eq!(CustomerEvent::TYPES, types);
}
