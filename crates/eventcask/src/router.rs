//! From a key to the open batch of its shard.

use std::sync::Arc;

use eventcask_event::route;
use eventcask_shard::{KeyHasher, OpenBatch};

use crate::engine::{Engine, ShardDoor};

/// The open batches of one producer, one a shard.
#[derive(Debug)]
pub(crate) struct Router {
    hasher: KeyHasher,
    lanes: Vec<Lane>,
}

/// The way of one producer to one shard.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) door: ShardDoor,
    pub(crate) open: Arc<OpenBatch>,
    /// The offset after the last row of a source that went this way.
    pub(crate) sent: u64,
    /// The size that the open batch does not pass.
    pub(crate) batch_bytes: usize,
}

impl Router {
    pub(crate) fn new(hasher: KeyHasher, engine: &Engine) -> Self {
        let lane = |door: &ShardDoor| Lane {
            door: door.clone(),
            open: door.inbox.register(),
            sent: 0,
            batch_bytes: engine.batch_bytes,
        };
        Self {
            hasher,
            lanes: engine.shards.iter().map(lane).collect(),
        }
    }

    /// The shard of a key, its lane, and the key's table hash.
    pub(crate) fn route(&mut self, key: &str) -> (u32, &mut Lane, u64) {
        let shard = route(key, self.lanes.len() as u32);
        let hash = self.hasher.hash(key);
        (shard, &mut self.lanes[shard as usize], hash)
    }

    /// Says of no lane any more what of a source went that way.
    pub(crate) fn begin_anew(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.sent = 0);
    }

    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }
}
