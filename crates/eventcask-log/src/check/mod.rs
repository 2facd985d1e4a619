//! Looks at every byte of a shard, and mends what can be mended.

mod cluster_check;
pub(crate) mod verify;
pub(crate) mod repair;
pub(crate) mod inspect;
