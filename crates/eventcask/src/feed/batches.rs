//! The events of one transaction of a read model.

use std::sync::Arc;

use eventcask_event::EventRef;
use eventcask_log::Block;
use eventcask_project::Batch;

use crate::read_model::ProgressStep;

/// Events that a read model takes in by one transaction, with how far it is then.
///
/// They are read in place from the blocks that they are stored in, one [`Batch`] for each block.
#[derive(Debug, Clone, Copy)]
pub struct Batches<'a> {
    store: u128,
    taken: &'a [Taken],
    steps: &'a [ProgressStep],
}

/// Events of a block, in these rows.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) block: Arc<Block>,
    pub(crate) rows: Vec<u32>,
    pub(crate) replay: bool,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(store: u128, taken: &'a [Taken], steps: &'a [ProgressStep]) -> Self {
        Self {
            store,
            taken,
            steps,
        }
    }

    /// Id of the store that the events are from.
    #[must_use]
    pub fn store(&self) -> u128 {
        self.store
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.iter().map(|taken| taken.rows.len()).sum()
    }

    /// Whether there is no event: then only the progress is to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// What the model has to keep with the effect of the events: one for each shard in which it
    /// moves on.
    #[must_use]
    pub fn steps(&self) -> &'a [ProgressStep] {
        self.steps
    }

    /// The events by block: the fast way, where names are looked at once for all rows of a block.
    pub fn iter(&self) -> impl Iterator<Item = Batch<'a>> + use<'a> {
        let batch =
            |taken: &'a Taken| Batch::listed(taken.block.events(), &taken.rows, taken.replay);
        self.taken.iter().map(batch)
    }

    /// The events one by one: the plain way.
    pub fn events(&self) -> impl Iterator<Item = EventRef<'a>> + use<'a> {
        self.iter().flat_map(|batch| batch.iter())
    }
}
