//! What an event is: keys, ids, types, times, and the batches that events travel in.
//!
//! This crate has one job: to give every other crate the same nouns. Its main type is
//! [`EventBatch`], the columns that a producer fills for one shard; [`Events`] is the same
//! thing read back, borrowed from a stored block. Its neighbours are `eventcask-log`, which
//! turns batches into bytes, and `eventcask-project`, which folds them. It never touches a
//! disk, a thread or a clock.
//!
//! ```
//! use eventcask_event::{route, NewEvent, EventBatch};
//!
//! let mut batch = EventBatch::default();
//! batch.push("account-42", 0, &NewEvent::json("Deposited", br#"{"cents":500}"#))?;
//! assert_eq!(batch.len(), 1);
//! assert_eq!(batch.key(0), "account-42");
//! assert_eq!(route("account-42", 4), 0);
//! # Ok::<(), eventcask_event::Invalid>(())
//! ```

mod invalid;
mod same_bytes;
mod routing;
mod erased;
mod id;
mod time;
mod place;
mod time_text;
mod malformed;
mod words;
mod metadata_columns;
mod metadata;
mod metadata_builder;
mod carrying;
mod new_event;
mod expected;
mod payload_bytes;
mod type_hints;
mod batch;
mod columns;
mod events;

pub use batch::{BatchType, EventBatch, MAX_BATCH_TYPES, SourceRows};
pub use carrying::Carrying;
pub use columns::{Columns, NO_POSITION, NO_TIME};
pub use erased::{erased_id, erased_id_of, erased_key, erased_keys};
pub use events::{AggregateNumbers, EventRef, Events, EventsParts, SHUT};
pub use expected::{Expected, conflict};
pub use id::EventId;
pub use invalid::{
    ERASED_PREFIX, Invalid, MAX_HEADER_BYTES, MAX_HEADERS, MAX_KEY_BYTES, MAX_NAME_BYTES,
    MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES_LIMIT, MAX_SESSION_BYTES, MAX_SOURCE_BYTES, MAX_TAG_BYTES,
    MAX_TAGS, MAX_TYPE_BYTES, SESSION_PREFIX, check_key, check_source, check_type,
    source_of_session,
};
pub use malformed::Malformed;
pub use metadata::{Headers, Metadata, NewMetadata, Tags};
pub use metadata_builder::MetadataBuilder;
pub use metadata_columns::MetadataColumns;
pub use new_event::{Encoding, NewEvent, TRUNCATED_TYPE};
pub use payload_bytes::{PAYLOAD_ALIGN, PayloadBytes, payload_end, payload_fill};
pub use place::Place;
pub use routing::{RouteBy, Routing, murmur2, route};
pub use same_bytes::same_bytes;
pub use time::Timestamp;
pub use words::Words;
