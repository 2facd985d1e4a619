//! The records of a CSV file, one after the other.
//!
//! A record is held whole, raw and parsed, so the memory is bounded by its size. One that is
//! too long to be held, as after a quote that nobody closed, goes by. A record that the end of the
//! stream ends is looked at once more: a quote may be open in it, and then it is none.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use csv_core::ReadRecordResult;

use super::Reason;
use super::quotes::Quotes;
use super::window::Window;

/// Bytes of a record over the limit that are kept to show it.
const SHOWN_BYTES: usize = 1024;

/// The records of a file, one after the other.
pub(super) struct Records {
    window: Window,
    parser: csv_core::Reader,
    /// Whether the stream behind the window has ended.
    ended: bool,
    /// Bytes at the front of the window that belong to the record.
    used: usize,
    /// The byte that was parsed last.
    last: Option<u8>,
    /// The line that the record begins in.
    record_line: u64,
    /// How many fields the record has, and bytes of text in them.
    fields: usize,
    text_bytes: usize,
    /// Whether the parser is inside of the record.
    is_open: bool,
    /// A record that is too long to be held, while it goes by.
    skipped: Option<Skipped>,
    /// Whether the record has no end of line: the end of the stream ended it.
    is_last: bool,
    /// The fields of the record end to end.
    text: Vec<u8>,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
    /// The beginning of a record that is too long to be held.
    head: Vec<u8>,
    bytes_max: usize,
}

/// A record that came by.
pub(super) enum Record {
    /// It is held: fields, and raw bytes in the window.
    Held,
    /// It had this many bytes, which are gone.
    Long(u64),
}

/// What went by of a record that is too long to be held.
#[derive(Debug, Clone, Copy, Default)]
struct Skipped {
    bytes: u64,
    quotes: Quotes,
}

/// A quote that is opened in this line and never closed: what follows can not be told apart.
#[derive(Debug)]
pub(super) struct OpenQuote {
    line: u64,
}

impl fmt::Display for OpenQuote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quote is opened in this line and never closed")
    }
}

impl Error for OpenQuote {}

impl OpenQuote {
    /// The line of the quote, where that is the error.
    pub(super) fn line_of(error: &io::Error) -> Option<u64> {
        let quote = error.get_ref()?.downcast_ref::<Self>()?;
        Some(quote.line)
    }
}

impl Records {
    pub(super) fn new(window: Window, bytes_max: usize) -> Self {
        Self {
            window,
            parser: csv_core::Reader::new(),
            ended: false,
            used: 0,
            last: None,
            record_line: 1,
            fields: 0,
            text_bytes: 0,
            is_open: false,
            skipped: None,
            is_last: false,
            text: vec![0; 4096],
            ends: vec![0; 64],
            head: Vec::new(),
            bytes_max,
        }
    }

    /// The line that the parser is in.
    pub(super) fn line(&self) -> u64 {
        self.parser.line()
    }

    /// The bytes of the record as they stand in the file, without ends of lines around them.
    pub(super) fn raw(&self) -> &[u8] {
        trim_line_ends(&self.window.bytes()[..self.used])
    }

    /// What there is of a record to be shown.
    pub(super) fn shown(&self, record: &Record) -> &[u8] {
        match record {
            Record::Held => self.raw(),
            Record::Long(_) => &self.head,
        }
    }

    /// The line that the record begins in.
    pub(super) fn record_line(&self) -> u64 {
        self.record_line
    }

    /// Whether the record has no end of line, so that there may be more of it later.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// The line of a quote that is opened in the record and closed in a later line, in the middle
    /// of a field: the one that should close it may be missing, and rows be taken for one.
    pub(super) fn torn_quote(&self) -> Option<u64> {
        let raw = self.raw().trim_ascii_end();
        if self.last_line() <= self.record_line && memchr::memchr(b'\r', raw).is_none() {
            return None;
        }
        let torn_after = Quotes::of(self.raw()).torn_after()?;
        Some(self.record_line + torn_after)
    }

