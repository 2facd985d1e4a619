//! How a store is opened.

use std::time::Duration;

use eventcask_event::{MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES_LIMIT, RouteBy};
use eventcask_log::{
    BLOCK_CACHE_BYTES, Budget, Caches, Codec, SEGMENT_BYTES, TABLE_CACHE_BYTES, TableCache,
};
use eventcask_shard::{DedupSettings, DedupWindow, Durability};

use crate::parallel::cores;

/// The most shards that are chosen without being asked for.
const DEFAULT_SHARDS_LIMIT: usize = 16;
/// Events between two snapshots of a view, unless set.
const VIEW_SNAPSHOT_EVENTS: u64 = 1_000_000;
/// Memory for ids, unless set.
const DEDUP_MEMORY_BYTES: u64 = 512 << 20;
/// Segment files that all shards together keep open, and the fewest and the most of one shard.
const KEPT_FILES: usize = 256;
const KEPT_FILES_OF_SHARD: (usize, usize) = (16, 128);
/// A batch is handed over when it would pass this size. Measured: from 64 KiB on throughput is
/// flat, and larger batches compress a little better.
const BATCH_BYTES: usize = 256 << 10;
/// What a batch can be set to: smaller ones cost more for themselves than for their events, and
/// larger ones gain nothing and delay answers.
const BATCH_BYTES_LIMITS: (usize, usize) = (4 << 10, 4 << 20);
/// The largest segment: places in its tables have 32 bits, and it is written anew as a whole.
const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// How a store is opened; each setting has a default.
///
/// ```
/// use eventcask::{Codec, Durability, Store};
/// # let directory = tempfile::tempdir()?;
/// let store = Store::options()
///     .shards(4)
///     .durability(Durability::Os)
///     .codec(Codec::Zstd(3))
///     .open(directory.path().join("metrics"))?;
/// assert_eq!(store.shards(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    pub(crate) create: bool,
    pub(crate) shards: Option<u32>,
    pub(crate) route_by: Option<RouteBy>,
    pub(crate) threads: Option<usize>,
    pub(crate) durability: Durability,
    pub(crate) codec: Codec,
    pub(crate) pin: bool,
    pub(crate) max_payload_bytes: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) segment_bytes: u64,
    pub(crate) seal: bool,
    pub(crate) seal_codec: Codec,
    pub(crate) clustered: bool,
    pub(crate) view_snapshot_events: u64,
    pub(crate) table_cache_bytes: u64,
    pub(crate) block_cache_bytes: u64,
    pub(crate) dedup: DedupWindow,
    pub(crate) dedup_memory_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            shards: None,
            route_by: None,
            threads: None,
            durability: Durability::Sync,
            codec: Codec::Auto,
            pin: true,
            max_payload_bytes: MAX_PAYLOAD_BYTES,
            batch_bytes: BATCH_BYTES,
            linger: Duration::ZERO,
            segment_bytes: SEGMENT_BYTES,
            seal: true,
            seal_codec: Codec::Auto,
            clustered: false,
            view_snapshot_events: VIEW_SNAPSHOT_EVENTS,
            table_cache_bytes: TABLE_CACHE_BYTES,
            block_cache_bytes: BLOCK_CACHE_BYTES,
            dedup: DedupWindow::All,
            dedup_memory_bytes: DEDUP_MEMORY_BYTES,
        }
    }
}

