//! The states of projections and views, as the store has them: folded from the log, kept on disk,
//! and made anew. How they are asked is in `projection`.
//!
//! The modules stand in the order of the walk: what all of them are to the store, what one is, the
//! states and what is folded into them, how they are kept, the threads that work beside the shards,
//! and the states of the past.

pub(crate) mod policy;
pub(crate) mod projections;
pub(crate) mod live;
pub(crate) mod definition;
mod parking;
pub(crate) mod watch;
pub(crate) mod folding;
mod shard_state;
pub(crate) mod folder;
pub(crate) mod found;
pub(crate) mod files;
pub(crate) mod keep;
pub(crate) mod runner;
pub(crate) mod saver;
mod following;
mod redrive;
pub(crate) mod rebuild;
pub(crate) mod past;
pub(crate) mod views;
