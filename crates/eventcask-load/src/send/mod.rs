//! Events on their way into the store, and the answers to them.

pub(crate) mod goal;
pub(crate) mod latencies;
pub(crate) mod counts;
mod way;
mod pace;
pub(crate) mod phase;
