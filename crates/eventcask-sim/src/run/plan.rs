//! How a store is opened and what is done to it, drawn from a seed.

use std::time::Duration;

use eventcask::{Codec, DedupWindow, Durability, Options, RouteBy, Store};
use fastrand::Rng;

use crate::clients::reading::Reads;
use crate::disk::faults::Faults;
use crate::disk::journal::Level;

const CODECS: [Codec; 6] = [
    Codec::None,
    Codec::Lz4,
    Codec::Zstd(1),
    Codec::TextLz4,
    Codec::TextZstd(1),
    Codec::Auto,
];

/// The settings of a run; the number of shards is that of the store.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) shards: u32,
    /// By what they are found.
    pub(crate) route_by: RouteBy,
    threads: usize,
    codec: Codec,
    pub(crate) durability: Durability,
    segment_bytes: u64,
    seals: bool,
    /// Whether what is sealed gets a clustered copy.
    pub(crate) is_clustered: bool,
    view_snapshot_events: u64,
    /// Where the disk takes its time now and then: what that is drawn from.
    pub(crate) pauses: Option<u64>,
    batch_bytes: usize,
    linger: Duration,
    /// How far back ids are to be known.
    pub(crate) window: DedupWindow,
    dedup_memory_bytes: u64,
    /// Whether owners run the shards that they write to, beside producers.
    pub(crate) is_owned: bool,
    /// How the store is read while it is open, if it is.
    pub(crate) reads: Option<Reads>,
    pub(crate) producers: u32,
    pub(crate) steps: usize,
    pub(crate) faults: Faults,
    pub(crate) fails_early: bool,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        // From numbers of its own, so that seeds that once failed mostly do what they did.
        let by_category = Rng::with_seed(!rng.clone().u64(..)).u32(..4) == 0;
        let mut plan = Self {
            shards: [1, 2, 4][rng.usize(..3)],
            route_by: match by_category {
                true => RouteBy::Category,
                false => RouteBy::Key,
            },
            threads: 1,
            codec: Codec::None,
            durability: Durability::Sync,
            segment_bytes: 0,
            seals: false,
            is_clustered: false,
            view_snapshot_events: 1,
            pauses: None,
            batch_bytes: 0,
            linger: Duration::ZERO,
            window: DedupWindow::All,
            dedup_memory_bytes: 0,
            is_owned: false,
            reads: None,
            producers: 1,
            steps: 0,
            faults: Faults::none(),
            fails_early: false,
        };
        plan.redraw(rng);
        plan
    }

    /// Draws all that may change when a store is opened again.
    pub(crate) fn redraw(&mut self, rng: &mut Rng) {
        self.threads = rng.usize(1..3);
        self.codec = CODECS[rng.usize(..CODECS.len())];
        self.durability = match rng.u32(..6) {
            0 | 1 => Durability::Os,
            2 => Durability::Interval(Duration::from_millis(rng.u64(1..4))),
            _ => Durability::Sync,
        };
        self.segment_bytes = [5_000, 9_000, 20_000, 1 << 20][rng.usize(..4)];
        self.seals = rng.u32(..3) > 0;
        // From numbers of its own, so that seeds that once failed do what they did.
        let mut other = Rng::with_seed(rng.clone().u64(..));
        self.is_clustered = other.bool();
        self.view_snapshot_events = [1, 5, 30, u64::MAX][other.usize(..4)];
        self.pauses = (other.u32(..4) == 0).then(|| other.u64(..));
        self.draw_batches(rng);
        self.draw_window(rng);
        self.is_owned = rng.u32(..3) == 0;
        self.reads = rng.bool().then(|| Reads::draw(rng));
        self.producers = if self.is_owned {
            rng.u32(..2)
        } else {
            rng.u32(1..4)
        };
        self.steps = rng.usize(5..25);
        self.fails_early = rng.u32(..4) == 0;
        let n = rng.u32(1..40);
        self.faults = match rng.u32(..10) {
            0 => Faults::none().sync_fails(n),
            1 => Faults::none().sync_finds_no_room(n),
            2 => Faults::none().write_fails(n, rng.u32(..1000)),
            3 => Faults::none().read_fails(n),
            4 | 5 => Faults::none().room(rng.u64(..30_000)),
            _ => Faults::none(),
        };
    }

    /// Most batches end by themselves; small ones end by their size as well.
    fn draw_batches(&mut self, rng: &mut Rng) {
        self.batch_bytes = [4 << 10, 16 << 10, 256 << 10, 4 << 20][rng.usize(..4)];
        self.linger = match rng.u32(..6) {
            0 => Duration::from_micros(rng.u64(50..1000)),
            _ => Duration::ZERO,
        };
    }

    /// Windows are as small as the logs of a trial are short.
    fn draw_window(&mut self, rng: &mut Rng) {
        self.window = match rng.u32(..8) {
            0 | 1 => DedupWindow::Ids(rng.u64(1..80)),
            2 => DedupWindow::Bytes(rng.u64(2_000..20_000)),
            3 => DedupWindow::Time(Duration::from_micros(rng.u64(1..20_000))),
            _ => DedupWindow::All,
        };
        self.dedup_memory_bytes = [0, 8_000, 512 << 20][rng.usize(..3)];
    }

    pub(crate) fn options(&self) -> Options {
        Store::options()
            .shards(self.shards)
            .route_by(self.route_by)
            .threads(self.threads)
            .codec(self.codec)
            .durability(self.durability)
            .segment_bytes(self.segment_bytes)
            .seal(self.seals)
            .clustered(self.is_clustered)
            .view_snapshot_events(self.view_snapshot_events)
            .batch_bytes(self.batch_bytes)
            .linger(self.linger)
            .dedup(self.window)
            .dedup_memory_bytes(self.dedup_memory_bytes)
            .pin(false)
    }

    /// What an answer survives.
    pub(crate) fn level(&self) -> Level {
        match self.durability {
            Durability::Sync => Level::Power,
            Durability::Os | Durability::Interval(_) => Level::Process,
            other => panic!("what an answer of {other} survives is not said here"),
        }
    }
}
