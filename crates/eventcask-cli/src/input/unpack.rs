//! Takes the compression off.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use super::format::Compression;
use super::piped::patiently;
use crate::failure::io_reason;

/// Bytes of the packed file that are asked for at once.
const PACKED_BYTES: usize = 128 << 10;
/// A zstd frame may look back this many bits of bytes (128 MiB), so that memory is bounded.
const ZSTD_WINDOW_BITS: u32 = 27;

/// The bytes of a stream without the compression that its first bytes or its name tell of, and
/// whether there was one.
pub(super) fn unpack<R: Read + Send + 'static>(
    name: &str,
    mut stream: R,
) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let magic = read_magic(&mut stream)?;
    let compression = Compression::of(&magic, name);
    if compression != Compression::None && magic.is_empty() {
        return Ok((Box::new(Cut), true));
    }
    let stream = Cursor::new(magic).chain(stream);
    let packed = BufReader::with_capacity(PACKED_BYTES, stream);
    let bytes: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(packed.into_inner()),
        Compression::Gzip => Box::new(Named {
            unpacked: Members::Within(GzDecoder::new(packed)),
            compression: "gzip",
        }),
        Compression::Zstd => Box::new(Named {
            unpacked: zstd_of(packed)?,
            compression: "zstd",
        }),
    };
    Ok((bytes, compression != Compression::None))
}

fn read_magic(stream: &mut impl Read) -> io::Result<Vec<u8>> {
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

/// The members of a gzip file, one after the other. Behind the last one there may be zeros, with
/// which tapes and disks fill a file up.
enum Members<R> {
    Within(GzDecoder<R>),
    /// After a member; whether zeros came by.
    Between(R, bool),
    End,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self {
                Self::End => return Ok(0),
                Self::Within(member) => match member.read(buffer)? {
                    0 if !buffer.is_empty() => self.end_member(),
                    count => return Ok(count),
                },
                Self::Between(packed, has_zeros) => {
                    let bytes = packed.fill_buf()?;
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    let (is_end, is_over) = (bytes.is_empty(), zeros < bytes.len());
                    packed.consume(zeros);
                    *has_zeros |= zeros > 0;
                    match (is_end, is_over) {
                        (true, _) => *self = Self::End,
                        (_, true) if *has_zeros => return Err(after_the_zeros()),
                        (_, true) => self.begin_member(),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl<R: BufRead> Members<R> {
    fn end_member(&mut self) {
        *self = match std::mem::replace(self, Self::End) {
            Self::Within(member) => Self::Between(member.into_inner(), false),
            other => other,
        };
    }

    fn begin_member(&mut self) {
        *self = match std::mem::replace(self, Self::End) {
            Self::Between(packed, _) => Self::Within(GzDecoder::new(packed)),
            other => other,
        };
    }
}

fn after_the_zeros() -> io::Error {
    let what = "something follows the zeros after its end";
    io::Error::new(ErrorKind::InvalidData, what)
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
