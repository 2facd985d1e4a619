//! A store's directory on a real file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

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

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(name)
        }
    }
}

impl Storage for FileStorage {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        if name.is_empty() {
            return create_root(&path);
        }
        create_private_dir(&path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(dir)) {
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
            .open(self.path(name))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a plain file",
            ));
        }
        Ok(Box::new(DiskFile::new(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.path(name))
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
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
            _directory: directory,
        })))
    }

    fn is_locked(&self) -> io::Result<bool> {
        match File::open(&self.root)?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
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
    _directory: File,
}

impl Lock for DirectoryLock {}
