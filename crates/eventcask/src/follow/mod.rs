//! What all that follow the log share: how they catch up, wait and are woken.

pub(crate) mod parked;
pub(crate) mod lag;
pub(crate) mod waiters;
pub(crate) mod reached;
pub(crate) mod arrivals;
pub(crate) mod read_ahead;
pub(crate) mod follower;
