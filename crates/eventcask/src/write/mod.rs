//! The ways in: where an event becomes a row in the open batch of its shard.

pub(crate) mod ticket;
mod check;
pub(crate) mod producer;
pub(crate) mod append;
pub(crate) mod append_set;
pub(crate) mod session;
pub(crate) mod owner;
