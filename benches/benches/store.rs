//! The whole store, end to end: append, open, scan.

use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eventcask::{Codec, Durability, Store};
use eventcask_benches::{Load, workload};

/// Events of one run: enough for many blocks in each shard.
const EVENTS: usize = 100_000;

fn append(directory: &Path, load: &[Load], codec: Codec, durability: Durability) {
    let options = Store::options().codec(codec).durability(durability);
    let store = options.open(directory).expect("the store opens");
    let mut producer = store.producer();
    for one in load {
        producer
            .push(&one.key, &one.event())
            .expect("the event is taken");
    }
    let flushed = producer
        .flush()
        .and_then(eventcask::FlushTicket::wait)
        .expect("stored");
    assert_eq!(flushed.stored, load.len() as u64);
    drop(producer);
    store.close().expect("the store closes");
}

fn appending(c: &mut Criterion) {
    let load = workload(EVENTS, 100_000);
    let mut group = c.benchmark_group("append");
    group
        .throughput(Throughput::Elements(EVENTS as u64))
        .sample_size(10);
    for durability in [Durability::Sync, Durability::Os] {
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1), Codec::Auto] {
            group.bench_function(format!("{durability}/{codec}"), |b| {
                b.iter_batched(
                    || tempfile::tempdir().expect("a temporary directory"),
                    |directory| {
                        append(&directory.path().join("store"), &load, codec, durability);
                        directory
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

fn reading(c: &mut Criterion) {
    let load = workload(EVENTS, 100_000);
    let mut group = c.benchmark_group("read");
    group
        .throughput(Throughput::Elements(EVENTS as u64))
        .sample_size(10);
    for codec in [Codec::None, Codec::Zstd(1)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        append(directory.path(), &load, codec, Durability::Os);
        group.bench_function(format!("open/{codec}"), |b| {
            b.iter(|| {
                Store::options()
                    .open_read_only(directory.path())
                    .expect("opens")
                    .positions()
            });
        });
        let store = Store::options()
            .open_read_only(directory.path())
            .expect("opens");
        group.bench_function(format!("scan/{codec}"), |b| {
            b.iter(|| {
                store
                    .events()
                    .iter()
                    .map(|event| event.expect("read").get().payload.len())
                    .sum::<usize>()
            });
        });
        group.bench_function(format!("verify/{codec}"), |b| {
            b.iter(|| assert!(eventcask::verify(directory.path()).expect("read").is_ok()));
        });
    }
    group.finish();
}

criterion_group!(store, appending, reading);
criterion_main!(store);