impl Options {
    /// Whether a store is made where there is none; it is by default.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{ErrorKind, Store};
    /// let opened = Store::options().create(false).open(directory.path().join("none"));
    /// assert_eq!(opened.map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::NotAStore));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Number of shards of a store that is made: a power of two, 1 to 4096. The default is the
    /// number of cores, rounded up to a power of two, at most 16. A store that exists keeps
    /// the shards it has, and another number here is refused.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let store = eventcask::Store::options().shards(4).open(directory.path())?;
    /// assert_eq!(store.shards(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = Some(shards);
        self
    }

    /// By which part of its key an aggregate of a store that is made finds its shard;
    /// [`RouteBy::Key`] by default, which spreads aggregates evenly. With [`RouteBy::Category`] all
    /// aggregates whose keys begin alike, up to the first `-`, share a shard, so that one append
    /// can be of several of them; the shard of a large category has its load alone. A store that
    /// exists keeps the one it has, and another one here is refused.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{RouteBy, Store};
    /// let store = Store::options().route_by(RouteBy::Category).open(directory.path())?;
    /// assert_eq!(store.shard_of("tenant7-order-1"), store.shard_of("tenant7-stock-9"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn route_by(mut self, by: RouteBy) -> Self {
        self.route_by = Some(by);
        self
    }

    /// Number of worker threads: 1 to the number of shards. The default is the number of cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// When an append is answered; [`Durability::Sync`] by default.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{Durability, Store};
    /// // Answered once the system has it: a killed process loses nothing, a power failure may.
    /// let store = Store::options().durability(Durability::Os).open(directory.path())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Compression of new blocks; [`Codec::Auto`] by default.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{Codec, Store};
    /// let store = Store::options().codec(Codec::None).open(directory.path())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Whether each worker thread is bound to a core of its own, which is done by default
    /// where there are enough of them. [`crate::stats::Stats`] tells what the system gave.
    pub fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// Largest payload that is taken, in bytes: 1 MiB by default, 8 MiB at most.
    pub fn max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes.min(MAX_PAYLOAD_BYTES_LIMIT);
        self
    }

    /// Size at which a producer hands its open batch of a shard over, in bytes before compression:
    /// 256 KiB by default, 4 KiB to 4 MiB. A batch becomes a block. Larger ones compress better and
    /// cost less for each event, smaller ones are answered sooner; a larger append is a batch of
    /// its own.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        let (least, most) = BATCH_BYTES_LIMITS;
        self.batch_bytes = bytes.clamp(least, most);
        self
    }

    /// How long an open batch waits for more events while its shard has nothing else to do. By
    /// default not at all: a single event is stored at once, and batches fill by themselves where
    /// the disk is what takes time. A time makes larger blocks of a slow stream, and each answer
    /// later by up to as much. A batch that is full, flushed, or of a producer that is dropped does
    /// not wait, and none does when the store is closed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use eventcask::{NewEvent, Store};
    /// # let directory = tempfile::tempdir()?;
    /// let store = Store::options()
    ///     .linger(Duration::from_millis(2))
    ///     .open(directory.path().join("readings"))?;
    /// let mut producer = store.producer();
    /// producer.push("sensor-1", &NewEvent::json("Read", b"21.5"))?;
    /// producer.flush()?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Size at which a new segment file is begun, in bytes: 256 MiB by default, 1 GiB at most.
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.min(MAX_SEGMENT_BYTES);
        self
    }

    /// Whether complete segments are sealed in the background, which is done by default: they
    /// are written anew in larger blocks and with tables, so that the next opening need not
    /// read them. [`Store::seal`](crate::Store::seal) does it whenever it is called.
    pub fn seal(mut self, seal: bool) -> Self {
        self.seal = seal;
        self
    }

    /// Compression of sealed segments. By default ([`Codec::Auto`]) it is zstd level 3, and none
    /// where new blocks have none.
    pub fn seal_codec(mut self, codec: Codec) -> Self {
        self.seal_codec = codec;
        self
    }

    /// Whether sealed segments get a clustered copy: their events once more, those of an aggregate
    /// side by side, from which single aggregates are loaded much faster where their events lie
    /// scattered over the log. It is not made by default, since it has a price: sealed segments
    /// take about twice the disk space, sealing compresses everything twice, and sorts it with up
    /// to 64 MiB of events in memory for each shard, beyond that in a file that is gone afterwards.
    /// That file takes what the events of one segment take when they are compressed by LZ4.
    ///
    /// Segments that were sealed before get theirs by [`Store::seal`](crate::Store::seal). One that
    /// has a copy keeps it, also where this is not set any more. What is read in order does not see
    /// it.
    ///
    /// ```
    /// use eventcask::{Expected, NewEvent, Store};
    /// # let directory = tempfile::tempdir()?;
    /// let store = Store::options()
    ///     .clustered(true)
    ///     .open(directory.path().join("accounts"))?;
    /// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
    /// store.producer().append("account-42", Expected::Any, &[deposit])?.wait()?;
    /// store.seal()?;
    /// assert_eq!(store.aggregate("account-42").events()?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clustered(mut self, clustered: bool) -> Self {
        self.clustered = clustered;
        self
    }

    /// How many events a view takes in of a shard between two snapshots of its state, while the
    /// store is open: 1,000,000 by default, about a second's work for an opening after a crash.
    /// Nobody waits for a snapshot. Each is also made when the store is closed.
    pub fn view_snapshot_events(mut self, events: u64) -> Self {
        self.view_snapshot_events = events.max(1);
        self
    }

    /// Bytes of memory for the tables of sealed segments that were read: 32 MiB by default. Their
    /// filters are not among them: they are part of the [memory for ids](Self::dedup_memory_bytes).
    pub fn table_cache_bytes(mut self, bytes: u64) -> Self {
        self.table_cache_bytes = bytes;
        self
    }

    /// Bytes of memory for what was read for single aggregates, groups of rows and chunks of
    /// payloads, each checked once: 256 MiB by default. It is taken as events are read, not before.
    /// An aggregate whose events lie scattered is loaded several times faster where its parts of
    /// blocks are kept.
    pub fn block_cache_bytes(mut self, bytes: u64) -> Self {
        self.block_cache_bytes = bytes;
        self
    }

    /// How far back each shard remembers the ids of events; [`DedupWindow::All`] by default.
    pub fn dedup(mut self, window: DedupWindow) -> Self {
        self.dedup = window;
        self
    }

    /// Bytes of memory for ids, over all shards: 512 MiB by default.
    ///
    /// * A quarter is for pages of the tables of sealed segments, 37 bytes an id, and for digests
    ///   of events that are not sealed yet, 24 bytes an event: a known id is recognised there
    ///   without a read where they fit.
    /// * Up to half is for the filters of sealed segments, which say for nearly every new id or key
    ///   that a segment does not have it. They take 12 bits an id and 12 bits an aggregate of each
    ///   segment, and as directories of their tables 2 bits more. They are read when they are first
    ///   needed, and stay: 256 MiB do for 150 million ids.
    ///   Where they do not fit, each look-up reads a page of each segment whose filter is left out,
    ///   a few microseconds each.
    /// * The rest holds ids of [`DedupWindow::All`] themselves, up to 16 million that rise with
    ///   time. Beyond that those of sealed segments are left to their tables, and those of segments
    ///   that are not sealed yet stay.
    pub fn dedup_memory_bytes(mut self, bytes: u64) -> Self {
        self.dedup_memory_bytes = bytes;
        self
    }

    /// Whether nothing is shown or saved before it is synced.
    pub(crate) fn is_sync(&self) -> bool {
        self.durability == Durability::Sync
    }

    pub(crate) fn dedup_settings(&self, shards: u32) -> DedupSettings {
        DedupSettings {
            window: self.dedup,
            memory_bytes: self.dedup_memory_bytes / 4 * 3 / u64::from(shards),
        }
    }

    pub(crate) fn caches(&self, shards: u32) -> Caches {
        let (least, most) = KEPT_FILES_OF_SHARD;
        Caches {
            filters: Budget::new(self.dedup_memory_bytes / 2),
            pages: TableCache::new(self.dedup_memory_bytes / 4),
            kept_files: (KEPT_FILES / shards as usize).clamp(least, most),
            ..Caches::new(self.table_cache_bytes, self.block_cache_bytes)
        }
    }

    pub(crate) fn codec_of_sealed(&self) -> Codec {
        match (self.seal_codec, self.codec) {
            (Codec::Auto, Codec::None) => Codec::None,
            (Codec::Auto, _) => Codec::Zstd(3),
            (codec, _) => codec,
        }
    }

    pub(crate) fn new_shards(&self) -> u32 {
        let default = cores().next_power_of_two().min(DEFAULT_SHARDS_LIMIT);
        self.shards.unwrap_or(default as u32)
    }

    pub(crate) fn workers(&self, shards: u32) -> usize {
        self.threads.unwrap_or_else(cores).clamp(1, shards as usize)
    }
}
