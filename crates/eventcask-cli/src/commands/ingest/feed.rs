//! From rows to the store: by their ids, or by their place in the file.
//!
//! A store has marks of a file: a number of rows, and the check of all of them. Until the file came
//! to the last mark it may be another one, and none of its rows is sent:
//!
//! 1. A row that its shard has passed is known.
//! 2. Any other was on its way when a run was killed, or the file is another one. A file is read
//!    ahead as far as the last mark then; what comes through a pipe is held until it is there.

use std::fs;
use std::path::Path;

use eventcask::{NewEvent, Producer};

use super::super::store::failure;
use super::held::Held;
use super::marks::{Marks, OtherFile};
use super::target::Target;
use crate::failure::Failure;
use crate::input::{Next, Rejected, Row, RowCheck, Rows};

/// Bytes of a path that a source is named by; a longer one is named by its end and its hash.
const PATH_BYTES_MAX: usize = 900;

/// Hands the rows of one file to the store.
pub(super) struct Feed<'a> {
    target: &'a Target<'a>,
    path: &'a Path,
    /// The check of the first row, which is part of the name of the source.
    first_check: Option<u64>,
    open: Option<Open>,
    skipped: u64,
}

struct Open {
    producer: Producer,
    /// How far the store has the file; none where rows are told by their id.
    marks: Option<Marks>,
    held: Held,
    /// Whether the file was read ahead, and is the same as far as the store has it.
    is_same_ahead: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(target: &'a Target<'a>, path: &'a Path) -> Self {
        Self {
            target,
            path,
            first_check: None,
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

    /// Sends a row, unless its shard has it.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        self.compare(row.ordinal, row.check, true)?;
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let Some(marks) = &open.marks else {
            let pushed = with_event(row, |event| open.producer.push(&row.key, event));
            return pushed.map_err(|error| failure(&error));
        };
        if marks.has(row.ordinal, &row.key) {
            self.skipped += 1;
            return Ok(());
        }
        if marks.are_met() || self.is_same_ahead()? {
            return self.send(row);
        }
        self.hold(row)
    }

    /// Takes note of a row that is not sent.
    pub(super) fn pass(&mut self, row: &Rejected<'_>) -> Result<(), Failure> {
        self.compare(row.ordinal, row.check, false)
    }

    /// Takes note of a last row without an end, and says whether the store has it.
    pub(super) fn leave(&mut self, ordinal: u64, check: u64) -> Result<bool, Failure> {
        if self.target.there().is_none() {
            return Ok(false);
        }
        self.open_at(check)?;
        let marks = self.open.as_ref().and_then(|open| open.marks.as_ref());
        if !marks.is_some_and(|marks| marks.end_with(ordinal, check)) {
            return Ok(false);
        }
        self.compare(ordinal, check, false)?;
        self.skipped += 1;
        Ok(true)
    }

    /// Takes note of the end of the file. One that is shorter than what was taken from it before
    /// could not be compared, so its rows may be others.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        let marks = self.open.as_ref().and_then(|open| open.marks.as_ref());
        let ended = marks.map_or(Ok(()), Marks::check_end);
        ended.map_err(|other| self.is_other(&other))
    }

    /// The file is not the one that the store has: none of its rows is known before.
    fn is_other(&mut self, other: &OtherFile) -> Failure {
        self.skipped = 0;
        other.failure(&self.path.display().to_string())
    }

