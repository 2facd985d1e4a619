//! Typed events of an eventcask store, and what stands on them.
//!
//! This crate has one job: to make Rust structs of stored events, and back. Its main types are
//! [`Event`], a struct that is one event type at one schema version, and [`EventSet`], an enum of
//! those that some code knows. Its neighbours are `eventcask`, whose public face it uses and nothing
//! else, and `eventcask-derive`, which writes the implementations. It never opens a store, and
//! stores nothing that the rest of `eventcask` could not read.
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
//! let events = EncodedEvents::of::<AccountEvent>(&[opened.into(), Deposited { cents: 500 }.into()])?;
//! events.with(|events| store.append("account-42", Expected::NoStream, events))?.wait()?;
//!
//! let mut cents = 0;
//! for stored in store.aggregate("account-42").events()? {
//!     let stored = stored?;
//!     let decoded = AccountEvent::decode(&stored.get())?.ok_or("it is one of the set")?;
//!     for event in decoded.views() {
//!         match event {
//!             AccountEventRef::Opened(event) => assert_eq!(event.owner(), "Ada"),
//!             AccountEventRef::Deposited(event) => cents += event.cents(),
//!         }
//!     }
//! }
//! assert_eq!(cents, 500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod schema;
mod error;
mod field;
mod tag;
mod event;
mod json;
mod event_set;
mod decode;
mod encoded;

pub use encoded::EncodedEvents;
pub use error::{DecodeError, EncodeError, Error, ErrorKind};
pub use event::{Event, Reading};
pub use event_set::{Decoded, EventSet, Found, StoredType};
pub use eventcask_derive::{EventSet, event};
pub use field::{Field, List};
pub use schema::EventSchema;
pub use tag::{Tag, TagList};

/// What a program with typed events needs, to be taken in whole.
pub mod prelude {
    pub use crate::{EncodedEvents, Event, EventSet};
    pub use eventcask_derive::event;
}

/// What the macros write paths to; nothing for programs.
#[doc(hidden)]
pub mod private {
    pub use crate::decode::{decode, no_such_step};
    pub use crate::json;
    pub use crate::schema::{schemas_in, type_names};
    pub use eventcask::event::Encoding;
    pub use serde;
}
