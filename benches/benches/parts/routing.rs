//! From a key to its shard.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use eventcask_benches::{Outcome, workload};
use eventcask_event::route;

use super::EVENTS;

const SHARDS: u32 = 16;

pub(super) fn benches(c: &mut Criterion) {
    let load = workload(EVENTS, 1_000_000);
    let mut outcome = Outcome::default();
    for one in &load {
        outcome.add(route(&one.key, SHARDS).into());
    }
    outcome.print("routing", format_args!("{EVENTS} keys, {SHARDS} shards"));
    let mut group = c.benchmark_group("routing");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("murmur2", |b| {
        b.iter(|| {
            load.iter()
                .map(|one| route(black_box(&one.key), SHARDS))
                .sum::<u32>()
        });
    });
    group.finish();
}
