//! The shape of an archive: a number that follows from the names and types of its fields.
//!
//! An archive of one struct may pass for one of another, with other values in it: whether bytes are
//! valid says nothing of what they mean. So the shape is stored beside the payloads of a type, and
//! compared before a byte of them is read.

use std::num::NonZeroU64;

/// FNV-1a: it can be computed by the compiler, and nobody gains by a collision.
const START: u64 = 0xcbf2_9ce4_8422_2325;
const STEP: u64 = 0x0000_0100_0000_01b3;

/// The shape of a type that has no parts.
#[must_use]
pub const fn of_type(name: &str) -> u64 {
    mix_text(START, name)
}

/// The shape of a type that holds others.
#[must_use]
pub const fn of_holder(name: &str, inner: u64) -> u64 {
    mix_number(of_type(name), inner)
}

/// The shape of a struct: of its fields in their order.
#[must_use]
pub const fn of_fields(fields: &[(&str, u64)]) -> u64 {
    let mut shape = mix_number(START, fields.len() as u64);
    let mut at = 0;
    while at < fields.len() {
        shape = mix_number(mix_text(shape, fields[at].0), fields[at].1);
        at += 1;
    }
    shape
}

/// As it is stored: 0 says that there is none.
#[must_use]
pub const fn stored(shape: u64) -> NonZeroU64 {
    match NonZeroU64::new(shape) {
        Some(shape) => shape,
        None => NonZeroU64::MAX,
    }
}

/// The length goes first, so that two texts never run into each other.
const fn mix_text(shape: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut shape = mix_number(shape, bytes.len() as u64);
    let mut at = 0;
    while at < bytes.len() {
        shape = mix_byte(shape, bytes[at]);
        at += 1;
    }
    shape
}

const fn mix_number(mut shape: u64, number: u64) -> u64 {
    let bytes = number.to_le_bytes();
    let mut at = 0;
    while at < bytes.len() {
        shape = mix_byte(shape, bytes[at]);
        at += 1;
    }
    shape
}

const fn mix_byte(shape: u64, byte: u8) -> u64 {
    (shape ^ byte as u64).wrapping_mul(STEP)
}
