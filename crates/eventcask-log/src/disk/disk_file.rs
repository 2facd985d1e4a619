//! A file of a store on a real disk.
//!
//! Large writes of whole pages go past the system's cache: measured, that is twice as fast into
//! blocks that the file has, and takes a fifth of the CPU.
//!
//! 1. Of each part the whole pages are told from its beginning and its end, which share pages with
//!    the parts beside it. That takes a part whose bytes lie in memory as they will lie in the
//!    pages of the file.
//! 2. Whole pages that follow each other are a stretch, over any number of parts. One that is large
//!    goes past the cache at once. All is written in the order of the file.
//! 3. All else goes the ordinary way, as does everything where the file system refuses the other.
//!
//! The kernel keeps both consistent: a direct write first writes out and drops the pages of the
//! cache that it passes by.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::disk::buffer::PAGE_BYTES;
use crate::disk::storage::StoredFile;

/// Smaller writes are faster through the cache.
const DIRECT_BYTES: usize = 128 << 10;
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

    /// Writes a stretch of whole pages past the cache, if it is large enough and that is possible.
    fn write_stretch(&self, stretch: &mut Stretch<'_>) -> io::Result<()> {
        let written = if stretch.bytes() >= DIRECT_BYTES {
            self.write_direct(stretch)?
        } else {
            0
        };
        let (mut start, mut place) = (0, stretch.place);
        for pages in stretch.pages.drain(..) {
            let done = usize::min(written.saturating_sub(start), pages.len());
            if done < pages.len() {
                self.file
                    .write_all_at(&pages[done..], place + done as u64)?;
            }
            start += pages.len();
            place += pages.len() as u64;
        }
        Ok(())
    }

    /// Writes past the cache and says how many bytes; not all where that is refused.
    fn write_direct(&self, stretch: &Stretch<'_>) -> io::Result<usize> {
        let Some(direct) = self.direct() else {
            return Ok(0);
        };
        let mut written = 0;
        for pages in stretch.pages.chunks(PARTS) {
            let wanted = written + pages.iter().map(|pages| pages.len()).sum::<usize>();
            let slices: Vec<_> = pages.iter().map(|pages| IoSlice::new(pages)).collect();
            let result = loop {
                match rustix::io::pwritev(direct, &slices, stretch.place + written as u64) {
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
}

/// Whole pages that follow each other in the file.
#[derive(Debug, Default)]
struct Stretch<'a> {
    place: u64,
    pages: Vec<&'a [u8]>,
}

impl Stretch<'_> {
    fn bytes(&self) -> usize {
        self.pages.iter().map(|pages| pages.len()).sum()
    }
}

/// The bytes of a part before its whole pages, those, and the bytes behind them.
fn whole_pages(part: &[u8], place: u64) -> (&[u8], &[u8], &[u8]) {
    let in_page = (place % PAGE_BYTES as u64) as usize;
    if part.as_ptr() as usize % PAGE_BYTES != in_page {
        return (part, &[], &[]);
    }
    let before = in_page.next_multiple_of(PAGE_BYTES) - in_page;
    let Some((before, rest)) = part.split_at_checked(before) else {
        return (part, &[], &[]);
    };
    let (pages, after) = rest.split_at(rest.len() - rest.len() % PAGE_BYTES);
    (before, pages, after)
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

    fn write_parts_at(&self, parts: &[&[u8]], mut place: u64) -> io::Result<()> {
        let mut stretch = Stretch::default();
        for part in parts {
            let (before, pages, after) = whole_pages(part, place);
            for (bytes, is_pages) in [(before, false), (pages, true), (after, false)] {
                if bytes.is_empty() {
                    continue;
                }
                if is_pages {
                    if stretch.pages.is_empty() {
                        stretch.place = place;
                    }
                    stretch.pages.push(bytes);
                } else {
                    // In the order of the file: what a process that is killed leaves behind has
                    // something at its beginning, or is zeros.
                    self.write_stretch(&mut stretch)?;
                    self.file.write_all_at(bytes, place)?;
                }
                place += bytes.len() as u64;
            }
        }
        self.write_stretch(&mut stretch)
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
