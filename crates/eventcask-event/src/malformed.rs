//! What is said of bytes that are no events.

/// Why the decoded parts of a block can not be its events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
