//! Projections as they follow a store: those that users write, and views, which are defined by a
//! value.
//!
//! The modules stand in the order of the walk: how one is started, what all of them are to the
//! store, the states and what is folded into them, how they are kept, the threads that work beside
//! the shards, and how they are asked.

mod policy;
mod options;
pub(crate) mod projections;
mod live;
mod definition;
mod parking;
mod watch;
mod folding;
mod state;
pub(crate) mod folder;
mod found;
mod files;
mod keep;
mod kept;
mod runner;
mod saver;
mod following;
mod redrive;
mod rebuild;
mod past;
mod as_of;
pub(crate) mod handle;
mod entries;
pub(crate) mod views;
pub(crate) mod view;

pub use crate::follow::parked::Parked;
pub use as_of::{ProjectionAsOf, ViewAsOf};
pub use entries::EntryCache;
#[cfg(feature = "serde")]
pub use eventcask_project::AsJson;
pub use eventcask_project::{BatchEntries, Merge, Snapshot};
pub use kept::KeptProjection;
pub use options::ProjectionOptions;
pub use policy::{OnError, SnapshotPolicy};
pub(crate) use projections::Projections;
pub use rebuild::{Rebuild, RebuildProgress};