    /// Compares the file up to and with this row; at the last mark, what was held is sent. A store
    /// is made only for a row that is sent.
    fn compare(&mut self, ordinal: u64, check: u64, is_sent: bool) -> Result<(), Failure> {
        self.first_check.get_or_insert(check);
        if !is_sent && self.target.there().is_none() {
            return Ok(());
        }
        self.open_at(check)?;
        let Some(Open {
            producer,
            marks: Some(marks),
            held,
            ..
        }) = &mut self.open
        else {
            return Ok(());
        };
        if marks.are_met() {
            return Ok(());
        }
        if let Err(other) = marks.compare(ordinal, check) {
            return Err(self.is_other(&other));
        }
        while marks.are_met()
            && let Some(row) = held.take()
        {
            let pushed =
                row.with_event(|event| producer.push_at(row.ordinal, row.check, &row.key, event));
            pushed.map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    fn send(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let producer = &mut open.producer;
        let pushed = with_event(row, |event| {
            producer.push_at(row.ordinal, row.check, &row.key, event)
        });
        pushed.map_err(|error| failure(&error))
    }

    fn hold(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let is_held = self.open.as_mut().is_some_and(|open| open.held.add(row));
        if is_held {
            return Ok(());
        }
        let what = "too many rows of its beginning are not in the store, as where it is not what was ingested from this place before; write it to a file, which can be compared whole, or pass --source NAME to take it in as another one";
        Err(Failure::in_file(self.path, what))
    }

    /// Opens the producer, once for all rows.
    fn open_at(&mut self, check: u64) -> Result<(), Failure> {
        if self.open.is_some() {
            return Ok(());
        }
        let store = self.target.store()?;
        let args = self.target.args;
        let (producer, marks) = if args.id.is_some() {
            (store.producer(), None)
        } else {
            let check = self.first_check.unwrap_or(check);
            let source = match &args.source {
                Some(name) => name.clone(),
                None => source_of(self.path, check),
            };
            // The producer comes first: it waits for what the one before handed over.
            let producer = store.producer_from(&source);
            let producer = producer.map_err(|error| failure(&error))?;
            let marks = Marks::new(store, &source);
            (producer, Some(marks))
        };
        self.open = Some(Open {
            producer,
            marks,
            held: Held::default(),
            is_same_ahead: false,
        });
        Ok(())
    }

    /// Reads a file ahead, as far as the store has it; `false` where it can be read only once.
    fn is_same_ahead(&mut self) -> Result<bool, Failure> {
        let Some(Open {
            marks: Some(marks),
            is_same_ahead,
            ..
        }) = &mut self.open
        else {
            return Ok(true);
        };
        if *is_same_ahead {
            return Ok(true);
        }
        if self.path == Path::new("-") || !self.path.is_file() {
            return Ok(false);
        }
        let mut rows = Rows::open(self.path, self.target.args.row_spec())?;
        let mut marks = marks.rewound();
        while !marks.are_met() {
            let (ordinal, check) = match rows.next()? {
                None => break,
                Some(Next::Waiting) => continue,
                Some(Next::Row(row)) => (row.ordinal, row.check),
                Some(Next::Rejected(row)) => (row.ordinal, row.check),
            };
            if let Err(other) = marks.compare(ordinal, check) {
                return Err(self.is_other(&other));
            }
        }
        if let Err(other) = marks.check_end() {
            return Err(self.is_other(&other));
        }
        *is_same_ahead = true;
        Ok(true)
    }
}

/// Lends the event of a row.
fn with_event<T>(row: &Row<'_>, take: impl FnOnce(&NewEvent<'_>) -> T) -> T {
    let mut event = NewEvent::json(&row.event_type, row.payload);
    (event.id, event.time) = (row.id, row.time);
    row.carried.with(event, take)
}

/// The name of a file as a source: where it is, and how it begins.
fn source_of(path: &Path, check: u64) -> String {
    if path == Path::new("-") {
        return format!("stdin#{check:016x}");
    }
    let canonical = fs::canonicalize(path);
    let path = canonical.as_deref().unwrap_or(path);
    match path.to_str() {
        Some(path) if path.len() <= PATH_BYTES_MAX => format!("file:{path}#{check:016x}"),
        // By its hash, since several names can look the same where they are shown or cut.
        _ => {
            let mut hash = RowCheck::default();
            hash.row(path.as_os_str().as_encoded_bytes());
            let shown = path.to_string_lossy();
            let mut start = shown.len().saturating_sub(PATH_BYTES_MAX);
            while !shown.is_char_boundary(start) {
                start += 1;
            }
            let (hash, end) = (hash.value(), &shown[start..]);
            format!("file:{hash:016x}...{end}#{check:016x}")
        }
    }
}
