//! Rows of which the store said what became of them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::output::{Object, Out, tell};

/// Counts of rows, which can be told also while the command waits for the store.
#[derive(Debug, Default)]
pub(super) struct Answered {
    stored: AtomicU64,
    duplicates: AtomicU64,
}

impl Answered {
    pub(super) fn add(&self, stored: u64, duplicates: u64) {
        self.stored.fetch_add(stored, Ordering::Relaxed);
        self.duplicates.fetch_add(duplicates, Ordering::Relaxed);
    }

    pub(super) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// Says what is known of an ingest that was interrupted and does not come to its end.
    pub(super) fn last_words(&self, json: bool) {
        let (stored, duplicates) = (self.stored(), self.duplicates());
        tell(&format!(
            "interrupted; {stored} rows are stored and {duplicates} were known before; others are on their way, so run it again: no row is stored twice"
        ));
        if json {
            let mut line = Vec::new();
            let mut object = Object::new(&mut line);
            object
                .number("rows", stored + duplicates)
                .number("stored", stored)
                .number("duplicates", duplicates)
                .number("interrupted", true);
            object.end();
            line.push(b'\n');
            let mut out = Out::new();
            // Who does not listen any more is not told.
            let _ = out.write(&line).and_then(|()| out.flush());
        }
    }
}
