//! Where the store is made, and that nothing is left of it.

use std::fs;
use std::path::{Path, PathBuf};

use eventcask_console::failure::{Failure, io_reason};

use crate::args::LoadArgs;

/// Where the load is made.
#[derive(Debug, Clone, Copy)]
pub struct Directory<'a> {
    /// Where a store is or is to be.
    pub path: &'a Path,
    /// Whether somebody named it; one is made and removed otherwise.
    pub is_named: bool,
}

/// Where no store is named, one is made here, with a number behind it.
const NEW_STORE: &str = "./eventcask-load";
/// Directories that are tried before giving up.
const TRIES: u32 = 10_000;

/// The directory of the store.
pub(crate) struct Place {
    store: PathBuf,
    /// Whether it was one before.
    is_store: bool,
    /// What becomes of it at the end.
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The directory goes.
    Remove,
    /// It was there before, without anything in it.
    Empty,
    /// All stays.
    Keep,
}

impl Place {
    pub(crate) fn new(args: &LoadArgs, directory: Directory<'_>) -> Result<Self, Failure> {
        let fate = |fate| if args.keep { Fate::Keep } else { fate };
        if args.into_existing {
            let options = eventcask::Store::options().create(false);
            let found = options.open_read_only(directory.path);
            found.map_err(|error| Failure::of(&error))?;
            let store = directory.path.to_owned();
            return Ok(Self {
                store,
                is_store: true,
                fate: Fate::Keep,
            });
        }
        if !directory.is_named {
            return Ok(Self {
                store: new_directory()?,
                is_store: false,
                fate: fate(Fate::Remove),
            });
        }
        let store = directory.path.to_owned();
        let was_there = store.exists();
        if was_there && !is_empty(&store)? {
            let what = "is not empty; name another directory, or add to the store there with --into-existing";
            return Err(Failure::in_file(&store, what));
        }
        if !was_there {
            made(&store, fs::create_dir(&store))?;
        }
        let fate = fate(if was_there { Fate::Empty } else { Fate::Remove });
        Ok(Self {
            store,
            is_store: false,
            fate,
        })
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// A directory on the same disk that is not a store yet.
    pub(crate) fn for_yardsticks(&self) -> &Path {
        match self.is_store {
            false => &self.store,
            true => self
                .store
                .parent()
                .filter(|path| !path.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        }
    }

    /// Takes away what a run before has left.
    pub(crate) fn make_fresh(&self) -> Result<(), Failure> {
        if self.is_store {
            return Ok(());
        }
        removed(&self.store, empty(&self.store))
    }

    /// Takes away the store, unless it is to stay.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        let fate = std::mem::replace(&mut self.fate, Fate::Keep);
        removed(&self.store, take_away(&self.store, fate))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // `end` tells; here something else went wrong already.
        let _ = take_away(&self.store, self.fate);
    }
}

fn take_away(store: &Path, fate: Fate) -> std::io::Result<()> {
    match fate {
        Fate::Remove => fs::remove_dir_all(store),
        Fate::Empty => empty(store),
        Fate::Keep => Ok(()),
    }
}

fn empty(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn new_directory() -> Result<PathBuf, Failure> {
    for number in 1..TRIES {
        let path = PathBuf::from(format!("{NEW_STORE}-{number:04}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            result => return made(&path, result).map(|()| path),
        }
    }
    let what = "ten thousand are there already; remove some";
    Err(Failure::in_file(Path::new(NEW_STORE), what))
}

fn is_empty(directory: &Path) -> Result<bool, Failure> {
    let listed = fs::read_dir(directory);
    let mut entries = listed.map_err(|error| {
        let reason = io_reason(&error);
        Failure::in_file(directory, &format!("can not be listed: {reason}"))
    })?;
    Ok(entries.next().is_none())
}

fn made(path: &Path, result: std::io::Result<()>) -> Result<(), Failure> {
    result
        .map_err(|error| Failure::in_file(path, &format!("can not be made: {}", io_reason(&error))))
}

fn removed(path: &Path, result: std::io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| {
        let reason = io_reason(&error);
        Failure::Engine(format!("{}: can not be removed: {reason}", path.display()))
    })
}