    /// How many fields the record has.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// The fields end to end.
    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.text_bytes]
    }

    /// Where each field ends in [`text`](Self::text).
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends[..self.fields]
    }

    pub(super) fn field(&self, column: usize) -> &[u8] {
        let start = if column == 0 {
            0
        } else {
            self.ends[column - 1]
        };
        &self.text[start..self.ends[column]]
    }

    /// Parses the next record. A stream that has nothing yet is asked again by the next call.
    pub(super) fn advance(&mut self) -> io::Result<Option<Record>> {
        if self.skipped.is_some() {
            return self.skip_record().map(Some);
        }
        self.begin_record();
        loop {
            if self.used == self.window.bytes().len() && !self.ended {
                let bytes = self.used - self.blank_before();
                if bytes == 0 {
                    // So far there were blank lines only.
                    self.is_open = false;
                    self.begin_record();
                } else if bytes > self.bytes_max {
                    self.begin_skip();
                    return self.skip_record().map(Some);
                }
                self.ended = !self.window.fill()?;
                continue;
            }
            let before = self.used;
            match self.parse() {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => {
                    self.is_open = false;
                    self.is_last = self.used == before;
                    let end = usize::from(!self.is_last);
                    let bytes = self.used - self.blank_before() - end;
                    let record = self.whole_record(bytes);
                    if self.is_last {
                        let blank = self.blank_before();
                        let quotes = Quotes::of(&self.window.bytes()[blank..self.used]);
                        self.check_end(quotes)?;
                    }
                    return Ok(Some(record));
                }
            }
        }
    }

    /// A record of which everything is in the window. One that is too long is not taken all the
    /// same: what becomes of a record must not depend on how many bytes came at once.
    fn whole_record(&mut self, bytes: usize) -> Record {
        if bytes <= self.bytes_max {
            self.record_line += self.line_ends_before();
            return Record::Held;
        }
        self.keep_head();
        Record::Long(bytes as u64)
    }

    /// Whether the stream may end here, after a record with these quotes.
    fn check_end(&self, quotes: Quotes) -> io::Result<()> {
        match quotes.open_after() {
            Some(lines) => {
                let line = self.record_line + lines;
                Err(io::Error::new(ErrorKind::InvalidData, OpenQuote { line }))
            }
            None => Ok(()),
        }
    }

    /// Lets the record before go, unless the parser is still inside of it.
    fn begin_record(&mut self) {
        if !self.is_open {
            self.drop_bytes();
            self.record_line = self.parser.line();
            self.is_open = true;
        }
    }

    fn drop_bytes(&mut self) {
        self.window.consume(self.used);
        (self.used, self.fields, self.text_bytes) = (0, 0, 0);
    }

    fn parse(&mut self) -> ReadRecordResult {
        let input = &self.window.bytes()[self.used..];
        let (text, ends) = (
            &mut self.text[self.text_bytes..],
            &mut self.ends[self.fields..],
        );
        let (result, read, written, ended) = self.parser.read_record(input, text, ends);
        self.used += read;
        self.text_bytes += written;
        self.fields += ended;
        if let Some(last) = self.used.checked_sub(1).filter(|_| read > 0) {
            self.last = Some(self.window.bytes()[last]);
        }
        result
    }

    fn begin_skip(&mut self) {
        self.keep_head();
        self.skipped = Some(Skipped::default());
    }

    /// Lets the blank before a record that is too long go, and keeps the record's beginning.
    fn keep_head(&mut self) {
        self.record_line += self.line_ends_before();
        let blank = self.blank_before();
        self.window.consume(blank);
        self.used -= blank;
        self.head.clear();
        self.head
            .extend_from_slice(&self.window.bytes()[..SHOWN_BYTES.min(self.used)]);
    }

    /// Lets a record go by that is too long to be held.
    fn skip_record(&mut self) -> io::Result<Record> {
        loop {
            let mut skipped = self.skipped.unwrap_or_default();
            skipped.bytes += self.used as u64;
            skipped.quotes.read(&self.window.bytes()[..self.used]);
            self.drop_bytes();
            self.skipped = Some(skipped);
            if self.window.bytes().is_empty() && !self.ended {
                self.ended = !self.window.fill()?;
            }
            if let ReadRecordResult::Record | ReadRecordResult::End = self.parse() {
                self.is_open = false;
                self.skipped = None;
                self.is_last = self.used == 0;
                if self.is_last {
                    self.check_end(skipped.quotes)?;
                }
                // The end of the line is not of the record; at the end of the file there is none.
                let rest = self.used.saturating_sub(1);
                return Ok(Record::Long(skipped.bytes + rest as u64));
            }
        }
    }

    /// Bytes that stand before the record: blank lines, or the second half of the end of the line
    /// before.
    fn blank_before(&self) -> usize {
        let bytes = self.window.bytes()[..self.used].iter();
        bytes
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count()
    }

    fn line_ends_before(&self) -> u64 {
        let blank = self.window.bytes()[..self.blank_before()].iter();
        blank.filter(|byte| **byte == b'\n').count() as u64
    }

    /// The line that the record ends in.
    fn last_line(&self) -> u64 {
        let ends_in_line = self.last == Some(b'\n');
        self.line() - u64::from(ends_in_line)
    }

    /// Adds where the record ends, if that is in another line: a quote may be open.
    pub(super) fn say_where_it_ends(&self, Reason(reason): Reason) -> Reason {
        let last = self.last_line();
        if last <= self.record_line {
            return Reason(reason);
        }
        Reason(format!(
            "{reason}; it goes on to line {last}, as after a quote that is not closed"
        ))
    }
}

fn trim_line_ends(bytes: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = bytes
        .iter()
        .position(|byte| !is_end(byte))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !is_end(byte))
        .map_or(start, |at| at + 1);
    &bytes[start..end]
}
