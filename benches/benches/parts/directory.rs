//! Aggregates that are looked up by their keys.

use criterion::{Criterion, Throughput};
use eventcask_benches::{Outcome, SEED, size};
use eventcask_shard::{Directory, KeyHasher};

use super::ROWS_AHEAD;

/// Look-ups of one round: more than caches hold.
const LOOKUPS: usize = 1 << 18;
/// Bytes of a key.
const KEY: usize = 17;

pub(super) fn benches(c: &mut Criterion) {
    for aggregates in size([100, 1000], [100_000, 2_000_000]) {
        let filled = Filled::with(aggregates);
        let lookups = filled.lookups(size(1000, LOOKUPS));
        let outcome = filled.plain(&lookups);
        assert!(outcome == filled.prefetched(&lookups));
        let bytes = filled.directory.memory_bytes() as f64 / aggregates as f64 - KEY as f64;
        let parameters = format!("{aggregates} aggregates, {bytes:.1} bytes each beyond the key");
        outcome.print("directory", parameters);
        let mut group = c.benchmark_group(format!("directory/{aggregates}"));
        group
            .throughput(Throughput::Elements(lookups.len() as u64))
            .sample_size(20);
        group.bench_function("plain", |b| b.iter(|| filled.plain(&lookups)));
        group.bench_function("prefetched", |b| b.iter(|| filled.prefetched(&lookups)));
        group.finish();
    }
}

struct Filled {
    directory: Directory,
    hasher: KeyHasher,
    aggregates: u64,
}

/// A key beside its hash, as they lie in a batch.
struct Lookup {
    hash: u64,
    key: [u8; KEY],
}

impl Lookup {
    fn key(&self) -> &str {
        std::str::from_utf8(&self.key).expect("keys are text")
    }
}

impl Filled {
    fn with(aggregates: u64) -> Self {
        let mut filled = Self {
            directory: Directory::default(),
            hasher: KeyHasher::default(),
            aggregates,
        };
        for number in 0..aggregates {
            let lookup = filled.lookup(number);
            let slot = filled.directory.add(lookup.hash, lookup.key());
            filled.directory.admit(slot, number);
        }
        filled
    }

    fn lookup(&self, aggregate: u64) -> Lookup {
        let text = format!("account-{aggregate:09}");
        Lookup {
            hash: self.hasher.hash(&text),
            key: text.as_bytes().try_into().expect("all are of one length"),
        }
    }

    /// Aggregates in no order.
    fn lookups(&self, count: usize) -> Vec<Lookup> {
        let mut random = fastrand::Rng::with_seed(SEED);
        let one = |_| self.lookup(random.u64(..self.aggregates));
        (0..count).map(one).collect()
    }

    fn plain(&self, lookups: &[Lookup]) -> Outcome {
        let mut outcome = Outcome::default();
        self.find_all(lookups, &mut outcome);
        outcome
    }

    fn find_all(&self, lookups: &[Lookup], outcome: &mut Outcome) {
        for lookup in lookups {
            let slot = self.directory.find(lookup.hash, lookup.key());
            outcome.add(slot.expect("it was added").into());
        }
    }

    /// As admission does it.
    fn prefetched(&self, lookups: &[Lookup]) -> Outcome {
        let mut outcome = Outcome::default();
        for (number, these) in lookups.chunks(ROWS_AHEAD).enumerate() {
            if number == 0 {
                self.ask_for(these);
            }
            self.ask_for(super::next(lookups, number));
            for lookup in these {
                self.directory.prefetch_entry(lookup.hash);
            }
            self.find_all(these, &mut outcome);
        }
        outcome
    }

    fn ask_for(&self, lookups: &[Lookup]) {
        for lookup in lookups {
            self.directory.prefetch(lookup.hash);
        }
    }
}
