//! Opens a file of rows, or standard input.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::piped::{Piped, not_opened};
use super::unpack::unpack;
use crate::failure::{Failure, io_reason};

/// How far a file is read, for whoever shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    done: Arc<AtomicU64>,
    pub(super) total: Option<u64>,
}

impl Progress {
    /// Bytes read of the file as it lies on disk.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

/// A stream of rows with the compression taken off.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) bytes: Box<dyn Read + Send>,
    pub(super) progress: Progress,
    /// Whether there may be more of it later: it is a plain file. The end of a pipe is one for
    /// good, and so is that of packed data.
    pub(super) may_grow: bool,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Self::new("stdin", Box::new(Piped::new(io::stdin())), None);
        }
        let name = path.display().to_string();
        let (file, metadata) = open_file(path)?;
        if metadata.is_file() {
            return Self::new(&name, Box::new(file), Some(metadata.len()));
        }
        Self::new(&name, Box::new(Piped::new(file)), None)
    }

    /// Takes the rows from any stream; `name` is what errors call it.
    pub(super) fn new(
        name: &str,
        stream: Box<dyn Read + Send>,
        total: Option<u64>,
    ) -> Result<Self, Failure> {
        let progress = Progress {
            done: Arc::default(),
            total,
        };
        let counted = Counted {
            stream,
            done: Arc::clone(&progress.done),
        };
        let unpacked = unpack(name, counted).map_err(|error| not_opened(&error, name, 1))?;
        let (bytes, is_packed) = unpacked;
        Ok(Self {
            name: name.to_owned(),
            bytes,
            progress,
            may_grow: total.is_some() && !is_packed,
        })
    }
}

/// Opens what can be a file of rows; a pipe waits for its writer here.
fn open_file(path: &Path) -> Result<(File, Metadata), Failure> {
    let can_not = |error: io::Error| {
        Failure::in_file(path, &format!("can not be opened: {}", io_reason(&error)))
    };
    let file = File::open(path).map_err(can_not)?;
    let metadata = file.metadata().map_err(can_not)?;
    if metadata.is_dir() {
        let what = "is a directory; name the files in it instead";
        return Err(Failure::in_file(path, what));
    }
    Ok((file, metadata))
}

/// Tells whether a file of rows can be opened, without waiting for a pipe.
///
/// # Errors
/// When there is no such file, or it is a directory.
pub fn check_source(path: &Path) -> Result<(), Failure> {
    let is_pipe =
        fs::metadata(path).is_ok_and(|metadata| !(metadata.is_file() || metadata.is_dir()));
    if path == Path::new("-") || is_pipe {
        return Ok(());
    }
    open_file(path).map(|_| ())
}

/// Counts what is read of the file as it lies on disk.
struct Counted {
    stream: Box<dyn Read + Send>,
    done: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.done.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
