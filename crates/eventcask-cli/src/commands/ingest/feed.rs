//! From rows to the store: by their ids, or by their place in the file.

use std::fs;
use std::path::Path;

use eventcask::{NewEvent, Producer, Store};

use super::super::store::failure;
use super::marks::Marks;
use crate::args::IngestArgs;
use crate::failure::Failure;
use crate::input::{Next, Rejected, Row, RowCheck, Rows};

/// Bytes of a path that a source is named by; a longer one is named by its end and its hash.
const PATH_BYTES_MAX: usize = 900;

/// Hands the rows of one file to the store.
pub(super) struct Feed<'a> {
    store: &'a Store,
    args: &'a IngestArgs,
    path: &'a Path,
    /// There is one from the first row on: its bytes are part of the name of the source.
    open: Option<Open>,
    skipped: u64,
}

struct Open {
    producer: Producer,
    /// How far the store has the file; none where rows are told by their id.
    marks: Option<Marks>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(store: &'a Store, args: &'a IngestArgs, path: &'a Path) -> Self {
        Self {
            store,
            args,
            path,
            open: None,
            skipped: 0,
        }
    }

    /// The producer, once there was a row.
    pub(super) fn producer(&mut self) -> Option<&mut Producer> {
        self.open.as_mut().map(|open| &mut open.producer)
    }

    /// Takes the number of rows that were not sent since the store has them.
    pub(super) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Sends a row, unless every shard has it.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        self.open_at(row.check)?;
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let mut event = NewEvent::json(&row.event_type, row.payload);
        (event.id, event.time) = (row.id, row.time);
        let pushed = match &mut open.marks {
            None => open.producer.push(&row.key, &event),
            Some(marks) => {
                let compared = marks.compare(row.ordinal, row.check);
                compared.map_err(|other| other.failure(&self.path.display().to_string()))?;
                if marks.are_past(row.ordinal) {
                    self.skipped += 1;
                    return Ok(());
                }
                open.producer
                    .push_at(row.ordinal, row.check, &row.key, &event)
            }
        };
        pushed.map_err(|error| failure(&error))
    }

    /// Takes note of a row that is not sent.
    pub(super) fn pass(&mut self, row: &Rejected<'_>) -> Result<(), Failure> {
        self.open_at(row.check)?;
        match self.open.as_mut().and_then(|open| open.marks.as_mut()) {
            None => Ok(()),
            Some(marks) => marks
                .compare(row.ordinal, row.check)
                .map_err(|other| other.failure(&self.path.display().to_string())),
        }
    }

    /// Takes note of the end of the file. One that is shorter than what was taken from it before
    /// could not be compared, so its rows may be others.
    pub(super) fn end(&self) -> Result<(), Failure> {
        match self.open.as_ref().and_then(|open| open.marks.as_ref()) {
            None => Ok(()),
            Some(marks) => marks
                .check_end()
                .map_err(|other| other.failure(&self.path.display().to_string())),
        }
    }

    /// Opens the producer with the first row, whose check is given.
    fn open_at(&mut self, check: u64) -> Result<(), Failure> {
        if self.open.is_some() {
            return Ok(());
        }
        let (producer, marks) = if self.args.id.is_some() {
            (self.store.producer(), None)
        } else {
            let source = match &self.args.source {
                Some(name) => name.clone(),
                None => source_of(self.path, check),
            };
            let marks = Marks::new(&self.store.source_marks(&source));
            self.compare_first(&marks, &source)?;
            let producer = self
                .store
                .producer_from(&source)
                .map_err(|error| failure(&error))?;
            (producer, Some(marks))
        };
        self.open = Some(Open { producer, marks });
        Ok(())
    }

    /// Reads the rows that have to be compared before any is sent, where that is possible.
    fn compare_first(&self, marks: &Marks, source: &str) -> Result<(), Failure> {
        let count = marks.rows_to_compare_first();
        if count == 0 || !self.path.is_file() {
            return Ok(());
        }
        let mut marks = Marks::new(&self.store.source_marks(source));
        let mut rows = Rows::open(self.path, self.args.row_spec())?;
        loop {
            let (ordinal, check) = match rows.next()? {
                None => return Ok(()),
                Some(Next::Waiting) => continue,
                Some(Next::Row(row)) => (row.ordinal, row.check),
                Some(Next::Rejected(row)) => (row.ordinal, row.check),
            };
            let compared = marks.compare(ordinal, check);
            compared.map_err(|other| other.failure(&self.path.display().to_string()))?;
            if ordinal + 1 >= count {
                return Ok(());
            }
        }
    }
}

/// The name of a file as a source: where it is, and how it begins.
fn source_of(path: &Path, check: u64) -> String {
    if path == Path::new("-") {
        return format!("stdin#{check:016x}");
    }
    let canonical = fs::canonicalize(path);
    let path = canonical.as_deref().unwrap_or(path).to_string_lossy();
    if path.len() <= PATH_BYTES_MAX {
        return format!("file:{path}#{check:016x}");
    }
    let mut hash = RowCheck::default();
    hash.row(path.as_bytes());
    let mut start = path.len() - PATH_BYTES_MAX;
    while !path.is_char_boundary(start) {
        start += 1;
    }
    format!(
        "file:{:016x}...{}#{check:016x}",
        hash.value(),
        &path[start..]
    )
}
