//! Fixed-width little-endian fields at fixed places, and the header that files share.
//!
//! The places here are those of `docs/FORMAT.md`; a test compares the document's worked example.

use crate::{Error, ErrorKind};

/// The version of the format that this code writes, and the only one that it reads.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// Bytes of the header of every file.
pub(crate) const FILE_HEADER_BYTES: usize = 128;

/// Reads fields of bytes whose length was checked.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }

    pub(crate) fn u8(self, at: usize) -> u8 {
        self.0[at]
    }

    pub(crate) fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    pub(crate) fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    pub(crate) fn u64(self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }

    pub(crate) fn i64(self, at: usize) -> i64 {
        i64::from_le_bytes(self.bytes(at))
    }

    pub(crate) fn u128(self, at: usize) -> u128 {
        u128::from_le_bytes(self.bytes(at))
    }

    pub(crate) fn is_zero(self, at: usize, end: usize) -> bool {
        self.0[at..end].iter().all(|byte| *byte == 0)
    }
}

/// Writes a field at its place.
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// The header of a file without its own fields: magic, version, length, store id.
pub(crate) fn file_header(magic: [u8; 8], length: u32, store: u128) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    put(&mut header, 0, magic);
    put(&mut header, 8, FORMAT_VERSION.to_le_bytes());
    put(&mut header, 12, length.to_le_bytes());
    put(&mut header, 40, store.to_le_bytes());
    header
}

/// Puts the checksum at the end of a finished header.
pub(crate) fn seal_file_header(header: &mut [u8; FILE_HEADER_BYTES]) {
    let crc = crc32c::crc32c(&header[..124]);
    put(header, 124, crc.to_le_bytes());
}

/// Checks what all headers have in common; a file of the future, or of the past, is told from a
/// damaged one.
/// `known` are the bits of the feature word `must` that files of this kind may set.
pub(crate) fn check_file_header(
    file: &str,
    bytes: &[u8],
    magic: [u8; 8],
    length: u32,
    known: u64,
) -> Result<(), Error> {
    let damaged = |reason| Err(Error::damaged(file, 0, reason));
    if bytes.len() < FILE_HEADER_BYTES {
        return damaged("it is shorter than its header");
    }
    let fields = Fields(bytes);
    if bytes[..8] != magic {
        return damaged("it does not begin as a file of this kind does");
    }
    if fields.u32(124) != crc32c::crc32c(&bytes[..124]) {
        return damaged("the checksum of its header is wrong");
    }
    let version = fields.u32(8);
    if version > FORMAT_VERSION || fields.u64(16) & !known != 0 {
        let message = format!(
            "{file} has format version {version} with features {:#x}, and this program reads version {FORMAT_VERSION}; use a newer eventcask",
            fields.u64(16)
        );
        return Err(Error::new(ErrorKind::NewerFormat, message));
    }
    if (1..FORMAT_VERSION).contains(&version) {
        let message = format!(
            "{file} has format version {version}, and this program reads version {FORMAT_VERSION}: an older eventcask wrote it; export the events with that one, and ingest them with this one"
        );
        return Err(Error::new(ErrorKind::OlderFormat, message));
    }
    if version == 0 || fields.u32(12) != length {
        return damaged("its header has an unknown version or length");
    }
    Ok(())
}

/// Whether the header allows this program to write (no unknown bit in the word `write`).
pub(crate) fn may_write(bytes: &[u8]) -> bool {
    Fields(bytes).u64(24) == 0
}
