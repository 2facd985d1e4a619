//! How a store is opened and what is done to it, drawn from a seed.

use std::time::Duration;

use eventcask::{Codec, Durability, Options, Store};
use fastrand::Rng;

use crate::faults::Faults;
use crate::journal::Level;

/// The settings of a run; the number of shards is that of the store.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) shards: u32,
    threads: usize,
    codec: Codec,
    pub(crate) durability: Durability,
    segment_bytes: u64,
    seals: bool,
    pub(crate) producers: u32,
    pub(crate) steps: usize,
    pub(crate) faults: Faults,
    pub(crate) fails_early: bool,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut plan = Self {
            shards: [1, 2, 4][rng.usize(..3)],
            threads: 1,
            codec: Codec::None,
            durability: Durability::Sync,
            segment_bytes: 0,
            seals: false,
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
        self.codec = [Codec::None, Codec::Lz4, Codec::Zstd(1), Codec::Auto][rng.usize(..4)];
        self.durability = match rng.u32(..6) {
            0 | 1 => Durability::Os,
            2 => Durability::Interval(Duration::from_millis(rng.u64(1..4))),
            _ => Durability::Sync,
        };
        self.segment_bytes = [5_000, 9_000, 20_000, 1 << 20][rng.usize(..4)];
        self.seals = rng.u32(..3) > 0;
        self.producers = rng.u32(1..4);
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

    pub(crate) fn options(&self) -> Options {
        Store::options()
            .shards(self.shards)
            .threads(self.threads)
            .codec(self.codec)
            .durability(self.durability)
            .segment_bytes(self.segment_bytes)
            .seal(self.seals)
            .pin(false)
    }

    /// What an answer survives.
    pub(crate) fn level(&self) -> Level {
        match self.durability {
            Durability::Sync => Level::Power,
            Durability::Os | Durability::Interval(_) => Level::Process,
        }
    }
}
