//! Reads single blocks, and keeps what was read.

pub(crate) mod block_cache;
pub(crate) mod rows;
pub(crate) mod table_cache;
pub(crate) mod caches;
pub(crate) mod reader;
mod lookup;
mod digests;
mod clustered;
