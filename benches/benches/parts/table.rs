//! Probes of the tables in memory, beside those of `hashbrown`.

use criterion::{Criterion, Throughput};
use eventcask_benches::{Outcome, SEED, size};
use eventcask_table::{IndexTable, prefetch};
use hashbrown::HashTable;

use super::ROWS_AHEAD;

/// Probes of one round: more than caches hold.
const PROBES: usize = 1 << 18;

pub(super) fn benches(c: &mut Criterion) {
    for entries in size([1000, 10_000], [100_000, 4_000_000]) {
        let tables = Tables::with(entries);
        let probes = tables.probes(size(1000, PROBES));
        let (plain, ahead) = (tables.plain(&probes), tables.prefetched(&probes));
        assert!(plain == ahead && plain == tables.hashbrown(&probes));
        let mut outcome = Outcome::default();
        outcome.add(plain);
        outcome.print("table", format_args!("{entries} entries"));
        let mut group = c.benchmark_group(format!("table/{entries}"));
        group
            .throughput(Throughput::Elements(probes.len() as u64))
            .sample_size(20);
        group.bench_function("plain", |b| b.iter(|| tables.plain(&probes)));
        group.bench_function("prefetched", |b| b.iter(|| tables.prefetched(&probes)));
        group.bench_function("hashbrown", |b| b.iter(|| tables.hashbrown(&probes)));
        group.finish();
    }
}

/// The same entries in both tables; an entry is no more than its hash.
struct Tables {
    hashes: Vec<u64>,
    ours: IndexTable,
    theirs: HashTable<u32>,
}

impl Tables {
    fn with(entries: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        let hashes: Vec<u64> = (0..entries).map(|_| random.u64(..)).collect();
        let (mut ours, mut theirs) = (IndexTable::default(), HashTable::new());
        for (index, hash) in (0..).zip(&hashes) {
            ours.insert(*hash, index);
            theirs.insert_unique(*hash, index, |index| hashes[*index as usize]);
        }
        Self {
            hashes,
            ours,
            theirs,
        }
    }

    /// Hashes of entries in no order.
    fn probes(&self, count: usize) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(SEED + 1);
        let probe = |_| self.hashes[random.usize(..self.hashes.len())];
        (0..count).map(probe).collect()
    }

    fn find(&self, hash: u64) -> u64 {
        let found = self
            .ours
            .find(hash, |index| self.hashes[index as usize] == hash);
        found.map_or(0, u64::from)
    }

    fn plain(&self, probes: &[u64]) -> u64 {
        probes.iter().map(|hash| self.find(*hash)).sum()
    }

    /// Asks for the buckets of the next probes and for the entries of these, before it looks.
    fn prefetched(&self, probes: &[u64]) -> u64 {
        let mut sum = 0;
        for (number, these) in probes.chunks(ROWS_AHEAD).enumerate() {
            if number == 0 {
                self.ask_for(these);
            }
            self.ask_for(super::next(probes, number));
            for hash in these {
                if let Some(index) = self.ours.likely(*hash) {
                    prefetch(&self.hashes, index as usize);
                }
            }
            sum += self.plain(these);
        }
        sum
    }

    fn ask_for(&self, probes: &[u64]) {
        for hash in probes {
            self.ours.prefetch(*hash);
        }
    }

    fn hashbrown(&self, probes: &[u64]) -> u64 {
        let find = |hash: &u64| {
            let found = self
                .theirs
                .find(*hash, |index| self.hashes[*index as usize] == *hash);
            found.map_or(0, |index| u64::from(*index))
        };
        probes.iter().map(find).sum()
    }
}
