//! Rows of one JSON object a line.

use std::io;

use super::carried::Carried;
use super::envelope::{Envelope, EnvelopeReader};
use super::json::{find, find_more};
use super::row::{Next, Place, Rejected, Row};
use super::window::Window;
use super::{Reason, RowCheck};

/// Blanks that may stand around a payload of the largest size.
const BLANKS_MAX: usize = 4096;
/// Bytes of a line over the limit that are kept to show it.
const SHOWN_BYTES: usize = 1024;

/// Reads one JSON object a line.
pub(super) struct NdjsonRows {
    window: Window,
    /// Bytes at the front of the window that belong to the row returned last.
    used: usize,
    envelopes: EnvelopeReader,
    rows: u64,
    lines: u64,
    check: RowCheck,
    /// Bytes of a line that is too long to be held, while it goes by.
    skipped: Option<u64>,
    /// The beginning of a line that is too long to be held.
    head: Vec<u8>,
}

/// A line at the front of the window.
enum Line {
    /// It has this many bytes without its end.
    Held(usize),
    /// It had this many bytes, which are gone.
    Long(u64),
}

impl NdjsonRows {
    pub(super) fn new(window: Window, envelopes: EnvelopeReader) -> Self {
        Self {
            window,
            used: 0,
            envelopes,
            rows: 0,
            lines: 0,
            check: RowCheck::default(),
            skipped: None,
            head: Vec::new(),
        }
    }

    pub(super) fn line(&self) -> u64 {
        self.lines + 1
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Next<'_>>> {
        loop {
            match self.advance()? {
                None => return Ok(None),
                Some(Line::Long(bytes)) => return Ok(Some(self.long_row(bytes))),
                Some(Line::Held(bytes)) => {
                    if !self.window.bytes()[..bytes].trim_ascii().is_empty() {
                        return Ok(Some(self.row(bytes)));
                    }
                }
            }
        }
    }

    /// Moves the next line to the front of the window. A stream that has nothing yet is asked
    /// again by the next call.
    fn advance(&mut self) -> io::Result<Option<Line>> {
        if self.skipped.is_some() {
            return self.skip_line().map(Some);
        }
        self.window.consume(self.used);
        self.used = 0;
        let bytes_max = self.envelopes.spec.payload_bytes_max + BLANKS_MAX;
        let mut searched = 0;
        loop {
            let bytes = self.window.bytes();
            let end = memchr::memchr(b'\n', &bytes[searched..]).map(|at| searched + at);
            if let Some(end) = end.filter(|end| *end <= bytes_max) {
                self.lines += 1;
                self.used = end + 1;
                return Ok(Some(Line::Held(end)));
            }
            searched = end.unwrap_or(bytes.len());
            // A line with its end in the window goes by as well: what becomes of a row must
            // not depend on how many bytes came at once.
            if searched > bytes_max {
                self.begin_skip();
                return self.skip_line().map(Some);
            }
            if !self.window.fill()? {
                self.lines += u64::from(searched > 0);
                self.used = searched;
                return Ok((searched > 0).then_some(Line::Held(searched)));
            }
        }
    }

    fn begin_skip(&mut self) {
        self.head.clear();
        self.head
            .extend_from_slice(&self.window.bytes()[..SHOWN_BYTES]);
        self.skipped = Some(0);
    }

    /// Lets a line go by that is too long to be held.
    fn skip_line(&mut self) -> io::Result<Line> {
        loop {
            let bytes = self.window.bytes();
            let end = memchr::memchr(b'\n', bytes);
            let count = end.unwrap_or(bytes.len());
            let skipped = self.skipped.unwrap_or(0) + count as u64;
            self.window.consume(end.map_or(count, |at| at + 1));
            self.skipped = Some(skipped);
            if end.is_some() || !self.window.fill()? {
                self.lines += 1;
                self.skipped = None;
                return Ok(Line::Long(skipped));
            }
        }
    }

    fn row(&mut self, bytes: usize) -> Next<'_> {
        let raw = self.window.bytes()[..bytes].trim_ascii();
        self.check.row(raw);
        let place = Place {
            ordinal: self.rows,
            line: self.lines,
            check: self.check.value(),
        };
        self.rows += 1;
        match take(&mut self.envelopes, raw) {
            Ok(Envelope {
                key,
                event_type,
                time,
                id,
                carried,
            }) => {
                let Place {
                    ordinal,
                    line,
                    check,
                } = place;
                Next::Row(Row {
                    ordinal,
                    line,
                    check,
                    key,
                    event_type,
                    time,
                    id,
                    carried,
                    payload: raw,
                    is_whole: true,
                })
            }
            Err(reason) => Next::Rejected(Rejected::new(place, reason, raw)),
        }
    }

    fn long_row(&mut self, bytes: u64) -> Next<'_> {
        self.check.long_row(bytes);
        let place = Place {
            ordinal: self.rows,
            line: self.lines,
            check: self.check.value(),
        };
        self.rows += 1;
        let reason = Reason::over_the_limit(self.envelopes.spec.payload_bytes_max);
        Next::Rejected(Rejected::new(place, reason, &self.head))
    }
}

fn take<'a>(envelopes: &'a mut EnvelopeReader, raw: &'a [u8]) -> Result<Envelope<'a>, Reason> {
    if raw.len() > envelopes.spec.payload_bytes_max {
        return Err(Reason::over_the_limit(envelopes.spec.payload_bytes_max));
    }
    let values = find(raw, &envelopes.spec.fields())?;
    let from = &envelopes.spec.carried;
    let carried = match envelopes.carries {
        true => {
            let mut values = find_more(raw, &from.fields()).into_iter();
            from.read(&mut values, envelopes.spec.null.as_deref())?
        }
        false => Carried::default(),
    };
    let envelope = envelopes.read(values)?;
    Ok(Envelope {
        carried,
        ..envelope
    })
}
