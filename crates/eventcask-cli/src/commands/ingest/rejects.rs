//! Rows that can not be taken.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use eventcask::Error;

use super::listing::check_listing;
use crate::args::{Global, IngestArgs, OnError};
use crate::failure::{Failure, io_reason};
use crate::input::Rejected;
use crate::output::Object;

/// Counts rejected rows, lists them, or stops at the first.
pub(super) struct Rejects {
    count: u64,
    first: Option<String>,
    stops: bool,
    quarantine: Option<Quarantine>,
}

struct Quarantine {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether it is the listing of this run.
    is_begun: bool,
    line: Vec<u8>,
}

impl Rejects {
    pub(super) fn new(args: &IngestArgs, global: &Global) -> Result<Self, Failure> {
        let quarantine = match &args.on_error {
            OnError::Quarantine(path) => {
                check_listing(path, &args.files, &global.store)?;
                Some(Quarantine::new(path)?)
            }
            OnError::Stop | OnError::Skip => None,
        };
        Ok(Self {
            count: 0,
            first: None,
            stops: args.on_error == OnError::Stop,
            quarantine,
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Place and reason of the first rejected row.
    pub(super) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Takes a row, or ends the command.
    pub(super) fn add(&mut self, file: &str, row: &Rejected<'_>) -> Result<(), Failure> {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(format!("{file}:{}: {}", row.line, row.reason));
        }
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.add(file, row)?;
        }
        if !self.stops {
            return Ok(());
        }
        let reason = &row.reason;
        let what = format!(
            "{reason}; the rows before it are stored, and --on-error skip or quarantine:FILE goes on without such rows"
        );
        Err(Failure::at_line(file, row.line, &what))
    }

    /// Takes rows that the store refused, or ends the command. Which lines they were is not
    /// known: they are refused long after they were read, and named by their id.
    pub(super) fn refused(&mut self, count: u64, first: Option<&Error>) -> Result<(), Failure> {
        let Some(first) = first else { return Ok(()) };
        self.count += count;
        if self.first.is_none() {
            self.first = Some(first.to_string());
        }
        if self.stops {
            return Err(Failure::Input(first.to_string()));
        }
        Ok(())
    }

    /// Writes what is not written yet. After a run that read everything, the listing is of this
    /// run, also where it is empty.
    pub(super) fn end(&mut self, has_read_all: bool) -> Result<(), Failure> {
        match &mut self.quarantine {
            Some(quarantine) if has_read_all => quarantine.begin().and_then(|()| quarantine.end()),
            Some(quarantine) => quarantine.end(),
            None => Ok(()),
        }
    }
}

impl Quarantine {
    /// Opens the listing; one of an earlier run stays until there is something to be listed.
    fn new(path: &Path) -> Result<Self, Failure> {
        let mut options = File::options();
        let opened = options.write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|error| {
            Failure::in_file(path, &format!("can not be made: {}", io_reason(&error)))
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            is_begun: false,
            line: Vec::new(),
        })
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.is_begun {
            return Ok(());
        }
        self.is_begun = true;
        let file = self.file.get_ref();
        let emptied = match file.metadata() {
            Ok(metadata) if metadata.is_file() => file.set_len(0),
            // A pipe or a device has no length.
            other => other.map(|_| ()),
        };
        emptied.map_err(|error| can_not_write(&self.path, &error))
    }

    fn add(&mut self, file: &str, row: &Rejected<'_>) -> Result<(), Failure> {
        self.begin()?;
        self.line.clear();
        let mut object = Object::new(&mut self.line);
        object
            .text("file", file)
            .number("line", row.line)
            .text("reason", &row.reason);
        object.text("row", &row.raw_text());
        object.end();
        self.line.push(b'\n');
        let written = self.file.write_all(&self.line);
        written.map_err(|error| can_not_write(&self.path, &error))
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.file
            .flush()
            .map_err(|error| can_not_write(&self.path, &error))
    }
}

fn can_not_write(path: &Path, error: &std::io::Error) -> Failure {
    let reason = io_reason(error);
    Failure::Engine(format!("{}: can not be written: {reason}", path.display()))
}
