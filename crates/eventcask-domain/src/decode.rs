//! What the macros call to decode.

use crate::error::DecodeError;
use crate::event::{Event, Reading};
use crate::event_set::{Decoded, EventSet};
use crate::upcast::Upcast;

/// Decodes a payload of an event, or of one that is so many steps before it, as one of a set.
///
/// # Errors
/// As [`Event::read`] and [`Event::decode_past`].
#[inline]
pub fn decode<'a, E: Event, S: EventSet + From<E>>(
    steps: u16,
    payload: &'a [u8],
    seen: impl FnOnce(E::Ref<'a>) -> S::Ref<'a>,
) -> Result<Decoded<'a, S>, DecodeError> {
    if steps > 0 {
        return E::decode_past(steps, payload).map(|event| Decoded::Owned(event.into()));
    }
    Ok(match E::read(payload)? {
        Reading::InPlace(view) => Decoded::InPlace(seen(view)),
        Reading::Owned(event) => Decoded::Owned(event.into()),
    })
}

/// The same for an event that is no longer written.
///
/// # Errors
/// As [`Event::decode_past`].
pub fn decode_upcast<E: Upcast<S>, S: EventSet>(
    steps: u16,
    payload: &[u8],
) -> Result<Decoded<'_, S>, DecodeError> {
    let event = E::decode_past(steps, payload)?;
    Ok(Decoded::Several(event.upcast()))
}

/// That an event has fewer steps behind it than was asked for.
#[must_use]
pub fn no_such_step<E: Event>() -> DecodeError {
    DecodeError::NoUpcaster {
        event_type: E::SCHEMA.event_type.to_owned(),
        version: 0,
        known: E::SCHEMA.version,
    }
}
