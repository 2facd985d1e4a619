//! Rows in, a short text for each out.

use std::io::Read;

use eventcask_cli::failure::Failure;
use eventcask_cli::input::{Next, RowSpec, Rows};

/// What all rows of `file` become, one line each, an error as the last one.
pub(crate) fn rows_of(name: &str, file: &[u8], spec: &RowSpec) -> Vec<String> {
    rows_of_stream(name, Box::new(std::io::Cursor::new(file.to_vec())), spec)
}

pub(crate) fn rows_of_stream(
    name: &str,
    stream: Box<dyn Read + Send>,
    spec: &RowSpec,
) -> Vec<String> {
    match Rows::of_stream(name, stream, spec.clone()) {
        Ok(rows) => all_of(rows),
        Err(failure) => vec![said(&failure)],
    }
}

pub(crate) fn all_of(mut rows: Rows) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match rows.next() {
            Ok(Some(next)) => lines.extend(shown(&next)),
            Ok(None) => return lines,
            Err(failure) => {
                lines.push(said(&failure));
                assert!(matches!(rows.next(), Ok(None)), "an error is the end");
                return lines;
            }
        }
    }
}

fn shown(next: &Next<'_>) -> Option<String> {
    match next {
        Next::Row(row) => {
            let payload = str::from_utf8(row.payload).expect("JSON is UTF-8");
            let mut line = format!("{}:{} {}", row.ordinal, row.line, row.key);
            if row.event_type != "Event" {
                line += &format!(" {}", row.event_type);
            }
            line += &row.time.map_or(String::new(), |time| format!(" at {time}"));
            line += &row.id.map_or(String::new(), |id| format!(" id {id}"));
            Some(format!("{line} {payload}"))
        }
        Next::Rejected(row) => Some(format!("{}:{} NO {}", row.ordinal, row.line, row.reason)),
        Next::Waiting => None,
    }
}

fn said(failure: &Failure) -> String {
    format!("exit {}: {failure}", failure.exit_code())
}

/// The check after each row.
pub(crate) fn checks_of(name: &str, file: &[u8], spec: &RowSpec) -> Vec<u64> {
    checks_of_stream(name, Box::new(std::io::Cursor::new(file.to_vec())), spec)
}

pub(crate) fn checks_of_stream(
    name: &str,
    stream: Box<dyn Read + Send>,
    spec: &RowSpec,
) -> Vec<u64> {
    let mut rows = Rows::of_stream(name, stream, spec.clone()).expect("the file can be opened");
    let mut checks = Vec::new();
    while let Some(next) = rows.next().expect("the file can be read") {
        match next {
            Next::Row(row) => checks.push(row.check),
            Next::Rejected(row) => checks.push(row.check),
            Next::Waiting => {}
        }
    }
    checks
}

/// A stream that gives a byte at a time and has nothing in between.
pub(crate) struct Dripping {
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: usize,
    pub(crate) is_dry: bool,
}

impl Dripping {
    pub(crate) fn new(bytes: &[u8]) -> Box<Self> {
        Box::new(Self {
            bytes: bytes.to_vec(),
            at: 0,
            is_dry: false,
        })
    }
}

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.is_dry = !self.is_dry;
        if self.is_dry {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let Some(byte) = self.bytes.get(self.at) else {
            return Ok(0);
        };
        buffer[0] = *byte;
        self.at += 1;
        Ok(1)
    }
}
