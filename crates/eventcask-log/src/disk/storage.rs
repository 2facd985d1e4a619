//! The one seam between the engine and a disk.
//!
//! Names are relative to the store's directory and use `/`. Three forms stand behind it: the
//! real files, files in memory, and the faulty disk of the trials.

use std::io;
use std::path::Path;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A file that is made, or emptied where it exists.
    Create,
}

/// A directory of files as the engine needs it.
pub trait Storage: Send + Sync {
    /// Makes a directory; one that exists is fine.
    ///
    /// # Errors
    /// What the disk said.
    fn create_dir(&self, name: &str) -> io::Result<()>;

    /// Names of the files and directories in a directory, in any order; none where the
    /// directory does not exist.
    ///
    /// # Errors
    /// What the disk said.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Opens a file. Anything but a plain file (a link, a pipe, a device) is refused.
    ///
    /// # Errors
    /// What the disk said.
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>>;

    /// Renames a file, replacing the one that has the new name.
    ///
    /// # Errors
    /// What the disk said.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the disk said.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Removes a directory and what is in it.
    ///
    /// # Errors
    /// What the disk said.
    fn remove_dir(&self, name: &str) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// What the disk said.
    fn sync_dir(&self, name: &str) -> io::Result<()>;

    /// Takes the store for one writer, or returns `None` where another has it.
    ///
    /// # Errors
    /// What the disk said.
    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>>;

    /// Whether a writer has the store.
    ///
    /// # Errors
    /// What the disk said.
    fn is_locked(&self) -> io::Result<bool>;

    /// The directory on a file system of this machine, where it is one.
    fn directory(&self) -> Option<&Path> {
        None
    }

    /// A file's name as a person knows it.
    fn describe(&self, name: &str) -> String;
}

/// Holds the store for one writer until it is dropped.
pub trait Lock: Send + Sync {}

/// An open file that is read and written at places.
pub trait StoredFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes from `place`; fewer only at the end of the file.
    ///
    /// # Errors
    /// What the disk said.
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize>;

    /// Writes all bytes at `place`.
    ///
    /// # Errors
    /// What the disk said; part of the bytes may have been written.
    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()>;

    /// Writes parts one after the other, the first at `place`. What lies in the pages of memory as
    /// it will lie in those of the file may pass by the system's cache.
    ///
    /// # Errors
    /// As [`write_all_at`](Self::write_all_at).
    fn write_parts_at(&self, parts: &[&[u8]], mut place: u64) -> io::Result<()> {
        for part in parts {
            self.write_all_at(part, place)?;
            place += part.len() as u64;
        }
        Ok(())
    }

    /// Makes everything written before durable.
    ///
    /// # Errors
    /// What the disk said; nothing is known then of what was written since the sync before.
    fn sync(&self) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// What the disk said.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the disk said.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// What the disk said.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the file this long, with room on the disk for all of it. Where the disk can not
    /// promise room it is only made longer.
    ///
    /// # Errors
    /// What the disk said, such as that there is no room.
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}
