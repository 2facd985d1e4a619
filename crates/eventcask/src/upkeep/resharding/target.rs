//! The shards of the new store on their way.
//!
//! Of each aggregate the position of its newest event is in memory, so that the next one is linked
//! to it. Where that takes too much all segments are ended and sealed, and their tables tell it
//! from then on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use eventcask_event::{
    EventId, Events, NO_POSITION, Routing, erased_id, erased_id_of, erased_key, erased_keys,
};
use eventcask_log::{CopyTools, Error, Fate, LinkBy, LogCopy, LogEnd, Manifest, ShardDir, Storage};
use eventcask_shard::{Directory, KeyHasher, ShardReader, leads};

use super::options::ReshardOptions;
use super::sealing::Sealing;
use crate::Options;

/// The shards of the new store.
pub(super) struct Target<'t> {
    routing: Routing,
    /// How the source finds the shard of a key.
    from: Routing,
    first_store: u128,
    shards: Vec<TargetShard>,
    newest: Newest,
    /// Aggregates whose keys are erased.
    erased: HashSet<EventId>,
    memory_bytes: usize,
    tools: CopyTools,
    sealing: Sealing<'t>,
}

/// One of them.
struct TargetShard {
    log: LogCopy,
    reader: Arc<ShardReader>,
    /// The segments up to this one are sealed, or on their way to it.
    sealed_to: u64,
    /// Versions of the aggregates whose keys are erased, as far as they are in the log.
    erased: HashMap<EventId, u64>,
    /// Aggregates, those of which nothing is left too.
    aggregates: u64,
    /// Events with version 1.
    first_events: u64,
}

/// Where the log of a shard ends.
pub(super) struct ShardEnd {
    pub(super) end: LogEnd,
    /// Aggregates, less events with version 1.
    pub(super) more_aggregates: i64,
}

/// Where the newest event of each aggregate is.
#[derive(Default)]
struct Newest {
    directory: Directory,
    hasher: KeyHasher,
    /// Whether the tables of sealed segments know more.
    is_partial: bool,
}

impl Newest {
    /// Notes that an aggregate's newest event is at a position, and says where the one before is.
    fn link(&mut self, reader: &ShardReader, key: &str, position: u64) -> Result<u64, Error> {
        let hash = self.hasher.hash(key);
        if let Some(slot) = self.directory.find(hash, key) {
            return Ok(self.directory.admit(slot, position).last_before);
        }
        let slot = self.directory.add(hash, key);
        self.directory.admit(slot, position);
        let known = match self.is_partial {
            true => reader.newest_before(key, u64::MAX)?,
            false => None,
        };
        Ok(known.map_or(NO_POSITION, |known| known.position))
    }
}

/// Makes the directories of all shards, and their readers.
pub(super) fn make_shards(
    storage: &Arc<dyn Storage>,
    manifest: &Manifest,
    options: &Options,
) -> Result<Vec<Arc<ShardReader>>, Error> {
    let caches = options.caches(manifest.shards);
    let hasher = KeyHasher::default();
    let make = |shard| {
        let dir = ShardDir::new(Arc::clone(storage), manifest, shard);
        dir.create()?;
        let (reader, _) = ShardReader::open(dir, hasher.clone(), caches.clone())?;
        Ok(Arc::new(reader))
    };
    (0..manifest.shards).map(make).collect()
}

impl<'t> Target<'t> {
    pub(super) fn begin(
        manifest: &Manifest,
        from: Routing,
        readers: &[Arc<ShardReader>],
        options: &ReshardOptions,
        sealing: Sealing<'t>,
    ) -> Result<Self, Error> {
        let begin = |reader: &Arc<ShardReader>| {
            Ok(TargetShard {
                log: LogCopy::begin(reader.dir().clone())?,
                reader: Arc::clone(reader),
                sealed_to: 0,
                erased: HashMap::new(),
                aggregates: 0,
                first_events: 0,
            })
        };
        let shards: Result<Vec<_>, Error> = readers.iter().map(begin).collect();
        Ok(Self {
            routing: manifest.routing(),
            from,
            first_store: manifest.first_store(),
            shards: shards?,
            newest: Newest::default(),
            erased: HashSet::new(),
            memory_bytes: options.memory(),
            tools: CopyTools::new(options.target().codec, options.target().segment_bytes),
            sealing,
        })
    }

