//! Projections that users write, as they follow a store.
//!
//! The modules stand in the order of the walk: how one is started, what all of them are to the
//! store, the states and what is folded into them, how they are kept, the threads that work beside
//! the shards, and how they are asked.

mod policy;
mod options;
pub(crate) mod projections;
mod live;
mod watch;
mod folding;
mod files;
mod keep;
mod kept;
mod runner;
mod saver;
mod rebuild;
mod past;
pub(crate) mod handle;
mod entries;
pub(crate) mod views;
pub(crate) mod view;
mod savers;
mod view_past;
mod view_saver;

pub use entries::EntryCache;
#[cfg(feature = "serde")]
pub use eventcask_project::AsJson;
pub use eventcask_project::{BatchEntries, Merge, Snapshot};
pub(crate) use files::forget_what_is_ahead;
pub use kept::KeptProjection;
pub use options::ProjectionOptions;
pub use past::ProjectionAsOf;
pub use policy::SnapshotPolicy;
pub(crate) use projections::Projections;
pub use rebuild::{Rebuild, RebuildProgress};
