//! From a key to the open batch of its shard.

use std::sync::Arc;

use eventcask_event::route;
use eventcask_shard::{KeyHasher, OpenBatch};

use crate::store::engine::{Engine, ShardDoor};

/// The open batches of one producer, one a shard.
#[derive(Debug)]
pub(crate) struct Router {
    hasher: KeyHasher,
    lanes: Vec<Lane>,
}

/// The way of one producer to one shard.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) door: LaneDoor,
    pub(crate) open: Arc<OpenBatch>,
    /// The offset after the last row of a source that went this way.
    pub(crate) sent: u64,
}

/// Where the open batches of a lane are handed over. Apart from the batch, so that it can be used
/// while that is locked.
#[derive(Debug)]
pub(crate) struct LaneDoor {
    pub(crate) shard: u32,
    pub(crate) door: ShardDoor,
    /// The size that the open batch does not pass.
    pub(crate) batch_bytes: usize,
}

impl Router {
    pub(crate) fn new(hasher: KeyHasher, engine: &Engine) -> Self {
        let lane = |(shard, door): (usize, &ShardDoor)| Lane {
            door: LaneDoor {
                shard: shard as u32,
                door: door.clone(),
                batch_bytes: engine.batch_bytes,
            },
            open: door.inbox.register(),
            sent: 0,
        };
        Self {
            hasher,
            lanes: engine.shards.iter().enumerate().map(lane).collect(),
        }
    }

    /// The lane to the shard of a key, and the key's table hash.
    pub(crate) fn route(&mut self, key: &str) -> (&mut Lane, u64) {
        let shards = self.lanes.len() as u32;
        // Where there is one shard only, it need not be asked for.
        let shard = if shards == 1 { 0 } else { route(key, shards) };
        let hash = self.hasher.hash(key);
        (&mut self.lanes[shard as usize], hash)
    }

    /// Says of no lane any more what of a source went that way.
    pub(crate) fn begin_anew(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.sent = 0);
    }

    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }
}
