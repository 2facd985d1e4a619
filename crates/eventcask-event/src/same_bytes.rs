//! Comparing short texts.

/// As `==`, without a call for texts of the usual length of keys and names.
///
/// ```
/// use eventcask_event::same_bytes;
/// assert!(same_bytes(b"account-17", b"account-17"));
/// assert!(!same_bytes(b"account-17", b"account-18") && !same_bytes(b"a", b""));
/// ```
#[inline]
#[must_use]
pub fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (words, tail) = one.as_chunks::<8>();
    let (other_words, other_tail) = other.as_chunks::<8>();
    let same = |(one, other): (&[u8; 8], &[u8; 8])| one == other;
    words.iter().zip(other_words).all(same)
        && tail.iter().zip(other_tail).all(|(one, other)| one == other)
}
