//! The 128-bit identity of an event.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::{Invalid, Timestamp};

/// The 128 bits that name an event, shown as a UUID.
///
/// An id is either given by the caller, and then known again for as long as the store's
/// dedup window reaches, or derived by the engine from where the event is stored.
///
/// ```
/// use eventcask_event::EventId;
/// let id: EventId = "01941f29-7c00-7000-8000-000000000001".parse()?;
/// assert_eq!(id.to_string(), "01941f29-7c00-7000-8000-000000000001");
/// # Ok::<(), eventcask_event::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u128);

impl EventId {
    /// The id with these 128 bits; the first byte of the UUID is the highest.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits of this id.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Whether it is a version 7 UUID: its highest bits are a time, so ids that are made one after
    /// the other rise.
    #[must_use]
    pub const fn rises_with_time(self) -> bool {
        (self.0 >> 76) & 0xf == 7 && (self.0 >> 62) & 0b11 == 0b10
    }

    /// The id of a name that is not a UUID: the first 128 bits of the SHA-256 of its UTF-8
    /// bytes, with version 8 and the variant of RFC 9562 (its appendix B.2) set.
    ///
    /// ```
    /// use eventcask_event::EventId;
    /// assert_eq!(EventId::from_name("order 7").to_string().as_bytes()[14], b'8');
    /// assert_eq!(EventId::from_name("order 7"), EventId::from_name("order 7"));
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(stamp(u128::from_be_bytes(bytes), 8))
    }

    /// The id of an event that came without one: a version 7 UUID of the commit time in
    /// milliseconds, the shard (12 bits), 14 bits of the store's id and the position in the
    /// shard (48 bits). Two events of a store never share it, and it needs no room on disk.
    #[must_use]
    pub fn engine_made(store: u128, shard: u32, position: u64, commit_time: Timestamp) -> Self {
        let millis = commit_time.as_nanos().div_euclid(1_000_000) as u128 & 0xffff_ffff_ffff;
        let shard = u128::from(shard) & 0xfff;
        let store = store & 0x3fff;
        let position = u128::from(position) & 0xffff_ffff_ffff;
        Self(stamp(
            millis << 80 | shard << 64 | store << 48 | position,
            7,
        ))
    }

    /// The id that the event of a row came with, of a block's ids: 16 bytes each, little-endian,
    /// one a row or none at all. `None` where the engine makes it, which stands there as 0.
    #[must_use]
    #[inline]
    pub fn given(ids: &[u8], row: usize) -> Option<Self> {
        let bits = u128::from_le_bytes(*ids.as_chunks::<16>().0.get(row)?);
        (bits != 0).then_some(Self(bits))
    }

    /// The position of the event for which the engine would have made this id, if it is one of this
    /// store and shard.
    ///
    /// ```
    /// use eventcask_event::{EventId, Timestamp};
    /// let id = EventId::engine_made(77, 3, 41, Timestamp::from_nanos(0));
    /// assert_eq!(id.engine_made_at(77, 3), Some(41));
    /// assert_eq!(id.engine_made_at(77, 2), None);
    /// ```
    #[must_use]
    pub fn engine_made_at(self, store: u128, shard: u32) -> Option<u64> {
        let millis = (self.0 >> 80) as i64;
        let position = (self.0 & 0xffff_ffff_ffff) as u64;
        let commit_time = Timestamp::from_nanos(millis.saturating_mul(1_000_000));
        let made = Self::engine_made(store, shard, position, commit_time);
        (made == self).then_some(position)
    }
}

/// Sets the version nibble and the two variant bits of a UUID.
fn stamp(bits: u128, version: u128) -> u128 {
    let cleared = bits & !(0xf << 76) & !(0b11 << 62);
    cleared | version << 76 | 0b10 << 62
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0;
        let part = |shift: u32, digits: u32| (b >> shift) & ((1 << (digits * 4)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl FromStr for EventId {
    type Err = Invalid;

    /// Reads a UUID of 32 hexadecimal digits, in either case, with hyphens or without.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Id {
            text: text.chars().take(64).collect(),
        };
        let hyphens_fit = match text.len() {
            36 => text
                .bytes()
                .enumerate()
                .all(|(i, b)| matches!(i, 8 | 13 | 18 | 23) == (b == b'-')),
            32 => !text.contains('-'),
            _ => false,
        };
        if !hyphens_fit {
            return Err(invalid());
        }
        let mut bits = 0;
        for digit in text.chars().filter(|c| *c != '-') {
            bits = bits << 4 | u128::from(digit.to_digit(16).ok_or_else(invalid)?);
        }
        Ok(Self(bits))
    }
}
