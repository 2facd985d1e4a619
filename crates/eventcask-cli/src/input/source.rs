//! Opens a file of rows, or standard input, and takes the compression off.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::Compression;
use super::piped::{Piped, not_opened, patiently};
use crate::failure::{Failure, io_reason};

/// Bytes of the packed file that are asked for at once.
const PACKED_BYTES: usize = 128 << 10;
/// A zstd frame may look back this many bits of bytes (128 MiB), so that memory is bounded.
const ZSTD_WINDOW_BITS: u32 = 27;

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
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Self::new("stdin", Box::new(Piped::new(io::stdin())), None);
        }
        let name = path.display().to_string();
        let can_not = |error: io::Error| {
            Failure::in_file(path, &format!("can not be opened: {}", io_reason(&error)))
        };
        let file = File::open(path).map_err(can_not)?;
        let metadata = file.metadata().map_err(can_not)?;
        if metadata.is_dir() {
            return Err(Failure::in_file(
                path,
                "is a directory; name the files in it instead",
            ));
        }
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
        let bytes = unpack(name, counted).map_err(|error| not_opened(&error, name, 1))?;
        Ok(Self {
            name: name.to_owned(),
            bytes,
            progress,
        })
    }
}

fn unpack(name: &str, mut stream: Counted) -> io::Result<Box<dyn Read + Send>> {
    let magic = read_magic(&mut stream)?;
    let compression = Compression::of(&magic, name);
    if compression != Compression::None && magic.is_empty() {
        return Ok(Box::new(Cut));
    }
    let stream = Cursor::new(magic).chain(stream);
    let packed = BufReader::with_capacity(PACKED_BYTES, stream);
    Ok(match compression {
        Compression::None => Box::new(packed.into_inner()),
        Compression::Gzip => {
            let unpacked = flate2::bufread::MultiGzDecoder::new(packed);
            Box::new(Named {
                unpacked,
                compression: "gzip",
            })
        }
        Compression::Zstd => Box::new(Named {
            unpacked: zstd_of(packed)?,
            compression: "zstd",
        }),
    })
}

fn read_magic(stream: &mut Counted) -> io::Result<Vec<u8>> {
    let mut magic = [0; Compression::MAGIC_BYTES];
    let mut read = 0;
    while read < magic.len() {
        match patiently(|| stream.read(&mut magic[read..])) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(magic[..read].to_vec())
}

fn zstd_of<R: BufRead>(packed: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut unpacked = zstd::Decoder::with_buffer(packed)?;
    unpacked.window_log_max(ZSTD_WINDOW_BITS)?;
    Ok(unpacked)
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

/// Says in words what a decoder says in its own way.
struct Named<R> {
    unpacked: R,
    compression: &'static str,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.unpacked
            .read(buffer)
            .map_err(|error| match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock => error,
                ErrorKind::UnexpectedEof => cut_off(),
                kind => {
                    let reason = io_reason(&error);
                    io::Error::new(
                        kind,
                        format!("the {} data is damaged: {reason}", self.compression),
                    )
                }
            })
    }
}

/// A packed file without a single byte.
struct Cut;

impl Read for Cut {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(cut_off())
    }
}

fn cut_off() -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        "the compressed data ends too early: the file is cut off",
    )
}
