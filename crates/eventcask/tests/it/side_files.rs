//! The files beside the log: what a repair makes of one that is damaged.

use std::path::Path;
use std::sync::Arc;

use eventcask::storage::{FileStorage, Open, Storage};
use eventcask::{Store, Timestamp, repair, verify};

use crate::support::put;

/// A store of which two events were given up by time and a subscription has seen one.
fn make(path: &Path) {
    let store = Store::options().shards(1).pin(false).open(path).unwrap();
    put(&store, "a", "1");
    put(&store, "b", "2");
    let last = store.events().iter().last().unwrap().unwrap();
    let after = last.get().commit_time.as_nanos() + 1;
    put(&store, "c", "3");
    let mut letters = store.events().named("letters").unwrap();
    letters.try_next().unwrap();
    letters.checkpoint().unwrap();
    drop(letters);
    store.truncate_before(Timestamp::from_nanos(after)).unwrap();
    store.close().unwrap();
}

/// The advice for a damaged subscription was a repair, which did not look at it.
#[test]
fn c8_a_damaged_file_beside_the_log_is_named_and_set_aside_and_what_that_means_is_said() {
    for (name, means, shown, subscriptions) in [
        ("RETENTION", "are shown again", 3, 1),
        ("subscriptions/0001", "begins anew", 1, 0),
        ("ENDS", "noted anew", 1, 1),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        make(path);
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(path));
        let file = storage.open(name, Open::Write).unwrap();
        file.write_all_at(b"?", 130).unwrap();
        let problems = verify(path).unwrap().problems;
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert!(problems[0].file.ends_with(name), "{problems:?}");

        let report = repair(path).unwrap();
        assert!(report.verified.is_ok(), "{name}: {:?}", report.verified);
        assert_eq!(report.files.len(), 1, "{name}: {:?}", report.files);
        assert!(report.files[0].contains(means), "{:?}", report.files);
        assert!(path.join(format!("{name}.damaged")).is_file());
        let store = Store::options().open(path).unwrap();
        assert_eq!(store.events().iter().count(), shown, "{name}");
        assert_eq!(store.stats().subscriptions.len(), subscriptions, "{name}");
    }
}
