//! Framed files: definitions and snapshots of views, alone and in a store.

use std::sync::{Arc, OnceLock};

use eventcask::Store;
use eventcask_log::{Framed, FramedKind, MemoryStorage, Storage};

use super::stage::{self, put_file};
use crate::bound::bounded;
use crate::corpus;

/// Memory beside the body, of which there are a few copies.
const OTHER_BYTES: usize = 16 << 10;

/// Decodes a framed file; then opens a store that has it as a definition or as a snapshot.
pub fn framed(bytes: &[u8]) -> bool {
    let bytes_max = 4 * bytes.len() + OTHER_BYTES;
    let framed = match bounded(bytes_max, || Framed::decode("file", bytes)) {
        Ok(framed) => framed,
        Err(error) => {
            stage::check_refusal(&error);
            return false;
        }
    };
    let storage = MemoryStorage::default();
    put_file(&storage, "file", bytes);
    let read = bounded(bytes_max, || Framed::read(&storage, "file"));
    assert_eq!(
        read.ok().as_ref(),
        Some(&framed),
        "a file is read as its bytes are"
    );
    framed
        .write(&storage, "", "new")
        .expect("memory can be written");
    let has_features = bytes[16..40].iter().any(|byte| *byte != 0);
    let is_same = stage::bytes_of(&storage, "new") == bytes;
    assert!(has_features || is_same, "it is written as it was read");
    open_with(framed.kind, bytes)
}

/// A store with a few events, made once.
fn store_with_events() -> MemoryStorage {
    static STORE: OnceLock<MemoryStorage> = OnceLock::new();
    let store = || stage::store_of(&corpus::segment_for_views()).0;
    STORE.get_or_init(store).copy()
}

/// Opens a store that has this file; a snapshot stands beside a definition that is right.
fn open_with(kind: FramedKind, bytes: &[u8]) -> bool {
    let storage = store_with_events();
    match kind {
        FramedKind::ViewDefinition => put_definition(&storage, bytes),
        FramedKind::Retention => put_file(&storage, "RETENTION", bytes),
        FramedKind::Ends => put_file(&storage, "ENDS", bytes),
        FramedKind::Origin => {
            put_file(&storage, "MANIFEST", &corpus::manifest_of_another());
            put_file(&storage, "ORIGIN", bytes);
        }
        FramedKind::ViewState => {
            put_definition(&storage, &corpus::definition_file());
            put_file(&storage, "views/0001/0000.snapshot", bytes);
        }
        FramedKind::Fold => put_below(&storage, &["folds", "folds/0"], "0.snapshot", bytes),
        FramedKind::ProjectionDefinition => put_below(&storage, &PROJECTION, "definition", bytes),
        FramedKind::ProjectionState => put_below(&storage, &PROJECTION, "0000.snapshot", bytes),
        FramedKind::Subscription => put_below(&storage, &["subscriptions"], "0001", bytes),
    }
    let store = Store::options().open_read_only(Arc::new(storage));
    let Ok(store) = store.inspect_err(|error| assert!(!error.to_string().is_empty())) else {
        assert_ne!(
            kind,
            FramedKind::ViewState,
            "a snapshot is made again if need be"
        );
        return false;
    };
    for view in store.views() {
        let rows = view.rows().expect("the view runs");
        let json = serde_json::to_string(&rows).expect("rows are JSON");
        serde_json::from_str::<serde::de::IgnoredAny>(&json).expect("rows are JSON");
    }
    kind == FramedKind::Origin || store.views().len() == 1
}

/// The directory of the first projection, from the outermost.
const PROJECTION: [&str; 2] = ["projections", "projections/0001"];

/// Puts a file into the innermost of some directories.
fn put_below(storage: &MemoryStorage, dirs: &[&str], name: &str, bytes: &[u8]) {
    let mut path = name.to_owned();
    for dir in dirs {
        storage.create_dir(dir).expect("memory can be written");
        path = format!("{dir}/{name}");
    }
    put_file(storage, &path, bytes);
}

/// Gives a store a view.
pub(super) fn put_definition(storage: &MemoryStorage, definition: &[u8]) {
    for dir in ["views", "views/0001"] {
        storage.create_dir(dir).expect("memory can be written");
    }
    put_file(storage, "views/0001/definition", definition);
}
