//! From batches of events to read models that can be asked.
//!
//! This crate has one job: to fold the [`Events`](eventcask_event::Events) of a shard into state.
//! Its main type is [`ViewState`], keyed aggregations over JSON payloads as a [`ViewSpec`] defines
//! them; a [`Projection`] is a fold that a user writes, by [`Batch`], with a state that
//! [`Snapshot`] keeps as bytes. Its neighbours are `eventcask-event`, whose batches it consumes,
//! and `eventcask`, which decides when to apply, where to keep the bytes and how to answer over all
//! shards. It never touches a disk, a thread or a clock.
//!
//! ```
//! use std::sync::Arc;
//! use eventcask_project::{ViewSpec, ViewState};
//!
//! let spec = ViewSpec::new("carrier", &["count", "sum:dep_delay"], Some("Flight"), None)?;
//! let spec = Arc::new(spec);
//! let state = ViewState::new(Arc::clone(&spec));
//! // for each batch of the shard: state.apply(&batch);
//! assert!(state.get("UA").is_empty());
//!
//! let kept = state.encode();
//! assert_eq!(ViewState::decode(spec, &kept)?.encode(), kept);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod limits;
mod error;
mod failed;
mod path;
mod spec;
mod aggregation;
mod window;
mod plan;
mod fields;
mod left_out;
mod reader;
mod decimal;
mod digits;
mod number;
mod value;
mod cell;
mod groups;
mod state;
mod merged;
mod codec;
mod row;
mod batch;
mod projection;
mod snapshot;
mod per_aggregate;
mod keyed_snapshot;
#[cfg(feature = "serde")]
mod as_json;

#[cfg(feature = "serde")]
pub use as_json::AsJson;
pub use batch::Batch;
pub use error::{DecodeError, SpecError};
pub use failed::{ApplyError, FailedEvent};
pub use left_out::LeftOut;
pub use limits::{MAX_AGGREGATIONS, MAX_PATH_BYTES, MAX_PATH_DEPTH};
pub use merged::MergedStates;
pub use number::Number;
pub use per_aggregate::{BatchEntries, PerAggregate};
pub use projection::{Merge, Projection};
pub use row::ViewRow;
pub use snapshot::Snapshot;
pub use spec::ViewSpec;
pub use state::ViewState;
pub use value::Value;
