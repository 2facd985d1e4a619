//! The rows of one file, whatever its format and compression.

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::RowSpec;
use super::csv::CsvRows;
use super::envelope::EnvelopeReader;
use super::format::Format;
use super::ndjson::NdjsonRows;
use super::piped::{not_opened, patiently};
use super::records::OpenQuote;
use super::row::{Next, SHOWN_BYTES_MAX};
use super::source::{Progress, Source};
use super::window::Window;
use crate::failure::{Failure, io_reason};

/// The rows of one file, one after the other.
///
/// ```
/// use eventcask_cli::input::{Next, RowSpec, Rows};
/// let file = b"tail,delay\nN1,5\n,7\n";
/// let mut rows = Rows::of_stream("flights.csv", Box::new(&file[..]), RowSpec::new("tail"))?;
/// let Some(Next::Row(row)) = rows.next()? else { panic!("the first row is whole") };
/// assert_eq!((&*row.key, row.payload), ("N1", &br#"{"tail":"N1","delay":5}"#[..]));
/// let Some(Next::Rejected(row)) = rows.next()? else { panic!("the second has no key") };
/// assert_eq!((row.line, &*row.reason), (3, "the key in field \"tail\" is empty"));
/// assert!(rows.next()?.is_none());
/// # Ok::<(), eventcask_cli::failure::Failure>(())
/// ```
pub struct Rows {
    name: String,
    progress: Progress,
    reader: Reader,
    ended: bool,
}

enum Reader {
    Csv(Box<CsvRows>),
    Ndjson(Box<NdjsonRows>),
}

impl Rows {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// When there is no such file, when its first bytes can not be read, and when a CSV file's
    /// header lacks one of the fields or names one twice.
    pub fn open(path: &Path, spec: RowSpec) -> Result<Self, Failure> {
        Self::of(Source::open(path)?, spec)
    }

    /// Reads rows from any stream; `name` tells the format and is what errors call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_stream(
        name: &str,
        stream: Box<dyn Read + Send>,
        spec: RowSpec,
    ) -> Result<Self, Failure> {
        Self::of(Source::new(name, stream, None)?, spec)
    }

    fn of(source: Source, spec: RowSpec) -> Result<Self, Failure> {
        let Source {
            name,
            bytes,
            progress,
            may_grow,
        } = source;
        let mut window = Window::new(bytes);
        let format = patiently(|| begin(&mut window, &name, spec.format))
            .map_err(|error| not_opened(&error, &name, 1))?;
        let envelopes = EnvelopeReader::new(spec);
        let reader = match format {
            Format::Csv => {
                let rows = CsvRows::new(window, &name, envelopes, may_grow)?;
                Reader::Csv(Box::new(rows))
            }
            Format::Ndjson => Reader::Ndjson(Box::new(NdjsonRows::new(window, envelopes))),
        };
        Ok(Self {
            name,
            progress,
            reader,
            ended: false,
        })
    }

    /// The next row, or `None` after the last one.
    ///
    /// # Errors
    /// When the file can not be read further. All whole rows before that place were returned.
    #[expect(
        clippy::should_implement_trait,
        reason = "a row borrows from the reader"
    )]
    pub fn next(&mut self) -> Result<Option<Next<'_>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let line = self.line();
        let next = match &mut self.reader {
            Reader::Csv(rows) => rows.next(),
            Reader::Ndjson(rows) => rows.next(),
        };
        match next {
            Ok(Some(next)) => Ok(Some(next)),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(Next::Waiting)),
            Err(error) => {
                self.ended = true;
                let line = OpenQuote::line_of(&error).unwrap_or(line);
                Err(Failure::at_line(&self.name, line, &io_reason(&error)))
            }
        }
    }

    /// What errors call the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes read of the file as it lies on disk.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.progress.done()
    }

    /// Bytes that the file has on disk, where that is known.
    #[must_use]
    pub fn bytes_total(&self) -> Option<u64> {
        self.progress.total
    }

    /// The line that the next row begins in, or the first one after blank lines.
    fn line(&self) -> u64 {
        match &self.reader {
            Reader::Csv(rows) => rows.line(),
            Reader::Ndjson(rows) => rows.line(),
        }
    }
}

/// Reads the first bytes, steps over a byte order mark, and tells the format.
fn begin(window: &mut Window, name: &str, format: Option<Format>) -> io::Result<Format> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    while window.bytes().len() < BYTE_ORDER_MARK.len() && window.fill()? {}
    if window.bytes().starts_with(BYTE_ORDER_MARK) {
        window.consume(BYTE_ORDER_MARK.len());
    }
    if let Some(format) = format.or_else(|| Format::of_name(name)) {
        return Ok(format);
    }
    loop {
        if let Some(format) = Format::of_content(window.bytes()) {
            return Ok(format);
        }
        // Only blank bytes so far: dropping them would lose count of the lines.
        if window.bytes().len() > SHOWN_BYTES_MAX || !window.fill()? {
            return Ok(Format::Ndjson);
        }
    }
}
