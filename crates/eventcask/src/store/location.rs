//! Where a store lies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventcask_log::{FileStorage, MemoryStorage, Storage};

/// Where a store lies: a directory by its path, or [storage](Storage) of your own.
///
/// ```
/// use eventcask::storage::MemoryStorage;
///
/// let in_memory = MemoryStorage::default();
/// eventcask::open(in_memory.clone())?.close()?;
/// assert_eq!(eventcask::Store::options().open_read_only(in_memory)?.positions()[0], 0);
/// # Ok::<(), eventcask::Error>(())
/// ```
#[derive(Clone)]
pub struct Location(Arc<dyn Storage>);

impl Location {
    pub(crate) fn into_storage(self) -> Arc<dyn Storage> {
        self.0
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Location({})", self.0.describe(""))
    }
}

impl From<&Path> for Location {
    fn from(directory: &Path) -> Self {
        Self(Arc::new(FileStorage::new(directory)))
    }
}

impl From<PathBuf> for Location {
    fn from(directory: PathBuf) -> Self {
        directory.as_path().into()
    }
}

impl From<&PathBuf> for Location {
    fn from(directory: &PathBuf) -> Self {
        directory.as_path().into()
    }
}

impl From<&str> for Location {
    fn from(directory: &str) -> Self {
        Path::new(directory).into()
    }
}

impl From<String> for Location {
    fn from(directory: String) -> Self {
        Path::new(&directory).into()
    }
}

impl From<&String> for Location {
    fn from(directory: &String) -> Self {
        Path::new(directory).into()
    }
}

impl From<MemoryStorage> for Location {
    fn from(storage: MemoryStorage) -> Self {
        Self(Arc::new(storage))
    }
}

impl<S: Storage + 'static> From<Arc<S>> for Location {
    fn from(storage: Arc<S>) -> Self {
        Self(storage)
    }
}

impl From<&Arc<dyn Storage>> for Location {
    fn from(storage: &Arc<dyn Storage>) -> Self {
        Self(Arc::clone(storage))
    }
}

impl From<Arc<dyn Storage>> for Location {
    fn from(storage: Arc<dyn Storage>) -> Self {
        Self(storage)
    }
}
