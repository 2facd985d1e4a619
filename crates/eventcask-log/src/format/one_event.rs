//! One event of a block, for who holds its envelope.

use std::ops::Range;

use eventcask_event::{Envelope, EventId, EventRef, Metadata};

use crate::Block;

impl Block {
    /// Key of an event of this block.
    ///
    /// # Panics
    /// When the event is of another block.
    #[must_use]
    pub fn key(&self, of: &Envelope) -> &str {
        text(&self.columns.keys, &of.key)
    }

    /// Name of the type of an event of this block; otherwise as [`key`](Self::key).
    #[must_use]
    pub fn event_type(&self, of: &Envelope) -> &str {
        text(&self.columns.type_names, &of.type_name)
    }

    /// Payload of an event of this block; otherwise as [`key`](Self::key).
    #[must_use]
    pub fn payload(&self, of: &Envelope) -> &[u8] {
        let payloads = self.payloads[usize::from(of.type_index)].as_deref();
        slice(payloads.unwrap_or_default(), &of.payload)
    }

    /// Id of an event of this block; otherwise as [`key`](Self::key).
    #[must_use]
    pub fn id(&self, of: &Envelope) -> EventId {
        EventId::given(&self.ids, of.row as usize).unwrap_or_else(|| {
            let (store, shard) = (self.head.store, self.head.shard);
            EventId::engine_made(store, shard, of.position, of.commit_time)
        })
    }

    /// What an event of this block carries beside its payload; otherwise as [`key`](Self::key).
    #[must_use]
    pub fn metadata(&self, of: &Envelope) -> Metadata<'_> {
        self.columns.metadata.row(of.row as usize)
    }

    /// All of an event of this block; otherwise as [`key`](Self::key).
    #[must_use]
    pub fn event(&self, of: &Envelope) -> EventRef<'_> {
        EventRef {
            key: self.key(of),
            version: of.version,
            shard: self.head.shard,
            position: of.position,
            event_type: self.event_type(of),
            schema: of.schema,
            encoding: of.encoding,
            id: self.id(of),
            commit_time: of.commit_time,
            time: of.time(),
            payload: self.payload(of),
            metadata: self.metadata(of),
        }
    }
}

fn slice<'a>(bytes: &'a [u8], span: &Range<u32>) -> &'a [u8] {
    &bytes[span.start as usize..span.end as usize]
}

fn text<'a>(bytes: &'a [u8], span: &Range<u32>) -> &'a str {
    // Checked when the block was made; texts of keys and types are short.
    str::from_utf8(slice(bytes, span)).unwrap_or("\u{fffd}")
}
