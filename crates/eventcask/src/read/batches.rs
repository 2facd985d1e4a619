//! The events of a query block by block.

use std::sync::Arc;

use eventcask_log::Block;
use eventcask_project::Batch;
use eventcask_shard::ShardReader;

use crate::follow::cursor::ShardCursor;
use crate::follow::filter::Filter;
use crate::follow::prefetch::Prefetch;
use crate::{Error, EventQuery, StoreReader};

/// Some events of a shard that were stored together: a share of their block, in which they are read
/// in place. From [`EventQuery::batches`].
#[derive(Debug, Clone)]
pub struct StoredBatch {
    block: Arc<Block>,
    rows: Vec<u32>,
}

impl StoredBatch {
    /// The events: their columns, by row. Take it once for a batch, not once for a row.
    #[must_use]
    pub fn get(&self) -> Batch<'_> {
        Batch::listed(self.block.events(), &self.rows, true)
    }
}

/// The events of a query block by block. From [`EventQuery::batches`].
#[derive(Debug)]
pub struct BatchIter {
    /// The shards that are left; the next one is last.
    shards: Vec<(ShardCursor<Arc<ShardReader>>, Prefetch)>,
    filter: Filter,
}

impl BatchIter {
    fn step(&mut self) -> Result<Option<StoredBatch>, Error> {
        while let Some((shard, ahead)) = self.shards.last_mut() {
            let end = shard.left().end;
            let Some(mut found) = shard.next_block_of(ahead, &self.filter)? else {
                self.shards.pop();
                continue;
            };
            if found.block.head().next_position() > end {
                // The block was another one when the iterator began.
                let events = found.block.events();
                found
                    .rows
                    .retain(|row| events.position(*row as usize) < end);
            }
            if !found.rows.is_empty() {
                let (block, rows) = (found.block, found.rows);
                return Ok(Some(StoredBatch { block, rows }));
            }
        }
        Ok(None)
    }
}

impl Iterator for BatchIter {
    type Item = Result<StoredBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl<S: AsRef<StoreReader>> EventQuery<S> {
    /// Reads what is durable now block by block: the fast way through many events. A batch has the
    /// wanted events of one block, without a copy, and what many of them share is looked at once.
    ///
    /// One shard comes after the other, each in its order. For several threads, give each a
    /// [`shard`](Self::shard) of its own.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::NewEvent;
    /// let mut producer = store.producer();
    /// for (key, event_type) in [("a", "Paid"), ("a", "Sent"), ("b", "Paid")] {
    ///     producer.push(key, &NewEvent::bytes(event_type, &[7; 100]))?;
    /// }
    /// producer.flush()?.wait()?;
    ///
    /// let mut bytes = 0;
    /// for batch in store.events().types(&["Paid"]).batches() {
    ///     let batch = batch?;
    ///     let batch = batch.get();
    ///     bytes += batch.rows().map(|row| batch.payload(row).len()).sum::<usize>();
    /// }
    /// assert_eq!(bytes, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn batches(&self) -> BatchIter {
        let shards = self.shards();
        let shards = shards.map(|(reader, from)| {
            let cursor = ShardCursor::new(Arc::clone(reader), from);
            (cursor, Prefetch::new(&self.filter, 1))
        });
        let mut shards: Vec<_> = shards.collect();
        shards.reverse();
        BatchIter {
            shards,
            filter: self.filter.clone(),
        }
    }
}
