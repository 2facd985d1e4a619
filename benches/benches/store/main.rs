//! The whole store, end to end.

mod append;
mod plain_log;
mod recovery;
mod replay;
mod point_load;

use std::path::Path;

use criterion::{criterion_group, criterion_main};
use eventcask::{FlushTicket, Options, Store, StoreReader};
use eventcask_benches::{Load, Outcome, size, workload};

/// Events of a store: enough for many blocks in each shard.
fn events() -> usize {
    size(2000, 500_000)
}

/// Aggregates of a store, unless said otherwise.
fn aggregates() -> u64 {
    events() as u64 / 2
}

/// The events that all stores get.
fn load() -> Vec<Load> {
    workload(events(), aggregates())
}

/// Stores all events, and returns the store.
fn fill(options: &Options, directory: &Path, load: &[Load]) -> Store {
    let store = options.open(directory).expect("the store opens");
    let mut producer = store.producer();
    for one in load {
        producer
            .push(&one.key, &one.event())
            .expect("the event is taken");
    }
    let flushed = producer
        .flush()
        .and_then(FlushTicket::wait)
        .expect("stored");
    assert_eq!(flushed.stored, load.len() as u64);
    drop(producer);
    store
}

/// What a store has, in one number: the same for the same events, whatever the codec.
fn outcome(store: &StoreReader) -> Outcome {
    let mut outcome = Outcome::default();
    for shard in 0..store.shards() {
        for event in &store.events().shard(shard) {
            let event = event.expect("read");
            let event = event.get();
            outcome.add(event.position);
            outcome.add(event.version);
            outcome.add_bytes(event.key.as_bytes());
            outcome.add_bytes(event.payload);
        }
    }
    outcome
}

criterion_group!(
    store,
    append::benches,
    recovery::benches,
    replay::benches,
    point_load::benches
);
criterion_main!(store);
