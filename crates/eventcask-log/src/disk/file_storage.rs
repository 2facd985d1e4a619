//! A store's directory on a real file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::disk_file::DiskFile;
use crate::disk::storage::{Lock, Open, Storage, StoredFile};

/// Name of the file in which a writer leaves its process id, for people.
const LOCK_FILE: &str = "LOCK";
/// How often a writer tries to get the lock. Who asks for it holds it for microseconds, unless
/// a busy machine takes the processor away just then: all tries together outlast that, and a
/// person hardly notices them.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The files below a directory. What it makes is readable by the owner alone.
#[derive(Debug, Clone)]
pub struct FileStorage {
    root: PathBuf,
}

impl FileStorage {
    /// The storage below `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the directory is another one, or would be somewhere below it, by whatever names:
    /// neither need be there.
    ///
    /// # Errors
    /// What the disk said.
    pub fn is_within(&self, other: &Path) -> io::Result<bool> {
        let Ok(other) = fs::metadata(other) else {
            return Ok(false);
        };
        let is_other = |path: &Path| {
            let about = fs::metadata(path);
            about.is_ok_and(|about| (about.dev(), about.ino()) == (other.dev(), other.ino()))
        };
        Ok(resolve(&self.root)?.ancestors().any(is_other))
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(name)
        }
    }

    /// The path of a directory below the root, through directories of our own alone. The root
    /// itself may be a link: its name is the user's.
    fn dir_path(&self, dir: &str) -> io::Result<PathBuf> {
        let mut path = self.root.clone();
        for part in dir.split('/').filter(|part| !part.is_empty()) {
            path.push(part);
            refuse_link(&path)?;
        }
        Ok(path)
    }

    /// The path of a file, as [`dir_path`](Self::dir_path) for the directory that it is in.
    fn file_path(&self, name: &str) -> io::Result<PathBuf> {
        let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
        Ok(self.dir_path(dir)?.join(file))
    }
}

/// A path without links, as far as it is there.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut resolved = std::env::current_dir()?;
    for part in path.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
        if let Ok(real) = resolved.canonicalize() {
            resolved = real;
        }
    }
    Ok(resolved)
}

/// Refuses a link in place of a directory of ours: what it leads to is not the store's. One that is
/// not there is for the caller to find.
fn refuse_link(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => {
            let reason = format!("{} is a link, not a directory", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
        }
        _ => Ok(()),
    }
}

impl Storage for FileStorage {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        if name.is_empty() {
            return create_root(&self.root);
        }
        create_private_dir(&self.dir_path(name)?)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.dir_path(dir)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        // A name that is not UTF-8 is none of ours.
        entries
            .filter_map(|entry| {
                entry
                    .map(|entry| entry.file_name().into_string().ok())
                    .transpose()
            })
            .collect()
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .write(how != Open::Read)
            .create(how == Open::Create)
            .truncate(how == Open::Create)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(self.file_path(name)?)
            .map_err(explain_link)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a plain file",
            ));
        }
        Ok(Box::new(DiskFile::new(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file_path(from)?, self.file_path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file_path(name)?)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.dir_path(name)?)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        File::open(self.dir_path(name)?)?.sync_all()
    }

    /// Locks the directory itself, so that the lock holds when a file in it is deleted; it
    /// ends with the process.
    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        let directory = File::open(&self.root)?;
        if !try_lock(&directory)? {
            return Ok(None);
        }
        // Only tells people who has the store; a full disk must not keep it from opening.
        let note = format!("{}\n", std::process::id());
        let _ = self
            .open(LOCK_FILE, Open::Create)
            .and_then(|file| file.write_all_at(note.as_bytes(), 0));
        Ok(Some(Box::new(DirectoryLock {
            directory,
            process: std::process::id(),
        })))
    }

    fn is_locked(&self) -> io::Result<bool> {
        let directory = File::open(&self.root)?;
        match directory.try_lock_shared() {
            Ok(()) => directory.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn describe(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// Makes the store's directory and those above it, each durable in the one above: without
/// that a loss of power could take the whole store.
fn create_root(root: &Path) -> io::Result<()> {
    let parent = match root.parent() {
        None => return create_private_dir(root),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    if !parent.is_dir() {
        create_root(parent)?;
    }
    create_private_dir(root)?;
    match File::open(parent) {
        // One may make files in a directory that one may not read; it can not be synced then.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other?.sync_all(),
    }
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // The root may be a link to a directory; below it there is none by now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Takes the lock, unless another writer has it. Who only asks whether it is taken holds it
/// for a moment, so it is tried a few times.
fn try_lock(directory: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match directory.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

struct DirectoryLock {
    directory: File,
    /// Who took it.
    process: u32,
}

impl Lock for DirectoryLock {}

impl Drop for DirectoryLock {
    /// A child that was forked has the same open directory, so closing ours would not end the lock.
    /// Nor may a child end what its parent still holds.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // Where that fails, closing the directory does what it can.
            let _ = self.directory.unlock();
        }
    }
}

/// The system says of a link that there are too many levels of them.
fn explain_link(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::new(error.kind(), "it is a link, not a plain file"),
        _ => error,
    }
}
