//! A projection that fails on some events until its code is mended, and parks their aggregates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventcask::{ApplyError, Batch, Projection};

use crate::model::projection::{Noted, row_of};
use crate::planted::Planted;

/// One entry in this many is one that the code fails on.
const BAD_EVERY: usize = 11;

/// Whether the code fails on the events of an entry, unless it is mended.
pub(crate) fn is_bad(entry: usize) -> bool {
    entry.is_multiple_of(BAD_EVERY)
}

/// Notes each event that it is given, but those that it fails on; clones share whether they do.
#[derive(Debug, Clone)]
pub(crate) struct Parking {
    is_mended: Arc<AtomicBool>,
    is_redriving: Arc<AtomicBool>,
    planted: Option<Planted>,
}

impl Parking {
    pub(crate) fn new(planted: Option<Planted>) -> Self {
        Self {
            is_mended: Arc::default(),
            is_redriving: Arc::default(),
            planted,
        }
    }

    pub(crate) fn is_mended(&self) -> bool {
        self.is_mended.load(Ordering::Relaxed)
    }

    /// From now on it fails on nothing, or on what is bad.
    pub(crate) fn mend(&self, is_mended: bool) {
        self.is_mended.store(is_mended, Ordering::Relaxed);
    }

    /// An aggregate is being redriven, which only the planted bug wants to know.
    pub(crate) fn redriving(&self, is_redriving: bool) {
        self.is_redriving.store(is_redriving, Ordering::Relaxed);
    }

    /// As a planted bug would have it.
    fn passes_over(&self, is_bad: bool) -> bool {
        match self.planted {
            Some(Planted::ParkedIsPassedOver) => is_bad && !self.is_mended(),
            Some(Planted::RedriveLeavesWaiting) => {
                !is_bad && self.is_redriving.load(Ordering::Relaxed)
            }
            _ => false,
        }
    }
}

impl Projection for Parking {
    const NAME: &'static str = "parking";
    const VERSION: u32 = 1;
    type State = Noted;

    fn apply(&self, state: &mut Noted, batch: &Batch<'_>) -> Result<(), ApplyError> {
        for at in batch.rows() {
            let event = batch.event(at);
            let row = row_of(&event);
            let is_bad = is_bad(row.entry);
            if self.passes_over(is_bad) {
                continue;
            }
            if is_bad && !self.is_mended() {
                return Err(batch.failed(at, "a bad entry"));
            }
            state.add(event.position, row, Self::VERSION);
        }
        Ok(())
    }
}
