//! One aggregate of 50 events, out of many.

use criterion::{Criterion, Throughput};
use eventcask::{Codec, Durability, Options, Store};
use eventcask_benches::{Load, Outcome, SEED, workload};

use super::{events, fill};

const EVENTS: u64 = 50;

pub(super) fn benches(c: &mut Criterion) {
    let aggregates = events() as u64 / EVENTS;
    let mut load = workload(events(), aggregates);
    deal_out(&mut load, aggregates);
    let mut group = c.benchmark_group("point-load");
    group
        .throughput(Throughput::Elements(EVENTS))
        .sample_size(50);
    for codec in [Codec::None, Codec::TextZstd(1), Codec::Zstd(1)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = fill(&options(codec), directory.path(), &load);
        print(&store, codec, aggregates);
        let mut random = fastrand::Rng::with_seed(SEED);
        group.bench_function(format!("{codec}"), |b| {
            b.iter(|| read(&store, random.u64(..aggregates), &mut Outcome::default()));
        });
    }
    group.finish();
}

fn options(codec: Codec) -> Options {
    let options = Store::options().shards(2).codec(codec);
    options.durability(Durability::Os).seal(false)
}

/// Gives each aggregate as many events, far apart.
fn deal_out(load: &mut [Load], aggregates: u64) {
    for (number, one) in (0..).zip(load) {
        one.key = key(number % aggregates);
    }
}

fn key(aggregate: u64) -> String {
    format!("account-{aggregate:09}")
}

fn read(store: &Store, aggregate: u64, outcome: &mut Outcome) {
    let mut read = 0;
    for event in store.aggregate(&key(aggregate)).events().expect("read") {
        let event = event.expect("read");
        outcome.add_bytes(event.payload());
        read += 1;
    }
    assert_eq!(read, EVENTS);
}

fn print(store: &Store, codec: Codec, aggregates: u64) {
    let mut outcome = Outcome::default();
    for aggregate in 0..10 {
        read(store, aggregate, &mut outcome);
    }
    let parameters = format!("{EVENTS} of {} events, {aggregates} aggregates", events());
    outcome.print(&format!("point-load/{codec}"), parameters);
}
