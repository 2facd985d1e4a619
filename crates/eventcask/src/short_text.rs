//! Keys, names and reasons as bytes of the files that we write: their length, then themselves.

/// Longest reason that is kept.
pub(crate) const MAX_REASON_BYTES: usize = 1024;

/// The beginning of a reason, as much as is kept.
pub(crate) fn short(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// Adds a text, which is short.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Takes some bytes off the beginning; none where there are fewer.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// Takes a text off the beginning.
pub(crate) fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = u16::from_le_bytes(take(bytes)?);
    let (text, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    Some(str::from_utf8(text).ok()?.to_owned())
}
