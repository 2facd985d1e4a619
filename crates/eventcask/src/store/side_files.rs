//! What a store keeps beside its log: the one list of it, for those who make, copy, check and mend
//! stores.

use eventcask_log::{Error as LogError, Manifest, Storage};

use crate::name::is_numbered;

/// How a side file is laid out, and so what can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// No part of the data: for people, or room on the disk.
    Aside,
    /// One framed file.
    Framed,
    /// A directory of framed files with numbers.
    Numbered,
    /// A directory of directories with numbers, in each a definition and a snapshot a shard.
    States,
    /// A directory of what is checked where it is used, and made again.
    Derived,
}

/// A file or directory beside the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SideFile {
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    /// What it means that it can not be read and is given up.
    pub(crate) loss: &'static str,
}

/// All of them. What is not here, in a directory of a store, is not ours.
pub(crate) const SIDE_FILES: [SideFile; 9] = [
    side("LOCK", Layout::Aside, ""),
    side("RESERVE", Layout::Aside, ""),
    side(
        "ENDS",
        Layout::Framed,
        "how long the logs were is noted anew when the store is opened",
    ),
    side(
        "RETENTION",
        Layout::Framed,
        "events that were given up by time are shown again, until that is done again",
    ),
    side(
        "ORIGIN",
        Layout::Framed,
        "rows of sources that were taken in before the store was resharded are stored again when they come again",
    ),
    side(
        "views",
        Layout::States,
        "a snapshot is made again; without its definition a view is gone",
    ),
    side(
        "projections",
        Layout::States,
        "it is made again from the log",
    ),
    side(
        "subscriptions",
        Layout::Numbered,
        "a subscription of that name begins anew",
    ),
    side("folds", Layout::Derived, ""),
];

const fn side(name: &'static str, layout: Layout, loss: &'static str) -> SideFile {
    SideFile { name, layout, loss }
}

/// Names of the files and directories in one; none where it is not there.
pub(crate) fn list(storage: &dyn Storage, dir: &str) -> Result<Vec<String>, LogError> {
    let mut names = storage
        .list(dir)
        .map_err(|error| LogError::io("list", &storage.describe(dir), error))?;
    names.sort_unstable();
    Ok(names)
}

/// Whether a name in the directory of a store is one of ours.
pub(crate) fn is_ours(name: &str) -> bool {
    name == "shards" || Manifest::is_name(name) || side_file(name).is_some()
}

/// Whether a side file holds something that only a store that was there has.
pub(crate) fn is_data(name: &str) -> bool {
    side_file(name).is_some_and(|side| side.layout != Layout::Aside)
}

fn side_file(name: &str) -> Option<SideFile> {
    named(name.strip_suffix(".new").unwrap_or(name))
}

/// The one of this name.
pub(crate) fn named(name: &str) -> Option<SideFile> {
    SIDE_FILES.into_iter().find(|side| side.name == name)
}

impl SideFile {
    /// Removes it, if it is there.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn remove(&self, storage: &dyn Storage) -> Result<(), LogError> {
        if !list(storage, "")?.iter().any(|name| name == self.name) {
            return Ok(());
        }
        let removed = match self.layout {
            Layout::Aside | Layout::Framed => storage.remove(self.name),
            _ => storage.remove_dir(self.name),
        };
        removed.map_err(|error| LogError::io("remove", &storage.describe(self.name), error))
    }

    /// The framed files that there are of it.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn framed(&self, storage: &dyn Storage) -> Result<Vec<String>, LogError> {
        let name = self.name;
        let numbered = || {
            let mut names = list(storage, name)?;
            names.retain(|number| is_numbered(number));
            Ok(names.into_iter().map(|number| format!("{name}/{number}")))
        };
        match self.layout {
            Layout::Aside | Layout::Derived => Ok(Vec::new()),
            Layout::Framed => {
                let mut names = list(storage, "")?;
                names.retain(|found| found == name);
                Ok(names)
            }
            Layout::Numbered => Ok(numbered()?.collect()),
            Layout::States => {
                let mut all = Vec::new();
                for dir in numbered()? {
                    let mut names = list(storage, &dir)?;
                    names.retain(|name| name == "definition" || name.ends_with(".snapshot"));
                    all.extend(names.iter().map(|name| format!("{dir}/{name}")));
                }
                Ok(all)
            }
        }
    }
}

/// All framed files beside the log, and what each belongs to.
///
/// # Errors
/// What the disk said.
pub(crate) fn framed(storage: &dyn Storage) -> Result<Vec<(SideFile, String)>, LogError> {
    let mut all = Vec::new();
    for side in SIDE_FILES {
        let files = side.framed(storage)?.into_iter();
        all.extend(files.map(|file| (side, file)));
    }
    Ok(all)
}
