//! Typed events of an eventcask store, and what stands on them.
//!
//! This crate has one job: to let rules be written in Rust types, by making structs of stored
//! events, and back. Its main types are [`Event`], a struct that is one event type at one schema
//! version, [`EventSet`], an enum of those that some code knows, and [`Decider`], what decides by
//! them. Its neighbours are `eventcask`, whose public face it uses and nothing else, and
//! `eventcask-derive`, which writes the implementations. It never opens a store, and stores nothing
//! that the rest of `eventcask` could not read.
//!
//! ```
//! use eventcask::Expected;
//! use eventcask_domain::prelude::*;
//!
//! #[event("account.opened", tags = [owner])]
//! struct Opened { owner: String }
//!
//! #[event("account.deposited")]
//! struct Deposited { cents: u64 }
//!
//! #[derive(EventSet)]
//! enum AccountEvent { Opened(Opened), Deposited(Deposited) }
//!
//! # let directory = tempfile::tempdir()?;
//! # let store = eventcask::open(directory.path())?;
//! let opened = Opened { owner: "Ada".to_owned() };
//! let events: [AccountEvent; 2] = [opened.into(), Deposited { cents: 500 }.into()];
//! store.append_events("account-42", Expected::NoStream, &events)?.wait()?;
//!
//! let mut cents = 0;
//! for event in store.aggregate("account-42").events()?.typed::<AccountEvent>() {
//!     match event?.view() {
//!         AccountEventRef::Opened(event) => assert_eq!(event.owner(), "Ada"),
//!         AccountEventRef::Deposited(event) => cents += event.cents(),
//!     }
//! }
//! assert_eq!(cents, 500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | you want | use |
//! | --- | --- |
//! | to append typed events | [`TypedStore::append_events`] |
//! | those of an aggregate, a query or a subscription | [`Typing::typed`] |
//! | one value for each aggregate, kept up to date | [`PerAggregate`] |
//! | a state of your own over all events | [`Projection`] |
//! | the state of one aggregate when it is asked for | [`Fold`] |
//! | commands that are decided by the state of an aggregate | [`Decider`] |
//! | a command that may come again | [`CommandId`] |
//! | rules tried without a store | [`testing::given`] |
//! | batches of a feed, or of a scan | [`TypedBatch::of`] |
//! | a struct that changed | `prev` of `#[event]`, and `From` |
//! | an event that became several, or none | [`Upcast`] |
//! | to know at the start that all can be read | [`StoredTypes::check`] |
//!
//! An event of a type that a set does not have is an error where one aggregate is read, since who
//! knows a part of it does not know what it is: [`Fold`] and [`Typing::typed`]. It is passed over
//! where many are, by their types: projections, batches, and queries that filter.

mod schema;
mod error;
#[doc(hidden)]
pub mod shape;
mod field;
mod tag;
mod event;
#[doc(hidden)]
pub mod json;
#[doc(hidden)]
pub mod archive;
mod event_set;
mod upcast;
mod decode;
mod encoded;
mod content;
mod typed_event;
mod typed_batch;
mod fold;
mod projection;
mod per_aggregate;
mod moment;
mod command_id;
mod command_meta;
mod snapshots;
mod decider;
mod decider_fold;
mod loaded;
mod decided;
mod terms;
mod decision;
mod repeat;
mod attempt;
mod execution;
mod decider_handle;
mod store;
pub mod testing;
mod stored_types;

pub use command_id::CommandId;
pub use command_meta::CommandMeta;
pub use decided::{DecideError, Decided};
pub use decider::{Decider, Deciding};
pub use decider_handle::DeciderHandle;
pub use encoded::EncodedEvents;
pub use error::{DecodeError, EncodeError, Error, ErrorKind};
pub use event::{Event, Reading};
pub use event_set::{Decoded, EventSet, Found, StoredType};
pub use eventcask_derive::{EventSet, event};
pub use execution::{Execution, ExecutionFuture};
pub use field::{Field, List};
pub use fold::{Fold, TypedFold};
pub use loaded::{LoadPolicy, Loaded};
pub use per_aggregate::{OfEach, PerAggregate, Values};
pub use projection::{Merge, Projection, Typed};
pub use schema::EventSchema;
pub use snapshots::Snapshots;
pub use store::{IntoProjection, OfAggregates, OfBatches, TypedReader, TypedStore, Untyped};
pub use stored_types::StoredTypes;
pub use tag::{Tag, TagList};
pub use typed_batch::{BatchRow, TypedBatch};
pub use typed_event::{TypedEvent, TypedEvents, Typing};
pub use upcast::Upcast;

/// What a program with typed events needs, to be taken in whole.
pub mod prelude {
    pub use crate::{
        CommandId, CommandMeta, DecideError, Decided, Decider, DeciderHandle, Deciding,
        EncodedEvents, Event, EventSet, Fold, LoadPolicy, Loaded, Merge, PerAggregate, Projection,
        Snapshots, TypedReader, TypedStore, Typing, Upcast, Values,
    };
    pub use eventcask_derive::event;
}

/// What the macros write paths to; nothing for programs.
#[doc(hidden)]
pub mod private {
    pub use crate::decode::{decode, decode_upcast, no_such_step};
    pub use crate::schema::{assert_prev_is_older, schemas_in, type_names};
    pub use eventcask::event::Encoding;
    pub use rkyv;
    pub use serde;
}
