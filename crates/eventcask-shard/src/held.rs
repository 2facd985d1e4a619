//! What holds events of an aggregate on the way back through them.

use std::sync::Arc;

use eventcask_log::{Block, RowPlace, RowsOfGroup};

/// Says of an event whether nothing before it is wanted.
pub(crate) type IsEnough<'f> = &'f dyn Fn(&RowPlace) -> bool;

/// What holds events of an aggregate.
#[derive(Debug)]
pub(crate) enum Held {
    /// A block, with all that the aggregate has in it.
    Block(Arc<Block>),
    /// Rows of one group.
    Rows(RowsOfGroup),
}

impl Held {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Block(block) => block.raw_bytes(),
            Self::Rows(rows) => rows.bytes(),
        }
    }
}
