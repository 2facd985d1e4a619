//! Eventcask: an embedded event store and stream processor.
//!
//! What SQLite is to tables, Eventcask is to events: open it on a directory, append events to
//! aggregates, read them back, and keep views of them up to date.
//!
//! ```
//! use eventcask::{Expected, NewEvent};
//!
//! # let directory = tempfile::tempdir()?;
//! # let bank = directory.path().join("bank");
//! let store = eventcask::open(&bank)?;
//! let mut producer = store.producer();
//! let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
//! let answer = producer.append("account-42", Expected::NoStream, &[deposit])?.wait()?;
//! assert_eq!(answer.version(), Some(1));
//!
//! for event in store.aggregate("account-42").events()? {
//!     let event = event?;
//!     assert_eq!(event.get().payload, br#"{"cents":500}"#);
//! }
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Store`] is a cheap handle that threads share. A [`Producer`] belongs to one thread and
//! encodes events straight into the batch of their shard; each shard has one worker that
//! decides what is stored and one place in the log. An append is answered by a [`Ticket`]
//! once it is as durable as the store's [`Durability`] says, [`Durability::Sync`] by default.
//!
//! With the feature `tracing` the log of the program is told, by the crate of that name, when a projection, a
//! view, a read model, a group of consumers or a shard has stopped, and of rebuilds.
//!
//! This crate never starts an async runtime, and never makes anything visible before it is
//! durable.

mod error;
mod options;
mod parallel;
mod store;
mod engine;
mod producer;
mod owner;
mod session;
mod router;
mod event;
mod as_of;
mod aggregate;
mod filter;
mod forwards;
mod backwards;
mod merge;
mod fold;
mod folds;
mod folded;
mod loaded;
mod fold_snapshots;
mod scan;
mod arrivals;
mod subscribe;
mod subscription;
mod saved;
mod subscriptions;
mod named;
mod retry;
mod turns;
mod claim;
mod group;
mod shown;
mod read_ahead;
mod waiters;
mod telling;
mod follower;
mod views;
mod view;
mod view_past;
mod view_saver;
mod projection;
mod read_model;
mod batches;
mod feed_cursor;
mod feeder;
mod feeds;
mod feed;
mod sealer;
mod retention;
mod side_files;
mod backup;
mod repair;
mod stats;
mod verify;

pub use aggregate::{AggregateEvents, AggregateReader};
pub use as_of::AsOf;
pub use backup::BackupReport;
pub use batches::Batches;
pub use claim::Claim;
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use eventcask_event::{
    Encoding, EventId, EventRef, Events, Expected, Invalid, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES,
    MAX_PAYLOAD_BYTES_LIMIT, MAX_SESSION_BYTES, MAX_SOURCE_BYTES, MAX_TYPE_BYTES, NewEvent,
    Timestamp, route,
};
pub use eventcask_log::{
    BlockHead, Codec, FileStorage, Framed, FramedKind, Inspection, Lock, Manifest, MemoryStorage,
    Open, Problem, RepairedSegment, Sealed, Section, SegmentInspection, SourceMark, Storage,
    StoredFile, Table, TableKind,
};
pub use eventcask_project::{
    Batch, BatchValues, Keyed, Merge, Number, Projection, Snapshot, SpecError, Value, ViewRow,
    ViewSpec,
};
pub use eventcask_shard::{
    Answer, DedupWindow, Durability, Flushed, Outcome, Refused, Stages, Ticket, TicketFuture,
};
pub use feed::{Feed, FeedOptions};
pub use feeds::Feeding;
pub use fold::Fold;
pub use folded::Folded;
pub use group::{ConsumerGroup, Parked};
pub use loaded::Loaded;
pub use named::NamedSubscription;
pub use options::Options;
pub use owner::ShardOwner;
pub use producer::{FlushTicket, Producer};
pub use projection::{
    Entries, KeptProjection, Past, Projected, ProjectionOptions, Reaching, Rebuild,
    RebuildProgress, SnapshotPolicy, Timeout,
};
pub use read_model::{Advance, ModelError, ModelIdentity, ModelMismatch, ModelProgress, ReadModel};
pub use repair::{RepairReport, repair};
pub use retention::Reclaimed;
pub use retry::Retry;
pub use scan::{Scan, ScanEvents};
pub use stats::{
    FoldStats, ProjectionStats, ReadModelStats, ShardStats, Stats, SubscriptionStats, ViewStats,
};
pub use store::Store;
pub use subscribe::Subscribe;
pub use subscription::Subscription;
pub use verify::{VerifyReport, verify, verify_storage};
pub use view::View;

use std::path::Path;

/// Opens the store in a directory for reading and writing, and makes it if there is none.
///
/// The same as [`Store::options`]`().open(directory)`.
///
/// # Errors
/// See [`Options::open`].
pub fn open(directory: impl AsRef<Path>) -> Result<Store, Error> {
    Store::options().open(directory)
}

/// Decodes one file of a store: a manifest, a segment, a definition or a snapshot.
///
/// # Errors
/// [`ErrorKind::NotAStore`] where it is none of these, [`ErrorKind::Damaged`],
/// [`ErrorKind::NewerFormat`], or what the disk said.
pub fn inspect(file: impl AsRef<Path>) -> Result<Inspection, Error> {
    Ok(eventcask_log::inspect(file.as_ref())?)
}

/// The code of the README compiles; `examples/readme.rs` is the same code, and is run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
