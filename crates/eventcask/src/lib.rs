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
//! | to store events of several aggregates, all or none | [`Store::append_all`] |
//! | one aggregate as it is, or as it was | [`Store::aggregate`](StoreReader::aggregate) |
//! | the same ones often, folded to a value | [`Store::fold`](StoreReader::fold) |
//! | every event, in the order of the commits | [`Store::events`] |
//! | numbers over JSON payloads, by key or time | [`Store::create_view`] |
//! | a state of your own over all events | [`Store::projection`](StoreReader::projection) |
//! | tables in SQLite, redb or a database of yours | [`Store::read_model`](StoreReader::read_model) |
//! | to watch events as they come | [`EventQuery::subscribe`], of [`Store::events`] |
//! | to act on each event, also after a restart | [`EventQuery::named`] |
//! | the same by several workers, with retries | [`EventQuery::group`] |
//! | to know whether an id is stored, and where | [`Store::find`](StoreReader::find) |
//! | the store as of a past moment | [`AsOf`], of aggregates, views, projections and folds |
//! | to take in a source that is read again after a crash | [`Store::producer_from`], [`Store::session`] |
//! | to give events up, and their room back | [`Store::truncate_aggregate`], [`Store::reclaim`] |
//! | a copy while the store is in use | [`Store::backup`](StoreReader::backup) |
//! | to check a store, or to mend it | [`verify()`], [`repair()`] |
//!
//! What the first hour needs is at the root; the rest is in modules: [`stats`] for figures,
//! [`storage`] for disks of your own, [`inspect`] for the bytes, [`read_model`] for who feeds a
//! database.
//!
//! With the feature `tracing` the log of the program is told, by the crate of that name, when a
//! projection, a view, a read model, a group of consumers or a shard has stopped, and of rebuilds.
//!
//! With the feature `serde` the state of a projection can be of any type that serde knows:
//! `AsJson`. With the feature `stream` subscriptions and queries are streams of the crate
//! `futures-core`.
//!
//! This crate never starts an async runtime, and never makes anything visible before it is
//! durable.

mod named;
mod error;
mod sync;
mod short_text;
mod clock;
mod name;
mod bell;
mod lag;
mod as_of;
mod parallel;
mod notices;
mod store;
mod write;
pub mod read;
mod fold;
pub mod subscribe;
mod follow;
mod state;
pub mod projection;
mod feed;
pub mod upkeep;

pub use as_of::AsOf;
pub use error::{Error, ErrorKind};
pub use eventcask_event::{EventId, Expected, NewEvent, Place, RouteBy, Timestamp};
pub use eventcask_log::{Codec, SourceMark};
pub use eventcask_project::{ApplyError, Batch, PerAggregate, Projection, ViewSpec};
pub use eventcask_shard::{Appended, DedupWindow, Durability};
pub use feed::read_model::ReadModel;
pub use feed::runner::ReadModelRunner;
pub use fold::Fold;
pub use fold::repository::Repository;
pub use fold::versioned::Versioned;
pub use follow::reached::{Reached, Timeout};
pub use projection::handle::ProjectionHandle;
pub use projection::view::View;
pub use read::aggregate::Aggregate;
pub use read::event::Event;
pub use read::query::EventQuery;
pub use store::handle::Store;
pub use store::options::Options;
pub use store::reader::StoreReader;
pub use subscribe::durable::DurableSubscription;
pub use subscribe::group::ConsumerGroup;
pub use subscribe::subscription::Subscription;
pub use upkeep::repair::repair;
pub use upkeep::verify::verify;
pub use write::append_set::AppendSet;
pub use write::owner::ShardOwner;
pub use write::producer::Producer;
pub use write::ticket::{AppendResult, FlushTicket, Flushed, Ticket, TicketFuture};

/// What events are made of, beside [`NewEvent`] and [`Event`].
pub mod event {
    pub use eventcask_event::{
        Encoding, EventRef, Events, Headers, Invalid, Metadata, NewMetadata, PAYLOAD_ALIGN, Tags,
        check_key, route,
    };
}

/// How long things may be.
pub mod limits {
    pub use eventcask_event::{
        MAX_HEADER_BYTES, MAX_HEADERS, MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_PAYLOAD_BYTES,
        MAX_PAYLOAD_BYTES_LIMIT, MAX_SESSION_BYTES, MAX_SOURCE_BYTES, MAX_TAG_BYTES, MAX_TAGS,
        MAX_TYPE_BYTES,
    };
}

/// The rows of views, and what is wrong with the definition of one.
pub mod view {
    pub use eventcask_project::{Number, SpecError, Value, ViewRow};
}

/// What a [`ReadModel`] is fed, who it is, and how far it came.
pub mod read_model {
    pub use crate::feed::batches::Batches;
    pub use crate::feed::progress::{ModelIdentity, ModelMismatch, ModelProgress, ProgressStep};
    pub use crate::feed::read_model::ModelError;
    pub use crate::feed::runner::ReadModelOptions;
}

/// Figures of a store and of what follows it, and what has a name there.
pub mod stats {
    pub use crate::follow::feeds::ReadModelStats;
    pub use crate::follow::subscriptions::SubscriptionStats;
    pub use crate::named::Named;
    pub use crate::state::projections::ProjectionStats;
    pub use crate::state::views::ViewStats;
    pub use crate::store::folds::FoldStats;
    pub use crate::store::stats::{ShardStats, Stats};
    pub use eventcask_project::LeftOut;
    pub use eventcask_shard::Stages;
}

/// Where a store lies: a directory, memory, or a place of your own.
pub mod storage {
    pub use crate::store::location::Location;
    pub use eventcask_log::{
        Error as StorageError, ErrorKind as StorageErrorKind, FileStorage, Lock, MemoryStorage,
        Open, Storage, StoredFile,
    };
}

/// The bytes of a store, decoded: for tools that show or check files.
pub mod inspect {
    use std::path::Path;

    use crate::Error;

    pub use eventcask_log::{
        BlockHead, Framed, FramedKind, Inspection, Manifest, Problem, RepairedSegment, Sealed,
        Section, SegmentInspection, Table, TableKind,
    };

    /// Decodes one file of a store: a manifest, a segment, a definition or a snapshot.
    ///
    /// ```
    /// use eventcask::inspect::{self, Inspection};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let bank = directory.path().join("bank");
    /// eventcask::open(&bank)?.close()?;
    /// let Inspection::Manifest(manifest) = inspect::file(bank.join("MANIFEST"))? else {
    ///     panic!("the file is another one");
    /// };
    /// assert!(manifest.shards >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`](crate::ErrorKind::NotAStore) where it is none of these,
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged),
    /// [`ErrorKind::NewerFormat`](crate::ErrorKind::NewerFormat),
    /// [`ErrorKind::OlderFormat`](crate::ErrorKind::OlderFormat), or what the disk said.
    pub fn file(file: impl AsRef<Path>) -> Result<Inspection, Error> {
        Ok(eventcask_log::inspect(file.as_ref())?)
    }
}

/// Opens the store in a directory for reading and writing, and makes it if there is none.
///
/// The same as [`Store::options`]`().open(location)`.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let bank = directory.path().join("bank");
/// let store = eventcask::open(&bank)?; // made
/// store.close()?;
/// let store = eventcask::open(&bank)?; // found
/// assert!(store.shards() >= 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`Options::open`].
pub fn open(location: impl Into<storage::Location>) -> Result<Store, Error> {
    Store::options().open(location)
}

/// The code of the README compiles; `examples/readme.rs` is the same code, and is run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
