//! A store with one shard in memory, for bytes to be put into.

use std::sync::Arc;

use eventcask_log::{Error, ErrorKind, Manifest, MemoryStorage, Open, ShardDir, Storage};

use crate::repair::STORE;

pub(crate) const SEGMENT: &str = "shards/0000/0000000001.segment";

/// An empty store and its only shard.
pub(crate) fn empty_store() -> (MemoryStorage, ShardDir) {
    let storage = MemoryStorage::default();
    let manifest = Manifest::new(STORE, 1, 0).expect("one shard is allowed");
    let dir = ShardDir::new(Arc::new(storage.clone()), &manifest, 0);
    dir.create().expect("memory can be written");
    manifest.create(&storage).expect("memory can be written");
    (storage, dir)
}

/// A store whose only segment has these bytes.
pub(crate) fn store_of(segment: &[u8]) -> (MemoryStorage, ShardDir) {
    let (storage, dir) = empty_store();
    put_file(&storage, SEGMENT, segment);
    (storage, dir)
}

pub(crate) fn put_file(storage: &dyn Storage, name: &str, bytes: &[u8]) {
    let file = storage
        .open(name, Open::Create)
        .expect("memory can be written");
    file.write_all_at(bytes, 0).expect("memory can be written");
}

pub(crate) fn bytes_of(storage: &dyn Storage, name: &str) -> Vec<u8> {
    let file = storage.open(name, Open::Read).expect("the file is there");
    let length = file.len().expect("memory can be read");
    let mut bytes = vec![0; usize::try_from(length).expect("it is in memory")];
    file.read_at(&mut bytes, 0).expect("memory can be read");
    bytes
}

/// Bytes in memory can be damaged, of the future or of the past; nothing else can be wrong with them.
pub(crate) fn check_refusal(error: &Error) {
    let kind = error.kind();
    assert!(
        matches!(
            kind,
            ErrorKind::Damaged | ErrorKind::NewerFormat | ErrorKind::OlderFormat
        ),
        "bytes were refused as something else: {error}"
    );
}
