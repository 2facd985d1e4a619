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
//!     assert_eq!(event.payload(), br#"{"cents":500}"#);
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
//! | you want | use |
//! | --- | --- |
//! | to store events, many from one thread | [`Store::producer`] |
//! | to store a few, from whichever thread or task | [`Store::append`] |
//! | one aggregate as it is, or as it was | [`Store::aggregate`] |
//! | the same ones often, folded to a value | [`Store::fold`] |
//! | every event, in the order of the commits | [`Store::events`] |
//! | numbers over JSON payloads, by key or time | [`Store::create_view`] |
//! | a state of your own over all events | [`Store::projection`] |
//! | tables in SQLite, redb or a database of yours | [`Store::read_model`] |
//! | to act once on each event, now and later | [`EventQuery::subscribe`], of [`Store::events`] |
//! | to give events up, and their room back | [`Store::truncate_aggregate`], [`Store::reclaim`] |
//! | a copy while the store is in use | [`Store::backup`] |
//!
//! With the feature `tracing` the log of the program is told, by the crate of that name, when a projection, a
//! view, a read model, a group of consumers or a shard has stopped, and of rebuilds.
//!
//! With the feature `serde` the state of a projection can be of any type that serde knows: `AsJson`.
//! With the feature `stream` subscriptions and queries are streams of the crate `futures-core`.
//!
//! This crate never starts an async runtime, and never makes anything visible before it is
//! durable.

mod error;
mod sync;
mod clock;
mod name;
mod parallel;
mod notices;
mod store;
mod write;
mod read;
mod fold;
mod subscribe;
mod follow;
mod projection;
mod feed;
mod upkeep;

pub use error::{Error, ErrorKind};
pub use eventcask_event::{
    Encoding, EventId, EventRef, Events, Expected, Invalid, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES,
    MAX_PAYLOAD_BYTES_LIMIT, MAX_SESSION_BYTES, MAX_SOURCE_BYTES, MAX_TYPE_BYTES, NewEvent, Place,
    Timestamp, route,
};
pub use eventcask_log::{
    BlockHead, Codec, FileStorage, Framed, FramedKind, Inspection, Lock, Manifest, MemoryStorage,
    Open, Problem, RepairedSegment, Sealed, Section, SegmentInspection, SourceMark, Storage,
    StoredFile, Table, TableKind,
};
#[cfg(feature = "serde")]
pub use eventcask_project::AsJson;
pub use eventcask_project::{
    ApplyError, Batch, BatchEntries, LeftOut, Merge, Number, PerAggregate, Projection, Snapshot,
    SpecError, Value, ViewRow, ViewSpec,
};
pub use eventcask_shard::{Appended, DedupWindow, Durability, Stages};
pub use feed::batches::Batches;
pub use feed::feeds::ReadModelStats;
pub use feed::progress::{ModelIdentity, ModelMismatch, ModelProgress, ProgressStep};
pub use feed::read_model::{ModelError, ReadModel};
pub use feed::runner::{ReadModelOptions, ReadModelRunner};
pub use fold::Fold;
pub use fold::cache::FoldStats;
pub use fold::repository::Repository;
pub use fold::versioned::Versioned;
pub use follow::reached::{Reached, Timeout};
pub use projection::view::View;
pub use projection::views::ViewStats;
pub use projection::{
    EntryCache, KeptProjection, ProjectionAsOf, ProjectionHandle, ProjectionOptions,
    ProjectionStats, Rebuild, RebuildProgress, SnapshotPolicy,
};
pub use read::aggregate::{Aggregate, AggregateEvents};
pub use read::as_of::AsOf;
pub use read::event::Event;
pub use read::query::{EventIter, EventQuery};
pub use store::handle::Store;
pub use store::options::Options;
pub use store::stats::{ShardStats, Stats};
pub use subscribe::claim::Claim;
pub use subscribe::durable::DurableSubscription;
pub use subscribe::group::{ConsumerGroup, Parked};
pub use subscribe::retry::Retry;
#[cfg(feature = "stream")]
pub use subscribe::stream::EventStream;
pub use subscribe::subscription::Subscription;
pub use subscribe::subscriptions::SubscriptionStats;
pub use upkeep::backup::BackupReport;
pub use upkeep::reclaim::Reclaimed;
pub use upkeep::repair::{RepairReport, repair};
pub use upkeep::verify::{VerifyReport, verify, verify_storage};
pub use write::owner::ShardOwner;
pub use write::producer::Producer;
pub use write::ticket::{AppendResult, FlushTicket, Flushed, Ticket, TicketFuture};

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
