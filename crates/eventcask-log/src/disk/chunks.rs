//! Reads a file from a place to its end.

use std::io;

use crate::disk::storage::StoredFile;

/// Bytes copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Hands the bytes of a file from `place` on to `each`, a chunk at a time.
pub(crate) fn for_chunks(
    file: &dyn StoredFile,
    mut place: u64,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read_at(&mut buffer, place)?;
        if read == 0 {
            return Ok(());
        }
        each(place, &buffer[..read])?;
        place += read as u64;
    }
}
