//! Blocks to bytes and back, for each codec.

use criterion::{BatchSize, Criterion, Throughput};
use eventcask_benches::{Load, Outcome, batch, workload};
use eventcask_event::{Columns, EventBatch, EventId, NO_POSITION, PayloadBytes};
use eventcask_log::{Block, BlockHead, Codec, Compressor, Payloads};

use super::EVENTS;

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Lz4,
    Codec::Zstd(1),
    Codec::TextLz4,
    Codec::TextZstd(1),
];

pub(super) fn benches(c: &mut Criterion) {
    let block = block(&workload(EVENTS, 1_000_000));
    for codec in CODECS {
        let mut compressor = Compressor::default();
        let mut bytes = Vec::new();
        let head = block.encode(codec, &mut compressor, &mut bytes);
        let mut outcome = Outcome::default();
        outcome.add_bytes(&bytes);
        let per_event = bytes.len() as f64 / EVENTS as f64;
        outcome.print(
            &format!("block/{codec}"),
            format_args!("{EVENTS} events, {per_event:.1} bytes each"),
        );
        let mut group = c.benchmark_group(format!("block/{codec}"));
        group.throughput(Throughput::Elements(EVENTS as u64));
        let mut again = Vec::new();
        group.bench_function("encode", |b| {
            b.iter(|| {
                again.clear();
                block.encode(codec, &mut compressor, &mut again)
            });
        });
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

/// A block of the workload in which each row has an aggregate of its own.
pub(super) fn block(load: &[Load]) -> Block {
    let (columns, ids, payloads) = parts(&mut batch(load));
    let head = BlockHead {
        rows: load.len() as u32,
        ..BlockHead::default()
    };
    Block::new(head, columns, ids, payloads).expect("the parts fit")
}

fn parts(batch: &mut EventBatch) -> (Columns, Vec<u8>, Vec<PayloadBytes>) {
    let mut columns = Columns::default();
    let mut ids = Vec::new();
    for event_type in batch.types() {
        columns.add_type(
            event_type.name(),
            event_type.schema(),
            event_type.encoding(),
            event_type.shape(),
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
