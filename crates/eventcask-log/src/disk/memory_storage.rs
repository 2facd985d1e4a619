//! A store's directory in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::storage::{Lock, Open, Storage, StoredFile};

/// Files in memory; clones share them. For tests and examples: nothing outlives the process.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tree: Mutex<Tree>,
    locked: AtomicBool,
}

#[derive(Debug, Default)]
struct Tree {
    dirs: BTreeSet<String>,
    files: BTreeMap<String, MemoryFile>,
}

#[derive(Debug, Clone, Default)]
struct MemoryFile {
    bytes: Arc<Mutex<Vec<u8>>>,
}

/// A thread that panicked while it held the lock left bytes as they were.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStorage {
    /// A copy of all files as they are now, with nothing shared.
    #[must_use]
    pub fn copy(&self) -> Self {
        let tree = locked(&self.inner.tree);
        let files = tree.files.iter().map(|(name, file)| {
            let bytes = Arc::new(Mutex::new(locked(&file.bytes).clone()));
            (name.clone(), MemoryFile { bytes })
        });
        let copy = Tree {
            dirs: tree.dirs.clone(),
            files: files.collect(),
        };
        Self {
            inner: Arc::new(Inner {
                tree: Mutex::new(copy),
                locked: AtomicBool::new(false),
            }),
        }
    }

    /// Names of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        locked(&self.inner.tree).files.keys().cloned().collect()
    }
}

impl Storage for MemoryStorage {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        locked(&self.inner.tree).dirs.insert(name.to_owned());
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let tree = locked(&self.inner.tree);
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let names = tree.dirs.iter().chain(tree.files.keys());
        let inside = names.filter_map(|name| name.strip_prefix(&prefix));
        let direct = inside.filter(|name| !name.is_empty() && !name.contains('/'));
        Ok(direct.map(str::to_owned).collect())
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        let mut tree = locked(&self.inner.tree);
        if how == Open::Create {
            let file = tree.files.entry(name.to_owned()).or_default();
            locked(&file.bytes).clear();
            return Ok(Box::new(file.clone()));
        }
        match tree.files.get(name) {
            Some(file) => Ok(Box::new(file.clone())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut tree = locked(&self.inner.tree);
        let file = tree.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = locked(&self.inner.tree).files.remove(name);
        removed
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        let mut tree = locked(&self.inner.tree);
        let prefix = format!("{name}/");
        tree.dirs
            .retain(|dir| dir != name && !dir.starts_with(&prefix));
        tree.files.retain(|file, _| !file.starts_with(&prefix));
        Ok(())
    }

    fn sync_dir(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        // AcqRel pairs with the Release of the drop below: a new writer sees the old one's files.
        if self.inner.locked.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock {
            inner: Arc::clone(&self.inner),
        })))
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.inner.locked.load(Ordering::Acquire))
    }

    fn describe(&self, name: &str) -> String {
        format!("memory:{name}")
    }
}

struct MemoryLock {
    inner: Arc<Inner>,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.inner.locked.store(false, Ordering::Release);
    }
}

impl StoredFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let bytes = locked(&self.bytes);
        let start = usize::try_from(place).map_or(bytes.len(), |place| place.min(bytes.len()));
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, new: &[u8], place: u64) -> io::Result<()> {
        let mut bytes = locked(&self.bytes);
        let start = usize::try_from(place).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(new);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(locked(&self.bytes).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        locked(&self.bytes).resize(len, 0);
        Ok(())
    }
}
