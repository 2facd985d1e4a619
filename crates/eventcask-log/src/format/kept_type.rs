//! Event types as the blocks of a shard share them.
//!
//! Nearly all blocks have the same few types, each a list of its own. Who puts events of many
//! blocks together has to know which of these are one type: kept once, they are known by where
//! they are in memory, and none of the lists is looked at again.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use eventcask_event::Columns;
use foldhash::fast::RandomState;

/// So many types of a shard are kept: as many as one block can have. Beyond that all are let go of,
/// and blocks that are read from then on share theirs with each other alone.
const MOST_TYPES: usize = 4096;

/// A type of events.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptType {
    name: Box<str>,
    schema: u32,
    encoding: u8,
    shape: Option<NonZeroU64>,
}

impl KeptType {
    fn of(columns: &Columns, index: usize) -> Self {
        let ends = &columns.type_name_ends;
        let start = index.checked_sub(1).map_or(0, |before| ends[before]);
        Self {
            name: columns.type_names[start as usize..ends[index] as usize].into(),
            schema: columns.type_schemas[index],
            encoding: columns.type_encodings[index],
            shape: columns.type_shape(index),
        }
    }

    /// Adds it to the types of these columns.
    pub(crate) fn add_to(&self, columns: &mut Columns) -> u16 {
        columns.add_type(&self.name, self.schema, self.encoding, self.shape)
    }
}

/// The types that the blocks of a shard share.
#[derive(Debug, Default)]
pub(crate) struct KeptTypes {
    kept: Mutex<HashSet<Arc<KeptType>, RandomState>>,
}

impl KeptTypes {
    /// The types of a block, which were checked.
    pub(crate) fn keep(&self, columns: &Columns) -> Arc<[Arc<KeptType>]> {
        // A thread that panicked while it held the lock left a set that is still right.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |index| {
            let new = KeptType::of(columns, index);
            if let Some(known) = kept.get(&new) {
                return Arc::clone(known);
            }
            if kept.len() >= MOST_TYPES {
                kept.clear();
            }
            let new = Arc::new(new);
            kept.insert(Arc::clone(&new));
            new
        };
        (0..columns.type_schemas.len()).map(one).collect()
    }
}