    /// Adds an event, or what stays in its place, to the shard of its aggregate.
    pub(super) fn add(
        &mut self,
        events: &Events<'_>,
        row: usize,
        fate: &Fate,
    ) -> Result<(), Error> {
        let key = events.key(events.aggregate_index(row));
        let shard = self.routing.shard_of(key);
        match fate {
            Fate::Removed => Ok(()),
            Fate::Erased(_) => {
                let id = erased_id(self.first_store, key);
                let stands_for = erased_key(self.first_store, key, self.routing);
                self.add_erased(events, row, id, shard, stands_for)
            }
            Fate::Kept | Fate::Emptied => self.push(events, row, fate, shard),
        }
    }

    /// Adds what stands for an erased key to each shard that the key may belong to: which of them
    /// it is nobody can tell.
    pub(super) fn add_stand_in(
        &mut self,
        events: &Events<'_>,
        row: usize,
        id: EventId,
    ) -> Result<(), Error> {
        let (from, to, before) = (self.from, self.routing, events.shard());
        let may_have = |shard| leads(from, before, to, shard);
        for (shard, stands_for) in erased_keys(id, to, may_have) {
            self.add_erased(events, row, id, shard, stands_for)?;
        }
        Ok(())
    }

    fn add_erased(
        &mut self,
        events: &Events<'_>,
        row: usize,
        id: EventId,
        shard: u32,
        stands_for: String,
    ) -> Result<(), Error> {
        let one = &mut self.shards[shard as usize];
        let version = events.version(row);
        // Several shards of the source may have had one.
        if one.erased.get(&id).is_some_and(|known| *known >= version) {
            return Ok(());
        }
        one.erased.insert(id, version);
        // It is one, in however many shards it is.
        one.aggregates += u64::from(self.erased.insert(id));
        self.push(events, row, &Fate::Erased(stands_for), shard)
    }

    fn push(
        &mut self,
        events: &Events<'_>,
        row: usize,
        fate: &Fate,
        shard: u32,
    ) -> Result<(), Error> {
        let version = events.version(row);
        self.with(shard as usize, |log, tools, link| {
            log.push(events, row, fate, tools, link)
        })?;
        self.shards[shard as usize].first_events += u64::from(version == 1);
        Ok(())
    }

    /// Does something with the log of a shard, and has sealed what is complete then.
    fn with<T>(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut LogCopy, &mut CopyTools, LinkBy<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (newest, first_store) = (&mut self.newest, self.first_store);
        let one = &mut self.shards[index];
        let (aggregates, erased) = (&mut one.aggregates, &one.erased);
        let mut link = |key: &str, at| {
            let before = newest.link(&one.reader, key, at)?;
            let is_new = before == NO_POSITION && erased_id_of(key).is_none();
            // One that was erased and came again is counted already.
            let came_again =
                !erased.is_empty() && erased.contains_key(&erased_id(first_store, key));
            *aggregates += u64::from(is_new && !came_again);
            Ok(before)
        };
        let done = work(&mut one.log, &mut self.tools, &mut link)?;
        one.seal_complete(index, &self.sealing)?;
        Ok(done)
    }

    /// Makes room in memory where there is need.
    pub(super) fn make_room(&mut self) -> Result<(), Error> {
        if self.newest.directory.memory_bytes() <= self.memory_bytes {
            return Ok(());
        }
        for index in 0..self.shards.len() {
            self.end_segment(index)?;
        }
        self.sealing.wait();
        self.newest.directory = Directory::default();
        self.newest.is_partial = true;
        Ok(())
    }

    fn end_segment(&mut self, index: usize) -> Result<(), Error> {
        self.with(index, LogCopy::end_segment)
    }

    /// Ends all logs durably, and says where each ends.
    pub(super) fn finish(mut self, time: i64) -> Result<Vec<ShardEnd>, Error> {
        let mut ends = Vec::with_capacity(self.shards.len());
        for index in 0..self.shards.len() {
            // They are looked for in complete segments only.
            if !self.shards[index].erased.is_empty() {
                self.end_segment(index)?;
            }
            let end = self.with(index, |log, tools, link| log.finish(time, tools, link))?;
            let one = &self.shards[index];
            ends.push(ShardEnd {
                end,
                more_aggregates: one.aggregates as i64 - one.first_events as i64,
            });
        }
        Ok(ends)
    }
}

impl TargetShard {
    /// Has the complete segments sealed.
    fn seal_complete(&mut self, shard: usize, sealing: &Sealing<'_>) -> Result<(), Error> {
        let complete_to = self.log.complete_to();
        while self.sealed_to < complete_to {
            self.sealed_to += 1;
            sealing.seal(shard, self.sealed_to)?;
        }
        Ok(())
    }
}
