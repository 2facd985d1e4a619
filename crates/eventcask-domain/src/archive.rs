//! Payloads that are archives of rkyv, seen in place.

use rkyv::rancor::Error as Failure;
use rkyv::ser::{Positional, Writer};
use rkyv::util::AlignedVec;

use crate::error::{DecodeError, EncodeError};
use crate::event::Event;

/// Where an archive is written: behind what is there, with its places counted from its own start.
#[derive(Debug)]
pub struct Payload<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Payload<'a> {
    /// Begins one at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }
}

impl Positional for Payload<'_> {
    fn pos(&self) -> usize {
        self.out.len() - self.start
    }
}

impl Writer<Failure> for Payload<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

/// An event as it is seen: one that is not stored, or was decoded, or its archive.
#[derive(Debug)]
pub enum Seen<'a, E, A> {
    /// The struct.
    Plain(&'a E),
    /// Its archive.
    Archived(&'a A),
}

impl<E, A> Clone for Seen<'_, E, A> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, A> Copy for Seen<'_, E, A> {}

/// Where a store has its archives: at multiples of it. No part of one needs more, and some of what
/// a struct points to may need more than the struct.
const ALIGN: usize = 16;

/// Whether an archive can be seen where it lies. One that can not is copied to where it can.
#[must_use]
#[inline]
pub fn is_aligned(payload: &[u8]) -> bool {
    payload.as_ptr().addr().is_multiple_of(ALIGN)
}

/// Has a payload decoded where it can be read as an archive.
pub fn with_aligned<T>(payload: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    if is_aligned(payload) {
        return decode(payload);
    }
    let mut aligned = AlignedVec::<ALIGN>::with_capacity(payload.len());
    aligned.extend_from_slice(payload);
    decode(&aligned)
}

/// That an event can not be archived.
#[must_use]
pub fn not_encoded<E: Event>(error: &Failure) -> EncodeError {
    EncodeError::new(E::SCHEMA.event_type, error.to_string())
}

/// That a payload is no archive of an event.
#[must_use]
pub fn malformed<E: Event>(error: &Failure) -> DecodeError {
    DecodeError::Malformed {
        event_type: E::SCHEMA.event_type.to_owned(),
        version: E::SCHEMA.version,
        reason: error.to_string(),
    }
}
