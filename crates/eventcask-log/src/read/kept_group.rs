//! A group of rows as it is kept: read and checked once.

use std::sync::Arc;

use eventcask_event::{Metadata, MetadataColumns, Words};

use crate::format::front::Front;
use crate::format::group::GroupRows;
use crate::format::kept_type::KeptType;

/// What a row says of its event, for who decides whether it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace {
    /// The event's version in its aggregate.
    pub version: u64,
    /// Its position in the shard.
    pub position: u64,
    /// When it was committed, in nanoseconds.
    pub commit_time: i64,
}

/// A group, and the front of its block. What a look at a row needs is here: the front lies
/// elsewhere in memory.
#[derive(Debug)]
pub(crate) struct KeptGroup {
    pub(crate) front: Arc<Front>,
    pub(crate) rows: GroupRows,
    /// The types of the block.
    pub(crate) types: Arc<[Arc<KeptType>]>,
    /// Which of the block's groups it is.
    pub(crate) index: usize,
    pub(crate) has_metadata: bool,
}

impl KeptGroup {
    /// Bytes that it takes in memory, without the front.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    pub(crate) fn place(&self, row: usize) -> RowPlace {
        let says = self.rows.row(row);
        RowPlace {
            version: says.version,
            position: self.rows.position(row),
            commit_time: self.rows.commit_time(row),
        }
    }

    pub(crate) fn is_of_one_aggregate(&self, one: usize, other: usize) -> bool {
        self.rows.row(one).aggregate == self.rows.row(other).aggregate
    }

    /// The row of the aggregate's event before that of a row, if it is in the group.
    pub(crate) fn row_before(&self, row: usize) -> Option<usize> {
        self.rows.row_at(self.rows.row(row).previous)
    }
}

/// The metadata of a group as it is kept.
#[derive(Debug)]
pub(crate) struct KeptMetadata {
    pub(crate) columns: MetadataColumns,
    /// Those of the block, or none where the group needs none.
    pub(crate) words: Arc<Words>,
}

impl KeptMetadata {
    /// Bytes that it takes in memory, without the words.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    /// The metadata of a row.
    pub(crate) fn row(&self, row: usize) -> Metadata<'_> {
        Metadata::new(&self.columns, &self.words, row)
    }
}
