//! What a block says of one event.

use std::ops::Range;

use crate::{Encoding, NO_TIME, Timestamp};

/// What a block says of one event, as values of its own: who holds it asks the block for no column.
///
/// Texts and the payload stay in the block; the ranges say where.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The row in its block.
    pub row: u32,
    /// The 1-based ordinal of the event in its aggregate.
    pub version: u64,
    /// The 0-based ordinal of the event in its shard.
    pub position: u64,
    /// When the engine accepted the event.
    pub commit_time: Timestamp,
    pub(crate) time: i64,
    /// The key of the aggregate, among the keys of the block.
    pub key: Range<u32>,
    /// Index of the event type in the block.
    pub type_index: u16,
    /// The name of the event type, among the names of the block.
    pub type_name: Range<u32>,
    /// Version of the payload's schema.
    pub schema: u32,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// The payload, among the payloads of its type; empty where the reader left the type shut.
    pub payload: Range<u32>,
}

impl Envelope {
    /// When the event happened, as its sender knows it.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        (self.time != NO_TIME).then(|| Timestamp::from_nanos(self.time))
    }
}
