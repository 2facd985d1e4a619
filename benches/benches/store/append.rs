//! Events into a fresh store until they are acknowledged and it is closed, for each durability and
//! codec; beside them the same records in a log that is written by hand.

use std::path::Path;
use std::thread;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use eventcask::event::route;
use eventcask::{Codec, Durability, Expected, Options, ShardOwner, Store, Ticket};
use eventcask_benches::Load;

use super::{events, fill, load, outcome, plain_log};

const CODECS: [Codec; 6] = [
    Codec::None,
    Codec::Lz4,
    Codec::Zstd(1),
    Codec::TextLz4,
    Codec::TextZstd(1),
    Codec::Auto,
];
/// Fixed, so that the outcome is the same on all machines.
const SHARDS: u32 = 2;
/// Handlers that append at the same time, and events that they have together at most.
const HANDLERS: usize = 16;
const HANDLED: usize = 4_000;

pub(super) fn benches(c: &mut Criterion) {
    let load = load();
    print(&load);
    let mut group = c.benchmark_group("append");
    group
        .throughput(Throughput::Elements(load.len() as u64))
        .sample_size(10);
    for threads in 1..=2 {
        in_fresh(&mut group, &format!("plain-log/{threads}"), |directory| {
            plain_log::write(directory, &load, threads);
        });
    }
    for durability in [Durability::Sync, Durability::Os] {
        for codec in CODECS {
            let options = options(codec, durability);
            in_fresh(&mut group, &format!("{durability}/{codec}"), |directory| {
                let store = fill(&options, directory, &load);
                store.close().expect("the store closes");
            });
        }
    }
    let by_shard = by_shard(load);
    for codec in CODECS {
        let options = options(codec, Durability::Sync);
        in_fresh(&mut group, &format!("owned/sync/{codec}"), |directory| {
            fill_owned(&options, directory, &by_shard);
        });
    }
    handlers(&mut group, &by_shard.concat());
    group.finish();
}

/// Handlers that append one event at a time, each when the one before was answered: with a producer
/// each, and with none.
fn handlers(group: &mut BenchmarkGroup<'_, WallTime>, load: &[Load]) {
    let load = &load[..HANDLED.min(load.len())];
    group.throughput(Throughput::Elements(load.len() as u64));
    for durability in [Durability::Sync, Durability::Os] {
        let options = options(Codec::Auto, durability);
        for (way, handler) in [("producers", by_producer as Handler), ("store", by_store)] {
            let name = format!("handlers/{durability}/{way}");
            in_fresh(group, &name, |directory| {
                let store = options.open(directory).expect("the store opens");
                thread::scope(|scope| {
                    for load in load.chunks(load.len().div_ceil(HANDLERS)) {
                        let store = &store;
                        scope.spawn(move || handler(store, load));
                    }
                });
                store.close().expect("the store closes");
            });
        }
    }
}

type Handler = fn(&Store, &[Load]);

fn by_producer(store: &Store, load: &[Load]) {
    let mut producer = store.producer();
    for one in load {
        let ticket = producer.append(&one.key, Expected::Any, &[one.event()]);
        ticket.and_then(Ticket::wait).expect("it is stored");
    }
}

fn by_store(store: &Store, load: &[Load]) {
    for one in load {
        let ticket = store.append(&one.key, Expected::Any, &[one.event()]);
        ticket.and_then(Ticket::wait).expect("it is stored");
    }
}

fn options(codec: Codec, durability: Durability) -> Options {
    let options = Store::options().shards(SHARDS);
    options.codec(codec).durability(durability)
}

/// Measures what is done in a directory that is new each time; removing it is not counted.
fn in_fresh(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, work: impl Fn(&Path)) {
    group.bench_function(name, |b| {
        b.iter_batched(
            || tempfile::tempdir().expect("a temporary directory"),
            |directory| {
                work(&directory.path().join("store"));
                directory
            },
            BatchSize::PerIteration,
        );
    });
}

/// The events of each shard, in order.
fn by_shard(load: Vec<Load>) -> Vec<Vec<Load>> {
    let mut shards = vec![Vec::new(); SHARDS as usize];
    for one in load {
        shards[route(&one.key, SHARDS) as usize].push(one);
    }
    shards
}

/// A thread for each shard makes its batches and does its work.
fn fill_owned(options: &Options, directory: &Path, load: &[Vec<Load>]) {
    let (store, owners) = options.open_owned(directory).expect("the store opens");
    thread::scope(|scope| {
        for (owner, load) in owners.into_iter().zip(load) {
            scope.spawn(move || push_all(owner, load));
        }
    });
    store.close().expect("the store closes");
}

fn push_all(mut owner: ShardOwner, load: &[Load]) {
    owner.pin();
    for one in load {
        owner
            .push(&one.key, &one.event())
            .expect("the event is taken");
    }
    let ticket = owner.flush().expect("it is open");
    let flushed = owner.wait(ticket).expect("stored");
    assert_eq!(flushed.stored, load.len() as u64);
}

/// All ways to append store the same.
fn print(load: &[Load]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = options(Codec::None, Durability::Os);
    let (one, other) = (
        directory.path().join("producer"),
        directory.path().join("owned"),
    );
    let stored = outcome(&fill(&options, &one, load));
    fill_owned(&options, &other, &by_shard(load.to_vec()));
    let store = options.open_read_only(&other).expect("the store opens");
    assert!(
        outcome(&store) == stored,
        "owners store the same as producers"
    );
    stored.print(
        "append",
        format_args!("{} events, {SHARDS} shards", events()),
    );
}
