//! From the admitted rows of a batch to the columns of a block.

use std::collections::HashMap;

use eventcask_event::{Columns, EventBatch, EventId, NO_TIME};
use eventcask_log::{Block, BlockHead};
use foldhash::fast::RandomState;

use crate::directory::AggregateSlot;

/// How an aggregate stood before the block, to be put back if the block is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    pub(crate) slot: AggregateSlot,
    pub(crate) version: u64,
    pub(crate) last: u64,
}

/// Gathers admitted rows; it is used again for each block and keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    columns: Columns,
    rows: Vec<u32>,
    local: HashMap<AggregateSlot, u32, RandomState>,
    before: Vec<Before>,
}

impl BlockBuilder {
    pub(crate) fn clear(&mut self) {
        self.columns.clear();
        self.rows.clear();
        self.local.clear();
        self.before.clear();
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The batch row of an admitted row, and its version.
    pub(crate) fn built(&self, index: usize) -> (usize, u64) {
        (self.rows[index] as usize, self.columns.versions[index])
    }

    /// Adds a row whose aggregate had this version and last position `before` it.
    pub(crate) fn add(
        &mut self,
        batch: &EventBatch,
        row: usize,
        slot: AggregateSlot,
        before: (u64, u64),
    ) {
        let (version, last) = before;
        let local = *self.local.entry(slot).or_insert_with(|| {
            self.before.push(Before {
                slot,
                version,
                last,
            });
            self.columns.add_aggregate(batch.key(row), last)
        });
        self.rows.push(row as u32);
        self.columns.aggregates.push(local);
        self.columns.versions.push(version + 1);
        self.columns
            .payload_lengths
            .push(batch.payload(row).len() as u32);
    }

    /// How the aggregates of the block stood before it.
    pub(crate) fn before(&self) -> &[Before] {
        &self.before
    }

    /// The block of the rows that were added; payloads are taken out of the batch.
    pub(crate) fn finish(
        &mut self,
        head: BlockHead,
        batch: &mut EventBatch,
    ) -> Result<Block, String> {
        let rows = &self.rows;
        if batch.has_times() {
            let times = rows.iter().map(|row| batch.time(*row as usize));
            self.columns.times.extend(times);
            if self.columns.times.iter().all(|time| *time == NO_TIME) {
                self.columns.times.clear();
            }
        }
        let mut ids = Vec::new();
        if rows.iter().any(|row| batch.id(*row as usize).is_some()) {
            ids.reserve(rows.len() * 16);
            for row in rows {
                let id = batch.id(*row as usize).map_or(0, EventId::as_u128);
                ids.extend_from_slice(&id.to_le_bytes());
            }
        }
        let payloads = self.add_types(batch);
        Block::new(head, &self.columns, ids, payloads)
    }

    /// Fills the type columns and returns the payloads of each type.
    fn add_types(&mut self, batch: &mut EventBatch) -> Vec<Vec<u8>> {
        if self.rows.len() == batch.len() {
            for event_type in batch.types() {
                self.columns.add_type(
                    event_type.name(),
                    event_type.schema(),
                    event_type.encoding(),
                );
            }
            self.columns
                .types
                .extend((0..batch.len()).map(|row| batch.type_index(row)));
            return batch.take_payloads();
        }
        let mut local: Vec<Option<u16>> = vec![None; batch.types().len()];
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        for row in &self.rows {
            let row = *row as usize;
            let index = usize::from(batch.type_index(row));
            let local = *local[index].get_or_insert_with(|| {
                payloads.push(Vec::new());
                let named = &batch.types()[index];
                self.columns
                    .add_type(named.name(), named.schema(), named.encoding())
            });
            self.columns.types.push(local);
            payloads[usize::from(local)].extend_from_slice(batch.payload(row));
        }
        payloads
    }
}
