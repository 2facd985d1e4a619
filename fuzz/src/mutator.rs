//! Changes bytes, the same way for the same seed.

use fastrand::Rng;

use crate::MAX_INPUT_BYTES;

/// Values at which comparisons and lengths change their answer.
const INTERESTING: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    15,
    16,
    63,
    64,
    127,
    128,
    255,
    256,
    1024,
    4095,
    4096,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    1 << 20,
    (1 << 20) + 1,
    16 << 20,
    (16 << 20) + 1,
    64 << 20,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];
/// Mutations of one input: a few suffice to get away from a valid one, many leave nothing of it.
const CHANGES_MAX: usize = 6;
/// Longest piece that is cut, copied or put in at once.
const PIECE_MAX: usize = 256;

/// A changed copy of `input`; `other` is a second one, for splices.
pub fn mutate(random: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.usize(1..=CHANGES_MAX) {
        change(random, &mut bytes, other);
    }
    bytes.truncate(MAX_INPUT_BYTES);
    bytes
}

fn change(random: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(piece(random, other));
        return;
    }
    let at = random.usize(..bytes.len());
    match random.u8(..16) {
        0..=2 => bytes[at] ^= 1 << random.u8(..8),
        3..=5 => bytes[at] = random.u8(..),
        6..=9 => set_number(random, bytes, at),
        10 => drop(bytes.drain(at..(at + random.usize(1..=PIECE_MAX)).min(bytes.len()))),
        11 => bytes.truncate(at),
        12 => insert(bytes, at, &random_bytes(random)),
        13 => copy_within(random, bytes, at),
        14 => insert(bytes, at, piece(random, other)),
        _ => splice(random, bytes, at, other),
    }
}

/// Puts a number near an interesting one at 1, 2, 4 or 8 bytes, at an aligned place more often
/// than not: that is where the fields are.
fn set_number(random: &mut Rng, bytes: &mut [u8], at: usize) {
    let width = 1 << random.u8(..4);
    let at = if random.u8(..4) == 0 {
        at
    } else {
        at / width * width
    };
    let mut number = INTERESTING[random.usize(..INTERESTING.len())];
    if random.u8(..4) == 0 {
        number = number.wrapping_add(random.u64(..5)).wrapping_sub(2);
    }
    let end = (at + width).min(bytes.len());
    bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
}

fn random_bytes(random: &mut Rng) -> Vec<u8> {
    let fill = random.choice([None, Some(0), Some(0xff)]).flatten();
    let count = random.usize(1..=64);
    (0..count)
        .map(|_| fill.unwrap_or_else(|| random.u8(..)))
        .collect()
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}

/// Copies a piece over another place, or in before it.
fn copy_within(random: &mut Rng, bytes: &mut Vec<u8>, to: usize) {
    let copy = piece(random, bytes).to_vec();
    if random.bool() {
        let end = (to + copy.len()).min(bytes.len());
        bytes[to..end].copy_from_slice(&copy[..end - to]);
    } else {
        insert(bytes, to, &copy);
    }
}

fn piece<'b>(random: &mut Rng, bytes: &'b [u8]) -> &'b [u8] {
    if bytes.is_empty() {
        return bytes;
    }
    let from = random.usize(..bytes.len());
    &bytes[from..(from + random.usize(1..=PIECE_MAX)).min(bytes.len())]
}

/// Goes on with the end of another input, mostly from the same place on.
fn splice(random: &mut Rng, bytes: &mut Vec<u8>, at: usize, other: &[u8]) {
    let from = match random.bool() {
        true => at.min(other.len()),
        false => random.usize(..=other.len()),
    };
    bytes.truncate(at);
    bytes.extend_from_slice(&other[from..]);
}
