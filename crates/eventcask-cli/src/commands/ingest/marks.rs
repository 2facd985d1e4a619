//! How far a store has a file, and whether it is still the same file.

use eventcask::SourceMark;

use crate::failure::Failure;

/// The marks that the shards have of a file.
pub(super) struct Marks {
    /// Number of rows that every shard has passed.
    passed_by_all: u64,
    /// Number of rows and the check after them, of each mark, rising.
    checks: Vec<(u64, u64)>,
    /// The first of `checks` that the file has not come to.
    next: usize,
    /// Whether some shard has nothing of the file.
    has_gaps: bool,
}

impl Marks {
    pub(super) fn new(marks: &[Option<SourceMark>]) -> Self {
        let mut checks: Vec<_> = marks
            .iter()
            .flatten()
            .map(|mark| (mark.next, mark.check))
            .collect();
        checks.sort_unstable();
        checks.dedup();
        let has_gaps = marks.iter().any(Option::is_none);
        let lowest = checks.first().map_or(0, |(rows, _)| *rows);
        Self {
            passed_by_all: if has_gaps { 0 } else { lowest },
            checks,
            next: 0,
            has_gaps,
        }
    }

    /// Whether every shard has passed the row.
    pub(super) fn are_past(&self, ordinal: u64) -> bool {
        ordinal < self.passed_by_all
    }

    /// The number of rows that have to be compared before any is sent: a shard without a mark
    /// would take the rows of another file for new ones.
    pub(super) fn rows_to_compare_first(&self) -> u64 {
        if self.has_gaps {
            self.checks.first().map_or(0, |(rows, _)| *rows)
        } else {
            0
        }
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
            if *marked == rows && *expected != check {
                return Err(OtherFile { rows });
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
