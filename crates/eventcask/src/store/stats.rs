//! Figures of a store.

use std::sync::Arc;

use eventcask_event::RouteBy;
use eventcask_shard::Stages;

use crate::StoreReader;
use crate::clock::now_nanos;
use crate::follow::feeds::FeedState;
use crate::lag::lag;
use crate::stats::{FoldStats, ProjectionStats, ReadModelStats, SubscriptionStats, ViewStats};
use crate::store::inner::Inner;

/// Figures of a store at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The store's id.
    pub store: u128,
    /// The id of the store that its events began in, where it was made by
    /// [`reshard`](crate::upkeep::reshard).
    pub origin: Option<u128>,
    /// By which part of its key an aggregate finds its shard.
    pub route_by: RouteBy,
    /// Durable events.
    pub events: u64,
    /// Aggregates that have an event, or had one before all of theirs were given up. After a repair
    /// that lost events some may be missing.
    pub aggregates: u64,
    /// Bytes of events before compression.
    pub raw_bytes: u64,
    /// Bytes of the log on disk.
    pub disk_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Segment files that are sealed.
    pub sealed_segments: u64,
    /// Events that a repair had to give up.
    pub lost_events: u64,
    /// Why a segment could not be sealed when it was last tried; it is tried again.
    pub seal_failure: Option<String>,
    /// Worker threads; 0 where the store is open for reading only.
    pub threads: usize,
    /// Cores that worker threads are bound to.
    pub pinned: Vec<usize>,
    /// What was taken off the ends of logs when the store was opened.
    pub recovered: Vec<String>,
    /// Each shard.
    pub shards: Vec<ShardStats>,
    /// Each view.
    pub views: Vec<ViewStats>,
    /// Each named subscription.
    pub subscriptions: Vec<SubscriptionStats>,
    /// What is wrong with a file of a named subscription that could not be read when the store was
    /// opened: it is missing among them.
    pub subscription_damage: Option<String>,
    /// Each read model that is fed.
    pub read_models: Vec<ReadModelStats>,
    /// Each projection that follows the store.
    pub projections: Vec<ProjectionStats>,
    /// Each fold over aggregates that is held, by name.
    pub folds: Vec<FoldStats>,
}

/// Figures of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardStats {
    /// Its number.
    pub shard: u32,
    /// Durable events.
    pub events: u64,
    /// Aggregates that have an event, or had one before all of theirs were given up. After a repair
    /// that lost events some may be missing.
    pub aggregates: u64,
    /// Blocks with events.
    pub blocks: u64,
    /// Bytes of events before compression.
    pub raw_bytes: u64,
    /// Bytes of the log on disk.
    pub disk_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Segment files that are sealed.
    pub sealed_segments: u64,
    /// Events that a repair had to give up.
    pub lost_events: u64,
    /// Bytes of memory that the directory of aggregates takes.
    pub directory_bytes: u64,
    /// Aggregates that are in the directory: those that were met since the store was opened, or
    /// that are in segments that are not sealed.
    pub directory_aggregates: u64,
    /// Ids of events that are in memory, and the bytes that they take, as of when the shard last
    /// looked: once in some ten thousand ids.
    pub ids: u64,
    /// Bytes of memory that those ids take.
    pub id_bytes: u64,
    /// Why the shard stopped, if it did.
    pub poisoned: Option<String>,
}

impl StoreReader {
    /// Figures of the store.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let opened = NewEvent::json("Opened", b"{}");
    /// store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// let events: u64 = store.stats().shards.iter().map(|shard| shard.events).sum();
    /// assert_eq!(events, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner)
    }

    /// Where the time of the engine's threads went since the store was opened, over all shards.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::NewEvent;
    /// let before = store.stages();
    /// let mut producer = store.producer();
    /// producer.push("account-42", &NewEvent::json("Deposited", b"{}"))?;
    /// producer.flush()?.wait()?;
    /// let stages = store.stages().since(&before);
    /// assert_eq!(stages.events, 1);
    /// assert!(stages.decide_ns > 0 && stages.write_ns > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stages(&self) -> Stages {
        let mut all = Stages::default();
        for reader in &self.inner.readers {
            all.add(&reader.stages());
        }
        all
    }
}

impl Stats {
    pub(crate) fn of(inner: &Inner) -> Self {
        let shards: Vec<ShardStats> = (0..inner.readers.len())
            .map(|index| shard(inner, index))
            .collect();
        let sum = |of: fn(&ShardStats) -> u64| shards.iter().map(of).sum();
        let engine = inner.engine.as_ref();
        let views = inner.views.list().into_iter();
        Self {
            store: inner.manifest.store,
            origin: Some(inner.manifest.origin).filter(|origin| *origin != 0),
            route_by: inner.manifest.route_by,
            events: sum(|shard| shard.events),
            aggregates: sum(|shard| shard.aggregates),
            raw_bytes: sum(|shard| shard.raw_bytes),
            disk_bytes: sum(|shard| shard.disk_bytes),
            segments: sum(|shard| shard.segments),
            sealed_segments: sum(|shard| shard.sealed_segments),
            lost_events: sum(|shard| shard.lost_events),
            seal_failure: inner.sealer.failure(),
            threads: engine.map_or(0, |engine| engine.threads),
            pinned: engine
                .map(|engine| engine.pinned.clone())
                .unwrap_or_default(),
            recovered: engine
                .map(|engine| engine.recovered.clone())
                .unwrap_or_default(),
            views: views.map(|view| view.stats()).collect(),
            subscriptions: inner.subscriptions.stats(&inner.readers),
            subscription_damage: inner.subscriptions.damage(),
            read_models: read_models(inner),
            projections: inner.projections.stats(),
            folds: inner.folds.stats(),
            shards,
        }
    }
}

fn shard(inner: &Inner, index: usize) -> ShardStats {
    let reader = &inner.readers[index];
    let directory_bytes = reader.directory().memory_bytes() as u64;
    let directory_aggregates = reader.directory().len() as u64;
    let (ids, id_bytes) = reader.ids_in_memory();
    let poisoned = inner
        .engine
        .as_ref()
        .and_then(|engine| engine.inboxes[index].poisoned());
    let figures = reader.published().figures();
    ShardStats {
        shard: reader.shard(),
        events: figures.events,
        aggregates: figures
            .aggregates
            .saturating_add_signed(inner.origin.more_aggregates(index)),
        blocks: figures.blocks,
        raw_bytes: figures.raw_bytes,
        disk_bytes: figures.disk_bytes,
        segments: figures.segments,
        sealed_segments: figures.sealed,
        lost_events: figures.lost,
        directory_bytes,
        directory_aggregates,
        ids,
        id_bytes,
        poisoned: poisoned.map(|reason| reason.to_string()),
    }
}

fn read_models(inner: &Inner) -> Vec<ReadModelStats> {
    let now = now_nanos();
    let stats = |feed: Arc<FeedState>| {
        let positions = feed.positions();
        let shards = inner.readers.iter().zip(&positions);
        let lags: Vec<_> = shards
            .map(|(reader, position)| lag(reader, *position, now))
            .collect();
        ReadModelStats {
            name: feed.name.clone(),
            lag_events: lags.iter().map(|(events, _)| events).sum(),
            lag_seconds: lags.iter().map(|(_, seconds)| *seconds).max().unwrap_or(0),
            failure: feed.failure(),
            positions,
        }
    };
    inner.feeds.list().into_iter().map(stats).collect()
}
