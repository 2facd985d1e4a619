//! The manifest of a store.

use eventcask_log::{Manifest, MemoryStorage};

use super::stage;
use crate::bound::bounded;

/// Decodes a manifest; what decodes is written to the same bytes, feature words aside.
pub fn manifest(bytes: &[u8]) -> bool {
    let manifest = match bounded(4096, || Manifest::decode("MANIFEST", bytes)) {
        Ok(manifest) => manifest,
        Err(error) => {
            stage::check_refusal(&error);
            return false;
        }
    };
    assert!(manifest.shards.is_power_of_two());
    let storage = MemoryStorage::default();
    manifest.create(&storage).expect("memory can be written");
    let written = stage::bytes_of(&storage, "MANIFEST");
    let has_features = bytes[16..40].iter().any(|byte| *byte != 0);
    assert!(
        has_features || written == bytes,
        "it is written as it was read"
    );
    let read = Manifest::read(&storage).expect("what was written can be read");
    let writable = Manifest {
        writable: true,
        ..manifest
    };
    assert_eq!(read, writable);
    true
}
