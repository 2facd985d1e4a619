//! A filter over hashes: says for sure that something is not there.
//!
//! It is the split block Bloom filter that the Apache Parquet format specifies
//! (`BloomFilter.md` there): a hash chooses one block of 32 bytes and one bit in each of its
//! eight words, so a question touches one cache line.

/// Bits for each hash: one question in about 250 about something absent is answered "maybe".
const BITS_PER_HASH: usize = 12;
const BLOCK_BYTES: usize = 32;
/// The constants of the specification; each chooses the bit of one word.
const SALT: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// The bytes of a filter that holds these hashes.
pub(crate) fn build(hashes: impl ExactSizeIterator<Item = u64>) -> Vec<u8> {
    let blocks = (hashes.len() * BITS_PER_HASH).div_ceil(BLOCK_BYTES * 8);
    let mut filter = vec![0; blocks * BLOCK_BYTES];
    for hash in hashes {
        let block = block_of(hash, blocks);
        for (word, bit) in bits_of(hash).into_iter().enumerate() {
            filter[block * BLOCK_BYTES + word * 4 + bit / 8] |= 1 << (bit % 8);
        }
    }
    filter
}

/// Whether the filter may hold the hash; `false` is certain.
pub(crate) fn may_hold(filter: &[u8], hash: u64) -> bool {
    let Some(block) = block(filter, hash) else {
        return false;
    };
    // All words and one branch: a processor does not wait for one filter before it asks the next.
    let words = block.as_chunks::<4>().0.iter();
    let missing = words
        .zip(bits_of(hash))
        .map(|(word, bit)| !u32::from_le_bytes(*word) & (1 << bit));
    missing.fold(0, |all, one| all | one) == 0
}

/// The bytes of the filter that a question for the hash reads; none of one that is empty.
pub(crate) fn block(filter: &[u8], hash: u64) -> Option<&[u8; BLOCK_BYTES]> {
    let blocks = filter.as_chunks().0;
    blocks.get(block_of(hash, blocks.len()))
}

fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

/// The bit of each little-endian word that the hash sets, 0 to 31.
fn bits_of(hash: u64) -> [usize; 8] {
    SALT.map(|salt| ((hash as u32).wrapping_mul(salt) >> 27) as usize)
}
