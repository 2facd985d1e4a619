//! The files of a shard: names, headers, and blocks one after the other.

pub(crate) mod dir;
pub(crate) mod spare;
pub(crate) mod writer;
pub(crate) mod scan;
pub(crate) mod open_block;
