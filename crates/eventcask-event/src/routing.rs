//! From an aggregate's key to its shard, bit for bit as Kafka's default partitioner does it.
//!
//! The function is part of the format: it is named in the manifest, and a store's shards map
//! onto the partitions of an equally partitioned Kafka topic without hashing again. It is
//! public and not seeded, so someone who chooses keys can aim them all at one shard; tables
//! in memory use a seeded hash instead.

use std::fmt;
use std::str::FromStr;

use crate::ERASED_PREFIX;

/// Which part of its key an aggregate is routed by. A store has one of them from its beginning.
///
/// ```
/// use eventcask_event::RouteBy;
/// let by = RouteBy::Category;
/// // All aggregates of a category are in the same shard.
/// assert_eq!(by.shard_of("order-7", 16), by.shard_of("order-8", 16));
/// assert_eq!("category".parse(), Ok(by));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RouteBy {
    /// The whole key: aggregates are spread evenly.
    #[default]
    Key,
    /// The part before the first `-`, and the whole key where there is none: the aggregates of a
    /// type or a tenant share a shard, so that one append can be of several of them.
    Category,
}

impl RouteBy {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Key, Self::Category];

    /// The number of the routing in a manifest.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Key => 1,
            Self::Category => 2,
        }
    }

    /// The routing with this number, or `None` where this version knows none.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Key),
            2 => Some(Self::Category),
            _ => None,
        }
    }

    /// The shard of an aggregate: `(murmur2(part of the key) & 0x7fffffff) % shards`.
    ///
    /// # Panics
    /// When `shards` is zero.
    #[inline]
    #[must_use]
    pub fn shard_of(self, key: &str, shards: u32) -> u32 {
        let hash = murmur2(self.part_of(key).as_bytes()) & 0x7fff_ffff;
        // A store has a power of two, and a division takes as long as the hash.
        if shards.is_power_of_two() {
            hash & (shards - 1)
        } else {
            hash % shards
        }
    }

    #[inline]
    fn part_of(self, key: &str) -> &str {
        match self {
            Self::Key => key,
            // What stands for an erased key is led to the shard of that key by the number it ends
            // with.
            Self::Category if key.starts_with(ERASED_PREFIX) => key,
            Self::Category => key.split_once('-').map_or(key, |(category, _)| category),
        }
    }
}

impl FromStr for RouteBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|by| by.to_string() == text);
        named.ok_or_else(|| format!("{text:?} is no routing: key or category is expected"))
    }
}

impl fmt::Display for RouteBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Category => "category",
        })
    }
}

/// How a store finds the shard of a key: by what, among how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    /// By which part of the key.
    pub by: RouteBy,
    /// Among how many shards; at least one.
    pub shards: u32,
}

impl Routing {
    /// The shard of an aggregate.
    ///
    /// ```
    /// use eventcask_event::{RouteBy, Routing};
    /// let routing = Routing { by: RouteBy::Category, shards: 16 };
    /// assert_eq!(routing.shard_of("order-7"), routing.shard_of("order"));
    /// ```
    ///
    /// # Panics
    /// When there are no shards.
    #[inline]
    #[must_use]
    pub fn shard_of(self, key: &str) -> u32 {
        match self.shards {
            // It need not be asked for.
            1 => 0,
            shards => self.by.shard_of(key, shards),
        }
    }
}

/// Hash of Austin Appleby's MurmurHash2 (32 bits) with Kafka's seed.
///
/// ```
/// assert_eq!(eventcask_event::murmur2(b"foobar") as i32, -790_332_482);
/// ```
#[must_use]
pub fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let (words, tail) = bytes.as_chunks::<4>();
    // Kafka measures the length in 32 bits; a key has at most 1024 bytes.
    let mut hash = SEED ^ (bytes.len() as u32);
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let folded = tail
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        hash = (hash ^ folded).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// The shard of an aggregate that is routed by its whole key: [`RouteBy::Key`]. Where there is a
/// store, that is asked, since it may route by another part.
///
/// # Panics
/// When `shards` is zero.
#[must_use]
pub fn route(key: &str, shards: u32) -> u32 {
    RouteBy::Key.shard_of(key, shards)
}
