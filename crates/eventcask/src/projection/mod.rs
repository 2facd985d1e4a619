//! Projections as they are started and asked: those that users write, and views, which are defined
//! by a value. Their states are in `state`.

mod options;
pub(crate) mod handle;
mod entries;
pub(crate) mod view;
mod as_of;
mod kept;

pub use crate::follow::parked::Parked;
pub use crate::state::policy::{OnError, SnapshotPolicy};
pub use crate::state::rebuild::{Rebuild, RebuildProgress};
pub use as_of::{ProjectionAsOf, ViewAsOf};
pub use entries::EntryCache;
#[cfg(feature = "serde")]
pub use eventcask_project::AsJson;
pub use eventcask_project::{BatchEntries, Merge, Snapshot};
pub use kept::KeptProjection;
pub use options::ProjectionOptions;
