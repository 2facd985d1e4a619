//! The parts of the path, one by one: routing, the producer's encoding, blocks per codec.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eventcask_benches::{Load, batch, workload};
use eventcask_event::{Columns, EventBatch, EventId, NO_POSITION, murmur2, route};
use eventcask_log::{Block, BlockHead, Codec, Compressor, Payloads};

/// Events of one block: about 256 KiB.
const EVENTS: usize = 1800;

fn routing(c: &mut Criterion) {
    let load = workload(EVENTS, 1_000_000);
    let mut group = c.benchmark_group("routing");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("murmur2", |b| {
        b.iter(|| {
            load.iter()
                .map(|one| route(black_box(&one.key), 16))
                .sum::<u32>()
        });
    });
    group.finish();
}

fn producing(c: &mut Criterion) {
    let load = workload(EVENTS, 1_000_000);
    let mut group = c.benchmark_group("producer");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let mut open = EventBatch::default();
    group.bench_function("encode", |b| {
        b.iter(|| {
            open.clear();
            for one in &load {
                open.push(&one.key, 0, &one.event())
                    .expect("within the limits");
            }
            open.len()
        });
    });
    group.finish();
}

/// The columns of a block in which each row has an aggregate of its own.
fn columns(batch: &mut EventBatch) -> (Columns, Vec<u8>, Vec<Vec<u8>>) {
    let mut columns = Columns::default();
    let mut ids = Vec::new();
    for event_type in batch.types() {
        columns.add_type(
            event_type.name(),
            event_type.schema(),
            event_type.encoding(),
        );
    }
    for row in 0..batch.len() {
        columns.aggregates.push(row as u32);
        columns.add_aggregate(batch.key(row), NO_POSITION);
        columns.types.push(batch.type_index(row));
        columns.versions.push(1);
        columns
            .payload_lengths
            .push(batch.payload(row).len() as u32);
        let id = batch.id(row).map_or(0, EventId::as_u128);
        ids.extend_from_slice(&id.to_le_bytes());
    }
    (columns, ids, batch.take_payloads())
}

fn block(load: &[Load]) -> Block {
    let (columns, ids, payloads) = columns(&mut batch(load));
    let head = BlockHead {
        rows: load.len() as u32,
        ..BlockHead::default()
    };
    Block::new(head, &columns, ids, payloads).expect("the parts fit")
}

fn blocks(c: &mut Criterion) {
    let load = workload(EVENTS, 1_000_000);
    let block = block(&load);
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd(-1), Codec::Zstd(1)] {
        let mut group = c.benchmark_group(format!("block/{codec}"));
        group.throughput(Throughput::Elements(EVENTS as u64));
        let mut compressor = Compressor::default();
        let mut bytes = Vec::new();
        group.bench_function("encode", |b| {
            b.iter(|| {
                bytes.clear();
                block.encode(codec, &mut compressor, &mut bytes)
            });
        });
        bytes.clear();
        let head = block.encode(codec, &mut compressor, &mut bytes);
        let per_event = bytes.len() as f64 / EVENTS as f64;
        println!(
            "block/{codec}: {per_event:.1} bytes/event, hash {:08x}",
            murmur2(&bytes)
        );
        group.bench_function("decode", |b| {
            b.iter_batched(
                || head.clone(),
                |head| Block::decode(head, &bytes, Payloads::All).expect("a good block"),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

criterion_group!(parts, routing, producing, blocks);
criterion_main!(parts);
