//! From the admitted rows of a batch to the columns of a block.
//!
//! Whether an aggregate has a row in the block already is told by the position of its last event,
//! which the directory has: no table of the block's aggregates is needed.

use eventcask_event::{
    Columns, EventBatch, EventId, MetadataBuilder, MetadataColumns, NO_POSITION, NO_TIME,
    PayloadBytes,
};
use eventcask_log::{Block, BlockHead, BlockParts};

use crate::directory::{Admitted, AggregateSlot};

/// About what a block takes for itself, and a row beside its payload.
const BLOCK_BYTES: u64 = 512;
const ROW_BYTES: u64 = 48;

/// An aggregate of a block: how it stood before, to be put back if the block is refused, and its
/// newest event in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    pub(crate) slot: AggregateSlot,
    pub(crate) version: u64,
    pub(crate) last: u64,
    pub(crate) newest: u64,
}

/// Gathers admitted rows; it is used again for each block and keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    first_position: u64,
    columns: Columns,
    rows: Vec<u32>,
    touched: Vec<Touched>,
    /// The metadata of the rows, where not all of a batch were admitted.
    metadata: MetadataBuilder,
    /// Memory of blocks that are not needed any more.
    parts: Vec<BlockParts>,
    spare_touched: Vec<Vec<Touched>>,
}

impl BlockBuilder {
    /// Begins the block whose first event gets this position.
    pub(crate) fn begin(&mut self, first_position: u64) {
        self.first_position = first_position;
        self.columns.clear();
        self.rows.clear();
        self.touched.clear();
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// About how many bytes the block will have before compression.
    pub(crate) fn bytes(&self, batch: &EventBatch) -> u64 {
        let lengths = &self.columns.payload_lengths;
        let payloads: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        let rows = ROW_BYTES * self.rows.len() as u64;
        BLOCK_BYTES + rows + payloads + self.metadata_bytes(batch)
    }

    fn metadata_bytes(&self, batch: &EventBatch) -> u64 {
        if !batch.has_metadata() {
            return 0;
        }
        let of_row = |row: &u32| batch.metadata(*row as usize).to_new();
        let metadata = self.rows.iter().filter_map(of_row);
        metadata.map(|one| one.bytes() as u64).sum()
    }

    /// The batch row of an admitted row, and its version.
    pub(crate) fn built(&self, index: usize) -> (usize, u64) {
        (self.rows[index] as usize, self.columns.versions[index])
    }

    /// The batch row of an admitted row.
    pub(crate) fn batch_row(&self, index: usize) -> usize {
        self.rows[index] as usize
    }

    /// Adds a row that was admitted.
    #[inline]
    pub(crate) fn add(&mut self, batch: &EventBatch, row: usize, admitted: &Admitted) {
        let last = admitted.last_before;
        let position = self.first_position + self.rows.len() as u64;
        let local = if last >= self.first_position && last != NO_POSITION {
            let local = self.columns.aggregates[(last - self.first_position) as usize];
            self.touched[local as usize].newest = position;
            local
        } else {
            self.touched.push(Touched {
                slot: admitted.slot,
                version: admitted.version_before,
                last,
                newest: position,
            });
            self.columns.add_aggregate(batch.key(row), last)
        };
        self.rows.push(row as u32);
        self.columns.aggregates.push(local);
        self.columns.versions.push(admitted.version);
        self.columns.payload_lengths.push(batch.payload_len(row));
    }

    /// The aggregates of the block.
    pub(crate) fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// The aggregates of the block, for as long as it is in flight.
    pub(crate) fn take_touched(&mut self) -> Vec<Touched> {
        let spare = self.spare_touched.pop().unwrap_or_default();
        std::mem::replace(&mut self.touched, spare)
    }

    /// Keeps the memory of a block that is not needed any more.
    pub(crate) fn recycle(&mut self, parts: BlockParts) {
        self.parts.push(parts);
    }

    /// Keeps the memory of the aggregates of a block that is in flight no more.
    pub(crate) fn recycle_touched(&mut self, mut touched: Vec<Touched>) {
        touched.clear();
        self.spare_touched.push(touched);
    }

    /// Gives back memory that was kept beyond so many blocks.
    pub(crate) fn keep(&mut self, blocks: usize) {
        self.parts.truncate(blocks);
        self.spare_touched.truncate(blocks);
    }

    /// The block of the rows that were added; payloads are taken out of the batch.
    pub(crate) fn finish(
        &mut self,
        head: BlockHead,
        batch: &mut EventBatch,
    ) -> Result<Block, String> {
        let mut parts = self.parts.pop().unwrap_or_default();
        let rows = &self.rows;
        if batch.has_times() {
            let times = rows.iter().map(|row| batch.time(*row as usize));
            self.columns.times.extend(times);
            if self.columns.times.iter().all(|time| *time == NO_TIME) {
                self.columns.times.clear();
            }
        }
        add_ids(&mut parts.ids, rows, batch);
        self.add_types(batch, &mut parts.payloads);
        parts.columns.clear();
        std::mem::swap(&mut self.columns.metadata, &mut parts.columns.metadata);
        if batch.has_metadata() {
            self.add_metadata(batch);
        }
        std::mem::swap(&mut parts.columns, &mut self.columns);
        Block::of_parts(head, parts)
    }

    /// Moves the metadata of the rows out of the batch.
    fn add_metadata(&mut self, batch: &mut EventBatch) {
        let columns: &mut MetadataColumns = &mut self.columns.metadata;
        if self.rows.len() == batch.len() {
            batch.swap_metadata(columns);
            return;
        }
        for (index, row) in self.rows.iter().enumerate() {
            if let Some(metadata) = batch.metadata(*row as usize).to_new() {
                self.metadata.push(index, &metadata);
            }
        }
        self.metadata.swap(self.rows.len(), columns);
    }

    /// Fills the type columns and moves the payloads of each type out of the batch.
    fn add_types(&mut self, batch: &mut EventBatch, payloads: &mut Vec<Option<PayloadBytes>>) {
        if self.rows.len() == batch.len() {
            for event_type in batch.types() {
                self.columns.add_type(
                    event_type.name(),
                    event_type.schema(),
                    event_type.encoding(),
                    event_type.shape(),
                );
            }
            self.columns.types.extend_from_slice(batch.type_indexes());
            batch.swap_payloads(payloads);
            return;
        }
        payloads.clear();
        let mut local: Vec<Option<u16>> = vec![None; batch.types().len()];
        for row in &self.rows {
            let row = *row as usize;
            let index = usize::from(batch.type_index(row));
            let local = *local[index].get_or_insert_with(|| {
                payloads.push(Some(PayloadBytes::default()));
                let named = &batch.types()[index];
                let (schema, encoding) = (named.schema(), named.encoding());
                (self.columns).add_type(named.name(), schema, encoding, named.shape())
            });
            self.columns.types.push(local);
            if let Some(bytes) = &mut payloads[usize::from(local)] {
                bytes.push(batch.payload(row), batch.types()[index].shape());
            }
        }
    }
}

/// Fills the section of ids, which stays empty where no row has one.
fn add_ids(ids: &mut Vec<u8>, rows: &[u32], batch: &EventBatch) {
    ids.clear();
    if !rows.iter().any(|row| batch.id(*row as usize).is_some()) {
        return;
    }
    ids.reserve(rows.len() * 16);
    for row in rows {
        let id = batch.id(*row as usize).map_or(0, EventId::as_u128);
        ids.extend_from_slice(&id.to_le_bytes());
    }
}
