//! What all that follow the log share: which events they want, how they walk over its blocks, catch
//! up, wait and are woken, and what the store knows of how far they are.

pub(crate) mod parked;
pub(crate) mod filter;
pub(crate) mod cursor;
pub(crate) mod waiters;
pub(crate) mod reached;
pub(crate) mod arrivals;
pub(crate) mod prefetch;
pub(crate) mod read_ahead;
pub(crate) mod follower;
pub(crate) mod feeds;
pub(crate) mod saved;
pub(crate) mod subscriptions;
