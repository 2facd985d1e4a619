//! What makes an event the same as one that comes again under its id.

use std::cell::RefCell;

use eventcask_event::{EventId, EventRef, NO_TIME, NewEvent, NewMetadata, Timestamp};
use twox_hash::XxHash3_128;

/// The largest buffer that a thread keeps: most payloads are far below.
const KEPT_BUFFER_BYTES: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A hash of all that an event is beside its id: key, type, schema, encoding, shape, time, payload
/// and metadata.
///
/// Two events that differ have the same one by chance once in 2^128. It is seeded by the store's
/// id, so that two that were made to have the same in one store do not in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of an event of an aggregate of a store.
    #[must_use]
    pub fn of(store: u128, key: &str, event: &NewEvent<'_>) -> Self {
        BUFFER.with_borrow_mut(|bytes| {
            encode(bytes, key, event);
            let hash = XxHash3_128::oneshot_with_seed(store as u64, bytes);
            bytes.clear();
            bytes.shrink_to(KEPT_BUFFER_BYTES);
            Self(hash.to_le_bytes())
        })
    }

    /// The digest of an event that was read back.
    pub(crate) fn of_stored(store: u128, event: &EventRef<'_>) -> Self {
        let content = NewEvent {
            event_type: event.event_type,
            schema: event.schema,
            encoding: event.encoding,
            shape: event.shape,
            payload: event.payload,
            id: None,
            time: event.time,
            metadata: event.metadata.to_new(),
        };
        Self::of(store, event.key, &content)
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The bytes that are hashed. Lengths come first, so that no two events have the same.
fn encode(bytes: &mut Vec<u8>, key: &str, event: &NewEvent<'_>) {
    let time = event.time.map_or(NO_TIME, Timestamp::as_nanos);
    bytes.reserve(32 + key.len() + event.event_type.len() + event.payload.len());
    bytes.extend_from_slice(&time.to_le_bytes());
    bytes.extend_from_slice(&event.schema.to_le_bytes());
    bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
    bytes.push(event.event_type.len() as u8);
    let metadata = event.metadata.filter(|metadata| !metadata.is_empty());
    let flags = metadata.map_or(0, |_| HAS_METADATA) | event.shape.map_or(0, |_| HAS_SHAPE);
    bytes.push(event.encoding as u8 | flags);
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(event.event_type.as_bytes());
    if let Some(shape) = event.shape {
        bytes.extend_from_slice(&shape.get().to_le_bytes());
    }
    if let Some(metadata) = metadata {
        encode_metadata(bytes, &metadata);
    }
    bytes.extend_from_slice(event.payload);
}

/// Is added to the number of the encoding where metadata follows.
const HAS_METADATA: u8 = 0x80;
/// The same where a shape follows.
const HAS_SHAPE: u8 = 0x40;

/// Headers in their order, tags in that of their names.
pub(crate) fn encode_metadata(bytes: &mut Vec<u8>, metadata: &NewMetadata<'_>) {
    for id in [metadata.correlation, metadata.causation] {
        let id = id.map_or(0, EventId::as_u128);
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    let mut add = |name: &str, value: &[u8]| {
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(value);
    };
    for (name, value) in metadata.headers.iter() {
        add(name, value);
    }
    // No name is empty, so this ends the headers.
    add("", &[]);
    for (name, value) in metadata.tags.sorted() {
        add(name, value.as_bytes());
    }
    add("", &[]);
}
