//! Which events of a shard carry an id.
//!
//! 1. An id that the engine made says itself where its event is.
//! 2. A complete segment is asked for an id: its filter, then one page of its table.
//! 3. The blocks of the open end are read: nobody but the writer has their ids in memory.

use std::sync::Arc;

use eventcask_event::EventId;
use eventcask_log::{Block, Error, Payloads};

use crate::ShardReader;

impl ShardReader {
    /// The durable events that carry an id, oldest first, each as its block and its row there.
    /// Those that were given up are not among them.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn find(&self, id: EventId) -> Result<Vec<(Arc<Block>, usize)>, Error> {
        let (ended_to, watermark) = {
            let published = self.published();
            (published.ended_to(), published.watermark)
        };
        let mut positions = self.given_in_ended(id, ended_to)?;
        positions.extend(self.given_in_open(id, ended_to, watermark)?);
        positions.extend(id.engine_made_at(self.dir().store(), self.shard()));
        positions.sort_unstable();
        positions.dedup();
        let events = positions
            .into_iter()
            .map(|position| self.carrier(id, position));
        events.filter_map(Result::transpose).collect()
    }

    fn given_in_ended(&self, id: EventId, ended_to: u64) -> Result<Vec<u64>, Error> {
        let (mut positions, mut before) = (Vec::new(), ended_to);
        while let Some(at) = self.find_id(id, 0..before)? {
            positions.push(at.position);
            before = at.position;
        }
        Ok(positions)
    }

    fn given_in_open(&self, id: EventId, from: u64, to: u64) -> Result<Vec<u64>, Error> {
        let (mut positions, mut next) = (Vec::new(), from);
        while next < to
            && let Some((at, block)) = self.read_open(next, Payloads::Shut)?
        {
            let events = block.events();
            let rows = (0..events.len()).filter(|row| events.given_id(*row) == Some(id));
            positions.extend(rows.map(|row| events.position(row)));
            next = at.next_position;
        }
        Ok(positions)
    }

    /// The event at a position, if it is there, shown, and carries the id.
    fn carrier(&self, id: EventId, position: u64) -> Result<Option<(Arc<Block>, usize)>, Error> {
        let Some(block) = self.block_at(position)? else {
            return Ok(None);
        };
        let retired = Arc::clone(&self.published().retired);
        let events = block.events();
        let row = events
            .row_at(position)
            .filter(|row| events.event(*row).id == id && !retired.hides(&events, *row));
        Ok(row.map(|row| (block, row)))
    }
}
