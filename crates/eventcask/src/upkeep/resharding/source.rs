//! The rows of a store in the order in which they are written anew: by commit time, then shard,
//! then position.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use eventcask_log::{Block, Error, Payloads};
use eventcask_shard::ShardReader;

use crate::follow::cursor::ShardCursor;

/// Rows of a block that come one after the other.
pub(super) struct Run {
    pub(super) shard: usize,
    pub(super) block: Arc<Block>,
    pub(super) rows: Range<usize>,
}

impl Run {
    /// When the last of them was committed.
    pub(super) fn last_commit(&self) -> i64 {
        self.block
            .events()
            .commit_time(self.rows.end - 1)
            .as_nanos()
    }
}

/// The shards of a store, and which of them has the next row.
pub(super) struct Source {
    shards: Vec<SourceShard>,
    /// The shards with a row, by its commit time.
    ready: BinaryHeap<Reverse<(i64, usize)>>,
}

struct SourceShard {
    cursor: ShardCursor<Arc<ShardReader>>,
    open: Option<Arc<Block>>,
    /// The next row of the open block.
    row: usize,
}

impl Source {
    pub(super) fn open(readers: &[Arc<ShardReader>]) -> Result<Self, Error> {
        let shard = |reader: &Arc<ShardReader>| SourceShard {
            cursor: ShardCursor::new(Arc::clone(reader), 0),
            open: None,
            row: 0,
        };
        let mut source = Self {
            shards: readers.iter().map(shard).collect(),
            ready: BinaryHeap::new(),
        };
        for shard in 0..source.shards.len() {
            source.make_ready(shard)?;
        }
        Ok(source)
    }

    /// The next rows: as many of one block as come before all of other shards.
    pub(super) fn next(&mut self) -> Result<Option<Run>, Error> {
        let Some(Reverse((_, shard))) = self.ready.pop() else {
            return Ok(None);
        };
        let one = &mut self.shards[shard];
        let Some(block) = one.open.clone() else {
            return Ok(None);
        };
        let events = block.events();
        let next = self.ready.peek().map(|Reverse(next)| *next);
        let is_before = |row: &usize| {
            let place = (events.commit_time(*row).as_nanos(), shard);
            next.is_none_or(|next| place < next)
        };
        let more = (one.row + 1..events.len()).take_while(is_before);
        let rows = one.row..one.row + 1 + more.count();
        one.row = rows.end;
        self.make_ready(shard)?;
        Ok(Some(Run { shard, block, rows }))
    }

    /// Finds the next row of a shard.
    fn make_ready(&mut self, shard: usize) -> Result<(), Error> {
        let one = &mut self.shards[shard];
        if let Some(time) = one.next_time()? {
            self.ready.push(Reverse((time, shard)));
        }
        Ok(())
    }
}

impl SourceShard {
    /// When the next row was committed.
    fn next_time(&mut self) -> Result<Option<i64>, Error> {
        let is_done = |block: &Arc<Block>| self.row >= block.events().len();
        if self.open.as_ref().is_none_or(is_done) {
            let next = self.cursor.next_read(Payloads::All)?;
            self.open = next.map(|(_, block)| block);
            self.row = 0;
        }
        let time = |block: &Arc<Block>| block.events().commit_time(self.row).as_nanos();
        Ok(self.open.as_ref().map(time))
    }
}
