//! How much one view may ask for.

/// Aggregations that one view may have, so that a group stays a few kilobytes.
pub const MAX_AGGREGATIONS: usize = 64;
/// Longest path of a field, in bytes; as long as the key of an aggregate may be.
pub const MAX_PATH_BYTES: usize = 1024;
/// Names in the path of a field; far below the depth of 128 at which the JSON parser stops.
pub const MAX_PATH_DEPTH: usize = 32;
