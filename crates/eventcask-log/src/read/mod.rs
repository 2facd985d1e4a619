//! Reads single blocks, and keeps what was read.

pub(crate) mod kept_group;
pub(crate) mod block_cache;
pub(crate) mod table_cache;
pub(crate) mod caches;
pub(crate) mod reader;
pub(crate) mod rows;
mod lookup;
mod digests;
mod clustered;
