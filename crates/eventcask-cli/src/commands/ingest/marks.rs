//! How far a store has a file, and whether it is still the same file.

use eventcask::StoreReader;
use eventcask::read::Consumed;

use crate::failure::Failure;

/// The marks that there are of a file.
pub(super) struct Marks {
    consumed: Consumed,
    /// Number of rows and the check after them, of each mark, rising.
    checks: Vec<(u64, u64)>,
    /// The first of `checks` that the file has not come to.
    next: usize,
}

impl Marks {
    pub(super) fn new(store: &StoreReader, source: &str) -> Self {
        let consumed = store.consumed(source);
        let checks = consumed.marks().map(|mark| (mark.next, mark.check));
        let mut checks: Vec<_> = checks.collect();
        checks.sort_unstable();
        checks.dedup();
        Self {
            consumed,
            checks,
            next: 0,
        }
    }

    /// The same marks, for who reads the file once more.
    pub(super) fn rewound(&self) -> Self {
        Self {
            consumed: self.consumed.clone(),
            checks: self.checks.clone(),
            next: 0,
        }
    }

    /// Whether the row is stored.
    pub(super) fn has(&self, ordinal: u64, key: &str) -> bool {
        let may_be = self.checks.last().is_some_and(|(rows, _)| ordinal < *rows);
        may_be && self.consumed.has(ordinal, key)
    }

    /// Whether a mark is just behind this row.
    pub(super) fn end_with(&self, ordinal: u64, check: u64) -> bool {
        self.checks.contains(&(ordinal + 1, check))
    }

    /// Whether the file came to all marks, so that it is the same as far as the store has it.
    pub(super) fn are_met(&self) -> bool {
        self.next == self.checks.len()
    }

    /// Whether the file came as far as the store has it.
    pub(super) fn check_end(&self) -> Result<(), OtherFile> {
        match self.checks.get(self.next) {
            None => Ok(()),
            Some((rows, _)) => Err(OtherFile { rows: *rows }),
        }
    }

    /// Compares the file with the one that the store has rows of.
    pub(super) fn compare(&mut self, ordinal: u64, check: u64) -> Result<(), OtherFile> {
        let rows = ordinal + 1;
        while let Some((marked, expected)) = self.checks.get(self.next) {
            if *marked > rows {
                break;
            }
            if *marked < rows || *expected != check {
                return Err(OtherFile { rows: *marked });
            }
            self.next += 1;
        }
        Ok(())
    }
}

/// The file is not the one that was ingested before.
#[derive(Debug)]
pub(super) struct OtherFile {
    rows: u64,
}

impl OtherFile {
    pub(super) fn failure(&self, file: &str) -> Failure {
        let rows = self.rows;
        Failure::Input(format!(
            "{file}: its first {rows} rows are not those that were ingested from this place before; pass --source NAME to take it in as another file, or --id FIELD to tell rows by an id"
        ))
    }
}
