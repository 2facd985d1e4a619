//! Reading all events: opening, one by one, all values of each, into a projection, and only
//! checking them.

use criterion::{Criterion, Throughput};
use eventcask::{Codec, Durability, Store, StoreReader};
use eventcask_benches::{Sums, size};

use super::{fill, load, outcome};

pub(super) fn benches(c: &mut Criterion) {
    let load = load();
    let mut group = c.benchmark_group("replay");
    group
        .throughput(Throughput::Elements(load.len() as u64))
        .sample_size(size(10, 20));
    for codec in [Codec::None, Codec::TextZstd(1), Codec::Zstd(1)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = Store::options().shards(2).codec(codec);
        let options = options.durability(Durability::Os).seal(false);
        let store = fill(&options, directory.path(), &load);
        store.close().expect("the store closes");
        let open = || options.open_read_only(directory.path()).expect("opens");
        let store = open();
        let parameters = format!("{} events", load.len());
        outcome(&store).print(&format!("replay/{codec}"), parameters);
        group.bench_function(format!("open/{codec}"), |b| b.iter(|| open().positions()));
        group.bench_function(format!("scan/{codec}"), |b| b.iter(|| scan(&store)));
        group.bench_function(format!("read/{codec}"), |b| b.iter(|| read(&store)));
        group.bench_function(format!("batches/{codec}"), |b| b.iter(|| batches(&store)));
        group.bench_function(format!("keyed/{codec}"), |b| {
            b.iter(|| store.projection(Sums).sync().start().expect("projected"));
        });
        group.bench_function(format!("verify/{codec}"), |b| {
            b.iter(|| assert!(eventcask::verify(directory.path()).expect("read").is_ok()));
        });
    }
    group.finish();
}

fn scan(store: &StoreReader) -> usize {
    let bytes = |event: Result<eventcask::Event, _>| {
        let event = event.expect("read");
        event.payload().len()
    };
    store.events().iter().map(bytes).sum()
}

fn batches(store: &StoreReader) -> usize {
    let mut bytes = 0;
    for batch in store.events().batches() {
        let batch = batch.expect("read");
        let batch = batch.get();
        bytes += batch
            .rows()
            .map(|row| batch.payload(row).len())
            .sum::<usize>();
    }
    bytes
}

/// As a reader does that asks five things of each event.
fn read(store: &StoreReader) -> u64 {
    let ask = |event: Result<eventcask::Event, _>| {
        let event = event.expect("read");
        let texts = event.key().len() + event.event_type().len() + event.payload().len();
        let time = event.time().unwrap_or(event.commit_time());
        texts as u64 ^ event.version() ^ time.as_nanos().cast_unsigned()
    };
    store.events().iter().map(ask).fold(0, u64::wrapping_add)
}
