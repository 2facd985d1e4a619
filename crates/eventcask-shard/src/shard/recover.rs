//! A shard as it is found in the log.

use std::collections::VecDeque;
use std::sync::Arc;

use eventcask_log::{Caches, Compressor, Error, LogEnd, ShardDir, Tail};

use super::{Shard, ShardSettings};
use crate::build::BlockBuilder;
use crate::commit::Reports;
use crate::dedup::{CarriedMarks, Dedup};
use crate::{Apply, DedupSettings, Inbox, KeyHasher, ShardReader};

/// A shard that was recovered, and what the recovery did.
pub struct Opened {
    /// Its reader, to be shared.
    pub reader: Arc<ShardReader>,
    /// What was taken off the end of its log, in words.
    pub cut: Option<eventcask_log::Problem>,
    dedup: Dedup,
    tail: Tail,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// Recovers a shard for writing: mends its tail and fills its tables from the log.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn recover(
        dir: ShardDir,
        hasher: KeyHasher,
        caches: Caches,
        settings: DedupSettings,
    ) -> Result<Self, Error> {
        let reader = Arc::new(ShardReader::new(dir, hasher, caches));
        let mut dedup = Dedup::new(settings);
        let recovery = reader.dir().recover(&mut |block, at| {
            reader.enter(block, at);
            dedup.enter(block, &|position, key| reader.is_of(position, key))
        })?;
        reader.take_ended(recovery.ended)?;
        reader.note_resident();
        reader.set_end(LogEnd::of(&recovery.tail));
        for segment in reader.published().ended().iter() {
            dedup.rest_in(segment);
        }
        for mark in &reader.published().marks {
            dedup.set_mark(&mark.source, Some(mark.clone()));
        }
        Ok(Self {
            reader,
            cut: recovery.cut,
            dedup,
            tail: recovery.tail,
        })
    }

    /// Takes note of how far sources were consumed before the events came into this store.
    pub fn carry(&mut self, carried: Arc<CarriedMarks>) {
        self.dedup.carry(carried);
    }

    /// Commit time of the newest event.
    #[must_use]
    pub fn last_commit(&self) -> i64 {
        self.tail.last_commit
    }

    /// How many ids the shard knows.
    #[must_use]
    pub fn ids(&self) -> usize {
        self.dedup.ids()
    }

    /// The shard, ready to take batches from `inbox`.
    #[must_use]
    pub fn start(self, inbox: Arc<Inbox>, settings: ShardSettings, apply: Box<dyn Apply>) -> Shard {
        let tail = Tail {
            epoch: self.tail.epoch.saturating_add(1),
            ..self.tail
        };
        let stages = Arc::clone(self.reader.stage_counters());
        self.reader.note_ids(&self.dedup);
        let is_given_up = tail.last_commit < self.reader.published().retired.before();
        Shard {
            reader: self.reader,
            inbox,
            settings,
            apply,
            dedup: self.dedup,
            builder: BlockBuilder::default(),
            compressor: Compressor::default(),
            given_up_segment: if is_given_up { tail.segment } else { 0 },
            tail,
            behind_bytes: 0,
            taken: VecDeque::new(),
            is_group_done: false,
            answered: 0,
            shares_worker: false,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            sequence: 0,
            generation: 0,
            reports: Reports::default(),
            spare: Vec::new(),
            stages,
        }
    }
}
