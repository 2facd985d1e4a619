//! The envelopes of a block in memory: one column a field.
//!
//! A block in its file has the same columns, cut into groups of rows; `docs/FORMAT.md` describes
//! them.

use std::num::NonZeroU64;

use crate::MetadataColumns;

/// Stands for "no time" in the column of event times.
pub const NO_TIME: i64 = i64::MIN;
/// Stands for "no event before" in the column of earlier positions.
pub const NO_POSITION: u64 = u64::MAX;

/// The envelopes of a block's events as columns.
///
/// A column is *one a row*, *one an aggregate*, or *one a type* of the block; those marked
/// optional are empty where every row has the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// One a row: which aggregate of this block, as an index.
    pub aggregates: Vec<u32>,
    /// One a row: which type of this block, as an index.
    pub types: Vec<u16>,
    /// One a row: the event's version in its aggregate.
    pub versions: Vec<u64>,
    /// One a row: bytes of the payload, which lies in its type's section after those of the
    /// rows before it.
    pub payload_lengths: Vec<u32>,
    /// One a row, optional: the event's own time in nanoseconds; absent as [`NO_TIME`].
    pub times: Vec<i64>,
    /// One a row, optional: the event's position; by default the first position plus the row.
    pub positions: Vec<u64>,
    /// One a row, optional: the commit time; by default that of the block's head.
    pub commit_times: Vec<i64>,
    /// One an aggregate: where its key ends in `keys`.
    pub key_ends: Vec<u32>,
    /// Keys end to end.
    pub keys: String,
    /// One an aggregate: position of its newest event before this block, or [`NO_POSITION`].
    pub previous: Vec<u64>,
    /// One a type: where its name ends in `type_names`.
    pub type_name_ends: Vec<u32>,
    /// Type names end to end.
    pub type_names: String,
    /// One a type: version of its schema.
    pub type_schemas: Vec<u32>,
    /// One a type: number of its encoding.
    pub type_encodings: Vec<u8>,
    /// One a type, optional: the shape of its payloads, or 0.
    pub type_shapes: Vec<u64>,
    /// What the rows carry beside their payloads; empty where none does.
    pub metadata: MetadataColumns,
}

impl Columns {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.versions.len()
    }

    /// Bytes that the numbers and texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let a_row = 4 + 2 + 8 + 4;
        let optional = self.times.len() + self.positions.len() + self.commit_times.len();
        let aggregates = self.previous.len() * 12 + self.keys.len();
        let types = self.type_schemas.len() * 9 + self.type_names.len();
        let optional = optional + self.type_shapes.len();
        self.rows() * a_row + optional * 8 + aggregates + types + self.metadata.bytes()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.aggregates.clear();
        self.types.clear();
        self.versions.clear();
        self.payload_lengths.clear();
        self.times.clear();
        self.positions.clear();
        self.commit_times.clear();
        self.key_ends.clear();
        self.keys.clear();
        self.previous.clear();
        self.type_name_ends.clear();
        self.type_names.clear();
        self.type_schemas.clear();
        self.type_encodings.clear();
        self.type_shapes.clear();
        self.metadata.clear();
    }

    /// Adds an aggregate and returns its index.
    pub fn add_aggregate(&mut self, key: &str, previous: u64) -> u32 {
        self.keys.push_str(key);
        self.key_ends.push(self.keys.len() as u32);
        self.previous.push(previous);
        (self.previous.len() - 1) as u32
    }

    /// Adds an event type and returns its index.
    pub fn add_type(
        &mut self,
        name: &str,
        schema: u32,
        encoding: u8,
        shape: Option<NonZeroU64>,
    ) -> u16 {
        if shape.is_some() {
            self.type_shapes.resize(self.type_schemas.len(), 0);
        }
        self.type_names.push_str(name);
        self.type_name_ends.push(self.type_names.len() as u32);
        self.type_schemas.push(schema);
        self.type_encodings.push(encoding);
        if shape.is_some() || !self.type_shapes.is_empty() {
            self.type_shapes.push(shape.map_or(0, NonZeroU64::get));
        }
        (self.type_schemas.len() - 1) as u16
    }

    /// The shape that the payloads of a type have.
    #[must_use]
    #[inline]
    pub fn type_shape(&self, event_type: usize) -> Option<NonZeroU64> {
        NonZeroU64::new(*self.type_shapes.get(event_type)?)
    }
}
