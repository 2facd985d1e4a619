//! Payloads in JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, EncodeError};
use crate::event::Event;

/// Puts the JSON of an event at the end of `out`; `fits` says whether JSON can hold its numbers.
///
/// # Errors
/// Where it can not, or where the event's own code says so.
pub fn encode<E: Event + Serialize>(
    event: &E,
    fits: bool,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let failed = |reason| EncodeError {
        event_type: E::SCHEMA.event_type,
        reason,
    };
    if !fits {
        return Err(failed("JSON has no infinite numbers".to_owned()));
    }
    serde_json::to_writer(out, event).map_err(|error| failed(error.to_string()))
}

/// Decodes the JSON of an event.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode<E: Event + DeserializeOwned>(payload: &[u8]) -> Result<E, DecodeError> {
    serde_json::from_slice(payload).map_err(|error| DecodeError::Malformed {
        event_type: E::SCHEMA.event_type.to_owned(),
        version: E::SCHEMA.version,
        reason: error.to_string(),
    })
}
