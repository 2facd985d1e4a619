//! From events to a batch.

use criterion::{Criterion, Throughput};
use eventcask_benches::{Outcome, batch, workload};
use eventcask_event::EventBatch;
use eventcask_shard::KeyHasher;

use super::EVENTS;

pub(super) fn benches(c: &mut Criterion) {
    let load = workload(EVENTS, 1_000_000);
    let made = batch(&load);
    let mut outcome = Outcome::default();
    outcome.add_batch(&made);
    outcome.print(
        "producer",
        format_args!("{EVENTS} events, {} bytes", made.bytes()),
    );
    let mut group = c.benchmark_group("producer");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let (mut open, hasher) = (EventBatch::default(), KeyHasher::default());
    group.bench_function("encode", |b| {
        b.iter(|| {
            open.clear();
            for one in &load {
                open.push(&one.key, hasher.hash(&one.key), &one.event())
                    .expect("within the limits");
            }
            open.len()
        });
    });
    group.finish();
}
