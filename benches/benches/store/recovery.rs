//! Opening a store for writing: one that was closed, and one whose process ended without a word.

use std::fs;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput};
use eventcask::{Codec, Durability, Options, Store};
use eventcask_benches::Load;
use tempfile::TempDir;

use super::{fill, load, outcome};

pub(super) fn benches(c: &mut Criterion) {
    let load = load();
    let mut group = c.benchmark_group("recovery");
    group
        .throughput(Throughput::Elements(load.len() as u64))
        .sample_size(10);
    for codec in [Codec::None, Codec::Zstd(1)] {
        let stores = Stores::made(&load, codec);
        for (name, files) in [("closed", &stores.closed), ("unclean", &stores.unclean)] {
            print(&format!("recovery/{name}/{codec}"), &stores.options, files);
            group.bench_function(format!("{name}/{codec}"), |b| {
                b.iter_batched(
                    || copy(files),
                    // Returned, so that closing and removing it are not counted.
                    |directory| (open(&stores.options, &directory), directory),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

/// The same store, once as it was when its process could have been killed.
struct Stores {
    options: Options,
    closed: PathBuf,
    unclean: PathBuf,
    _directory: TempDir,
}

impl Stores {
    fn made(load: &[Load], codec: Codec) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [closed, unclean] = ["closed", "unclean"].map(|name| directory.path().join(name));
        let options = Store::options().shards(2).codec(codec).seal(false);
        let options = options.durability(Durability::Os);
        let store = fill(&options, &closed, load);
        copy_files(&closed, &unclean);
        store.close().expect("the store closes");
        Self {
            options,
            closed,
            unclean,
            _directory: directory,
        }
    }
}

fn copy(files: &Path) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    copy_files(files, &directory.path().join("store"));
    directory
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory can be made");
    for file in fs::read_dir(from).expect("it can be listed") {
        let file = file.expect("it can be listed");
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy_files(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).expect("it can be copied");
        }
    }
}

fn open(options: &Options, directory: &TempDir) -> Store {
    let store = options.open(directory.path().join("store"));
    store.expect("the store opens")
}

fn print(name: &str, options: &Options, files: &Path) {
    let directory = copy(files);
    let store = open(options, &directory);
    let events = store.stats().events;
    outcome(&store).print(name, format_args!("{events} events"));
}
