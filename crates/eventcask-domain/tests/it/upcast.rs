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
