//! Standard output: lines, or one JSON document.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use super::json::Object;
use super::quiet::Quiet;
use crate::failure::Failure;

/// Bytes that are gathered before they are written.
const OUT_BYTES: usize = 64 << 10;

/// Standard output, gathered in a buffer; [`flush`](Self::flush) before the end.
pub struct Out {
    stdout: BufWriter<StdoutLock<'static>>,
    quiet: Quiet,
    /// What is written in place of text that is not quiet.
    shown: Vec<u8>,
}

impl Out {
    /// Takes standard output for the rest of the command.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a lock")]
    pub fn new() -> Self {
        let stdout = io::stdout().lock();
        let quiet = if stdout.is_terminal() {
            Quiet::at_terminal()
        } else {
            Quiet::default()
        };
        Self {
            stdout: BufWriter::with_capacity(OUT_BYTES, stdout),
            quiet,
            shown: Vec::new(),
        }
    }

    /// Writes text through [`Quiet`].
    ///
    /// # Errors
    /// [`Failure::BrokenPipe`] when the reader has gone, or why the disk takes no more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let bytes = if self.quiet.passes(bytes) {
            bytes
        } else {
            self.shown.clear();
            self.quiet.filter(bytes, &mut self.shown);
            &self.shown
        };
        self.stdout
            .write_all(bytes)
            .map_err(|error| Failure::writing(&error))
    }

    /// Writes a text and an end of line.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())?;
        self.write(b"\n")
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.stdout
            .flush()
            .map_err(|error| Failure::writing(&error))
    }
}

/// Prints one document: an object, as `write` fills it.
///
/// # Errors
/// As [`Out::write`].
pub fn print_object(write: impl FnOnce(&mut Object<'_>)) -> Result<(), Failure> {
    let mut line = Vec::new();
    let mut object = Object::new(&mut line);
    write(&mut object);
    object.end();
    line.push(b'\n');
    let mut out = Out::new();
    out.write(&line)?;
    out.flush()
}

/// Objects one a line, or as the array of one JSON document.
pub struct Document {
    out: Out,
    is_array: bool,
    objects: u64,
    buffer: Vec<u8>,
}

impl Document {
    /// Begins; `is_array` makes one document of it.
    #[must_use]
    pub fn new(out: Out, is_array: bool) -> Self {
        Self {
            out,
            is_array,
            objects: 0,
            buffer: Vec::new(),
        }
    }

    /// Writes an object.
    ///
    /// # Errors
    /// As [`Out::write`].
    pub fn object(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        self.buffer.clear();
        if self.is_array {
            self.buffer
                .extend_from_slice(if self.objects == 0 { b"[" } else { b"," });
            self.buffer.push(b'\n');
        }
        write(&mut self.buffer);
        if !self.is_array {
            self.buffer.push(b'\n');
        }
        self.objects += 1;
        self.out.write(&self.buffer)
    }

    /// How many objects were written.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Shows what is written so far.
    ///
    /// # Errors
    /// As [`Out::write`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()
    }

    /// Writes the end of the document.
    ///
    /// # Errors
    /// As [`Out::write`].
    pub fn end(mut self) -> Result<(), Failure> {
        if self.is_array {
            self.out
                .write(if self.objects == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }
}
