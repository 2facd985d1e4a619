//! Read models: the same events into databases, by transactions of so many events.
//!
//! The model is how many events and bytes each aggregate has. Each run fills an empty database from
//! the log, and reads back a sum that must be the same for all.

mod sqlite;
mod redb;
mod fjall;

use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eventcask::read_model::{Batches, ReadModelOptions};
use eventcask::{Codec, Durability, FlushTicket, ReadModel, Store, Timeout};
use eventcask_benches::{Outcome, size, workload};
use std::collections::HashMap;
use tempfile::TempDir;

/// Events a transaction.
const BATCHES: [usize; 5] = [1, 10, 100, 500, 5_000];

/// Events that are fed by batches of so many: small batches get fewer, so that a run takes seconds.
fn events(batch: usize) -> usize {
    size(batch * 2, (batch * 2_000).clamp(4_000, 100_000)).min(100_000)
}

/// What a model has of each aggregate: events, and bytes of their payloads.
type Sizes = (u64, u64);

/// What events change, added up by key.
fn changes<'a>(batches: &Batches<'a>) -> HashMap<&'a str, Sizes> {
    let mut changes = HashMap::<&str, Sizes>::new();
    for batch in batches.iter() {
        for row in batch.rows() {
            let change = changes
                .entry(batch.key(batch.aggregate_index(row)))
                .or_default();
            change.0 += 1;
            change.1 += batch.payload_len(row) as u64;
        }
    }
    changes
}

/// A database to be filled.
trait Contender {
    const NAME: &'static str;
    type Model: ReadModel;

    /// A model in a new database.
    fn model(directory: &Path) -> Self::Model;

    /// The sum over all keys, from the disk.
    fn sum(directory: &Path) -> Sizes;
}

/// A store of so many events over a tenth as many aggregates.
fn filled(directory: &Path, events: usize) -> Store {
    let options = Store::options().shards(2).codec(Codec::None);
    let options = options.durability(Durability::Os).seal(false);
    let store = options.open(directory).expect("the store opens");
    let mut producer = store.producer();
    for one in workload(events, (events as u64 / 10).max(1)) {
        producer
            .push(&one.key, &one.event())
            .expect("the event is taken");
    }
    producer
        .flush()
        .and_then(FlushTicket::wait)
        .expect("stored");
    drop(producer);
    store
}

fn feed(options: ReadModelOptions, batch: usize) {
    let feed = options
        .batch_events(batch)
        .start()
        .expect("the feed starts");
    let caught_up = feed.catch_up(Timeout::Error(Duration::from_secs(600)));
    caught_up.expect("the model takes all, in time");
    feed.stop().expect("the model stops well");
}

fn contend<C: Contender>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("models/{}", C::NAME));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    for batch in BATCHES {
        let directory = TempDir::new().expect("a temporary directory");
        let events = events(batch);
        let store = filled(directory.path(), events);
        group.throughput(Throughput::Elements(events as u64));
        let mut last = None;
        group.bench_function(format!("{batch}"), |b| {
            let new = || {
                let directory = TempDir::new().expect("a temporary directory");
                let model = C::model(directory.path());
                (directory, model)
            };
            let run = |(directory, model): (TempDir, C::Model)| {
                feed(store.read_model(model), batch);
                directory
            };
            b.iter_batched(
                new,
                |input| last = Some(run(input)),
                BatchSize::PerIteration,
            );
        });
        if let Some(directory) = last {
            let (count, bytes) = C::sum(directory.path());
            assert_eq!(count, events as u64, "each event once");
            let mut outcome = Outcome::default();
            outcome.add(bytes);
            outcome.print(
                &format!("models/{}/{batch}", C::NAME),
                format!("{events} events"),
            );
        }
    }
    group.finish();
}

criterion_group!(
    models,
    contend::<sqlite::Normal>,
    contend::<redb::Synced>,
    contend::<redb::SyncedSeldom>,
    contend::<fjall::Buffered>,
);
criterion_main!(models);
