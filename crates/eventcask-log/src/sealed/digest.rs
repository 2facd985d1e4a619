//! What makes an event the same as one that comes again under its id.

use std::cell::RefCell;

use eventcask_event::{EventRef, NO_TIME, NewEvent, Timestamp};
use twox_hash::XxHash3_128;

/// The largest buffer that a thread keeps: most payloads are far below.
const KEPT_BUFFER_BYTES: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A hash of all that an event is beside its id: key, type, schema, encoding, time and payload.
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
            payload: event.payload,
            id: None,
            time: event.time,
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
    bytes.push(event.encoding as u8);
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(event.event_type.as_bytes());
    bytes.extend_from_slice(event.payload);
}
