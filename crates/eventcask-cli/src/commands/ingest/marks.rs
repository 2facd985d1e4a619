//! How far a store has a file, and whether it is still the same file.

use eventcask::{RouteBy, SourceMark, StoreReader};

use crate::failure::Failure;

/// The marks that the shards have of a file.
pub(super) struct Marks {
    route_by: RouteBy,
    /// Number of rows that each shard has passed.
    passed: Vec<u64>,
    /// Number of rows and the check after them, of each mark, rising.
    checks: Vec<(u64, u64)>,
    /// The first of `checks` that the file has not come to.
    next: usize,
}

impl Marks {
    pub(super) fn new(store: &StoreReader, source: &str) -> Self {
        Self::of(store.route_by(), &store.source_marks(source))
    }

    fn of(route_by: RouteBy, marks: &[Option<SourceMark>]) -> Self {
        let known = marks.iter().flatten().map(|mark| (mark.next, mark.check));
        let mut checks: Vec<_> = known.collect();
        checks.sort_unstable();
        checks.dedup();
        let passed = marks.iter();
        let passed = passed.map(|mark| mark.as_ref().map_or(0, |mark| mark.next));
        Self {
            route_by,
            passed: passed.collect(),
            checks,
            next: 0,
        }
    }

    /// The same marks, for who reads the file once more.
    pub(super) fn rewound(&self) -> Self {
        Self {
            route_by: self.route_by,
            passed: self.passed.clone(),
            checks: self.checks.clone(),
            next: 0,
        }
    }

    /// Whether the shard of a key has passed the row.
    pub(super) fn has(&self, ordinal: u64, key: &str) -> bool {
        if self.checks.last().is_none_or(|(rows, _)| ordinal >= *rows) {
            return false;
        }
        let shard = self.route_by.shard_of(key, self.passed.len() as u32);
        ordinal < self.passed[shard as usize]
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
