//! From an aggregate's key to its shard, bit for bit as Kafka's default partitioner does it.
//!
//! The function is part of the format: it is named in the manifest, and a store's shards map
//! onto the partitions of an equally partitioned Kafka topic without hashing again. It is
//! public and not seeded, so someone who chooses keys can aim them all at one shard; tables
//! in memory use a seeded hash instead.

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

/// The shard of an aggregate: `(murmur2(key) & 0x7fffffff) % shards`.
///
/// # Panics
/// When `shards` is zero.
#[must_use]
pub fn route(key: &str, shards: u32) -> u32 {
    let hash = murmur2(key.as_bytes()) & 0x7fff_ffff;
    // A store has a power of two, and a division takes as long as the hash.
    if shards.is_power_of_two() {
        hash & (shards - 1)
    } else {
        hash % shards
    }
}
