//! Payloads in JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, EncodeError};
use crate::event::Event;

/// Puts the JSON of an event at the end of `out`; `fits` says whether JSON can hold its numbers.
///
/// # Errors
/// Where it can not, or where the event's own code says so; `out` is as it was.
pub fn encode<E: Event + Serialize>(
    event: &E,
    fits: bool,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if !fits {
        return Err(not_encoded::<E>("JSON has no infinite numbers"));
    }
    let start = out.len();
    serde_json::to_writer(&mut *out, event).map_err(|error| {
        out.truncate(start);
        not_encoded::<E>(error.to_string())
    })
}

/// The same for an event with plain fields, of whose types nothing is known: what was written is
/// read before it counts. Once it is stored it is too late.
///
/// # Errors
/// As [`encode`], and where what was written can not be read; `out` is as it was.
pub fn encode_plain<E: Event + Serialize + DeserializeOwned>(
    event: &E,
    fits: bool,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    encode(event, fits, out)?;
    let read = serde_json::from_slice::<E>(&out[start..]);
    read.map(drop).map_err(|error| {
        out.truncate(start);
        not_encoded::<E>(format!("it could not be read again: {error}"))
    })
}

/// Decodes the JSON of an event.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode<E: Event + DeserializeOwned>(payload: &[u8]) -> Result<E, DecodeError> {
    serde_json::from_slice(payload).map_err(|error| malformed::<E>(&error))
}

/// Reads the JSON of an event without fields: what serde takes for a `T`, or `null`, which serde
/// writes for a struct without braces.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode_empty<E: Event, T: DeserializeOwned>(payload: &[u8]) -> Result<(), DecodeError> {
    let read = serde_json::from_slice::<Option<T>>(payload);
    read.map(drop).map_err(|error| malformed::<E>(&error))
}

/// A struct without fields, whatever else is stored.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

fn not_encoded<E: Event>(reason: impl Into<String>) -> EncodeError {
    EncodeError::new(E::SCHEMA.event_type, reason)
}

fn malformed<E: Event>(error: &serde_json::Error) -> DecodeError {
    DecodeError::Malformed {
        event_type: E::SCHEMA.event_type.to_owned(),
        version: E::SCHEMA.version,
        reason: error.to_string(),
    }
}
