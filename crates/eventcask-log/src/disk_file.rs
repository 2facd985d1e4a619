//! A file of a store on a real disk.
//!
//! Large writes of whole pages go past the system's cache: measured, that is twice as fast into
//! blocks that the file has, and takes a fifth of the CPU. Small ones, those that are not aligned,
//! and those of file systems that refuse it go the ordinary way. The kernel keeps both consistent:
//! a direct write first writes out and drops the pages of the cache that it passes by.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::buffer::PAGE_BYTES;
use crate::storage::StoredFile;

/// Smaller writes are faster through the cache.
const DIRECT_BYTES: usize = 256 << 10;
/// Parts that are handed to the kernel at once; it takes 1024.
const PARTS: usize = 256;

/// A file, and a second handle to it for direct writes once there is a large one.
#[derive(Debug)]
pub(crate) struct DiskFile {
    file: File,
    direct: OnceLock<Option<File>>,
}

impl DiskFile {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            direct: OnceLock::new(),
        }
    }

    /// The handle for direct writes, where the file system has such a thing.
    fn direct(&self) -> Option<&File> {
        self.direct.get_or_init(|| open_direct(&self.file)).as_ref()
    }

    /// Writes whole pages past the cache and says how many bytes; 0 where that is refused.
    fn write_direct(&self, parts: &[&[u8]], place: u64) -> io::Result<usize> {
        let Some(direct) = self.direct() else {
            return Ok(0);
        };
        let mut written = 0;
        for parts in parts.chunks(PARTS) {
            let wanted = written + parts.iter().map(|part| part.len()).sum::<usize>();
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let result = loop {
                match rustix::io::pwritev(direct, &slices, place + written as u64) {
                    Err(Errno::INTR) => {}
                    other => break other,
                }
            };
            match result {
                Ok(some) => written += some,
                Err(Errno::INVAL) => return Ok(written),
                Err(error) => return Err(error.into()),
            }
            if written < wanted {
                break;
            }
        }
        Ok(written)
    }

    /// Writes what is left of the parts behind the first `written` bytes.
    fn write_rest(&self, parts: &[&[u8]], place: u64, written: usize) -> io::Result<()> {
        let mut start = 0;
        for part in parts {
            let done = written.saturating_sub(start).min(part.len());
            self.file
                .write_all_at(&part[done..], place + (start + done) as u64)?;
            start += part.len();
        }
        Ok(())
    }
}

/// A second handle to an open file, whatever its name is by now.
#[cfg(target_os = "linux")]
fn open_direct(file: &File) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsRawFd;

    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    rustix::fs::open(name, flags, Mode::empty())
        .ok()
        .map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_file: &File) -> Option<File> {
    None
}

/// Whether parts that go to `place` can be written past the cache, and are large enough.
fn is_direct(parts: &[&[u8]], place: u64) -> bool {
    let page = PAGE_BYTES as u64;
    let whole = |part: &&[u8]| {
        part.len().is_multiple_of(PAGE_BYTES) && (part.as_ptr() as usize).is_multiple_of(PAGE_BYTES)
    };
    place.is_multiple_of(page)
        && parts.iter().map(|part| part.len()).sum::<usize>() >= DIRECT_BYTES
        && parts.iter().all(whole)
}

impl StoredFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.file.read_at(&mut buffer[read..], place + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, place)
    }

    fn write_parts_at(&self, parts: &[&[u8]], place: u64) -> io::Result<()> {
        // A first block that does not begin at a page goes the ordinary way by itself, so that
        // those behind it need not.
        let first = usize::from(!place.is_multiple_of(PAGE_BYTES as u64)).min(parts.len());
        let (first, rest) = parts.split_at(first);
        self.write_rest(first, place, 0)?;
        let place = place + first.iter().map(|part| part.len() as u64).sum::<u64>();
        let written = if is_direct(rest, place) {
            self.write_direct(rest, place)?
        } else {
            0
        };
        self.write_rest(rest, place, written)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP) => self.set_len(len),
            Err(error) => Err(error.into()),
        }
    }
}
