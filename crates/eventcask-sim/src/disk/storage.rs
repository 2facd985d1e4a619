//! The disk as the engine uses it.

use std::io;

use eventcask::storage::{Lock, Open, Storage, StoredFile};

use crate::disk::file::SimFile;
use crate::disk::journal::Step;
use crate::disk::sim_disk::SimDisk;
use crate::planted::Planted;

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Storage for SimDisk {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        let mut state = self.turn();
        if state.live.is_dir(name) {
            return Ok(());
        }
        if !state.live.has_parent(name) {
            return Err(not_found());
        }
        state.step(Step::MakeDir(name.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.turn();
        let inside = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let names = state.live.names.keys();
        let names = names.filter_map(|name| name.strip_prefix(&inside));
        Ok(names
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        let mut state = self.turn();
        let file = match (state.live.file(name), how) {
            (Some(file), Open::Create) => {
                let emptied = state.live.bytes[file].len() as u64;
                state.faults.on_cut(emptied);
                state.step(Step::SetLen { file, len: 0 });
                file
            }
            (Some(file), _) => file,
            (None, Open::Create) if state.live.has_parent(name) => {
                let file = state.live.bytes.len();
                let name = name.to_owned();
                state.step(Step::Make { name, file });
                file
            }
            (None, _) => return Err(not_found()),
        };
        let is_new_segment = name.ends_with(".segment.new");
        Ok(Box::new(SimFile::new(self.clone(), file, is_new_segment)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.turn();
        state.live.file(from).ok_or_else(not_found)?;
        let lasts = state.planted != Some(Planted::RenameIsLost);
        if state.planted == Some(Planted::RenameLeavesAGap) && state.live.file(to).is_some() {
            state.step(Step::Remove(to.to_owned()));
            let dir = crate::disk::image::parent(to).to_owned();
            state.step(Step::SyncDir {
                name: dir,
                well: true,
            });
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        state.step(Step::Rename { from, to, lasts });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.turn();
        state.live.file(name).ok_or_else(not_found)?;
        state.step(Step::Remove(name.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.turn().step(Step::RemoveDir(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        let mut state = self.turn();
        if !state.live.is_dir(name) {
            return Err(not_found());
        }
        let result = state.faults.on_sync();
        let lies = state.planted == Some(Planted::DirectorySyncDoesNothing);
        state.step(Step::SyncDir {
            name: name.to_owned(),
            well: result.is_ok() && !lies,
        });
        result
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.state();
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock(self.clone()))))
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.state().locked)
    }

    fn describe(&self, name: &str) -> String {
        format!("sim:{name}")
    }
}

struct SimLock(SimDisk);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}
