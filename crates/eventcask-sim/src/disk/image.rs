//! A disk at rest.

use std::collections::{BTreeMap, BTreeSet};

/// Directories and files with their bytes, all of it durable: what a crash left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Names of the directories; the root is always there.
    pub dirs: BTreeSet<String>,
    /// The files by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// The directory of a name; the root is empty.
pub(crate) fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}
