//! Blocks into a keyed projection.

use criterion::{Criterion, Throughput};
use eventcask::{Batch, PerAggregate, Projection};
use eventcask_benches::{Outcome, Sums, size, workload};
use eventcask_log::Block;

use super::EVENTS;
use super::block::block;

/// Blocks of one round: their aggregates are more than caches hold.
const BLOCKS: usize = 100;

pub(super) fn benches(c: &mut Criterion) {
    for aggregates in size([1000, 10_000], [100_000, 1_000_000]) {
        let blocks = blocks(size(2, BLOCKS), aggregates);
        let mut state = PerAggregate::default();
        apply(&mut state, &blocks);
        print(&state, aggregates);
        let mut group = c.benchmark_group("projection/keyed");
        let events = blocks.len() * EVENTS;
        group
            .throughput(Throughput::Elements(events as u64))
            .sample_size(20);
        group.bench_function(format!("{aggregates}"), |b| {
            b.iter(|| apply(&mut state, &blocks));
        });
        group.finish();
    }
}

fn blocks(count: usize, aggregates: u64) -> Vec<Block> {
    let load = workload(count * EVENTS, aggregates);
    load.chunks(EVENTS).map(block).collect()
}

fn apply(state: &mut PerAggregate<(u64, u64)>, blocks: &[Block]) {
    for block in blocks {
        let batch = Batch::new(block.events(), 0, false);
        Sums.apply(state, &batch).expect("applied");
    }
}

fn print(state: &PerAggregate<(u64, u64)>, aggregates: u64) {
    let mut outcome = Outcome::default();
    for (key, (events, bytes)) in state.iter() {
        outcome.add_bytes(key.as_bytes());
        outcome.add(*events);
        outcome.add(*bytes);
    }
    let seen = state.len();
    outcome.print(
        "projection/keyed",
        format_args!("{seen} of {aggregates} aggregates"),
    );
}
