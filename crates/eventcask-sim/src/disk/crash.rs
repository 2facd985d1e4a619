//! What is left of a disk after a crash, computed from its journal.
//!
//! A loss of power keeps what was synced. Of the writes that were not, any may be missing or
//! there in part, sector by sector, and so may names in a directory that was not synced. The
//! end of the process keeps all that was written; only the last write may be cut short.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;

use crate::disk::image::{Image, parent};
use crate::disk::journal::{FileNumber, Step, Synced};
use crate::disk::live::{Live, Node, remove_tree};
use crate::disk::sim_disk::SimDisk;
use crate::disk::torn::{Change, Fate};

/// A change of a directory that is not durable yet.
#[derive(Debug)]
enum NameChange {
    Put(String, Node),
    Move(String, String, Node),
    Remove(String),
    RemoveDir(String),
}

struct Replay {
    live: Live,
    names: BTreeMap<String, Node>,
    bytes: Vec<Vec<u8>>,
    changes: Vec<Vec<Change>>,
    name_changes: Vec<(String, NameChange)>,
    rng: Rng,
    fate: Fate,
}

impl SimDisk {
    /// What the disk holds if the power goes after the first `steps` steps. The seed decides
    /// about all that was not durable.
    #[must_use]
    pub fn power_cut(&self, steps: usize, seed: u64) -> Image {
        let state = self.state();
        let mut replay = Replay::begin(&state.base, seed);
        for step in &state.journal[..steps] {
            replay.step(step);
        }
        replay.end()
    }

    /// The disk as a new process finds it if the old one ends after the first `steps` steps.
    /// What was not durable is there, and still not durable.
    #[must_use]
    pub fn killed(&self, steps: usize, seed: u64) -> Self {
        let state = self.state();
        let mut journal = state.journal[..steps].to_vec();
        if let Some(Step::Write { bytes, .. }) = journal.last_mut() {
            let cut = Rng::with_seed(seed).usize(..=bytes.len());
            *bytes = bytes[..cut].into();
        }
        Self::replayed(state.base.clone(), journal)
    }
}

impl Replay {
    fn begin(base: &Image, seed: u64) -> Self {
        let live = Live::of(base);
        let mut rng = Rng::with_seed(seed);
        let fate = match rng.u32(..8) {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => Fate::Mixed,
        };
        Self {
            names: live.names.clone(),
            bytes: live.bytes.clone(),
            changes: live.bytes.iter().map(|_| Vec::new()).collect(),
            name_changes: Vec::new(),
            live,
            rng,
            fate,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::MakeDir(name) => {
                self.rename_later(name, NameChange::Put(name.clone(), Node::Dir));
            }
            Step::Make { name, file } => {
                self.bytes.push(Vec::new());
                self.changes.push(Vec::new());
                self.rename_later(name, NameChange::Put(name.clone(), Node::File(*file)));
            }
            Step::Write { file, place, bytes } => {
                self.changes[*file].push(Change::Write(*place, Arc::clone(bytes)));
            }
            Step::SetLen { file, len } => self.changes[*file].push(Change::SetLen(*len)),
            Step::Sync { file, how } => self.sync(*file, *how),
            Step::Rename { from, to, lasts } => {
                if let (true, Some(node)) = (lasts, self.live.names.get(from)) {
                    let change = NameChange::Move(from.clone(), to.clone(), *node);
                    self.rename_later(to, change);
                }
            }
            Step::Remove(name) => self.rename_later(name, NameChange::Remove(name.clone())),
            Step::RemoveDir(name) => self.rename_later(name, NameChange::RemoveDir(name.clone())),
            Step::SyncDir { name, well: true } => self.sync_dir(name),
            Step::SyncDir { .. } | Step::Note(_) => {}
        }
        self.apply_live(step);
    }

    /// Only names matter here; the bytes of running processes do not.
    fn apply_live(&mut self, step: &Step) {
        if !matches!(step, Step::Write { .. } | Step::SetLen { .. }) {
            self.live.apply(step);
        }
    }

    fn rename_later(&mut self, name: &str, change: NameChange) {
        self.name_changes.push((parent(name).to_owned(), change));
    }

    fn sync(&mut self, file: FileNumber, how: Synced) {
        let mut changes = std::mem::take(&mut self.changes[file]);
        match how {
            Synced::Well => {}
            Synced::Failed => return self.settle(file, changes),
            Synced::ButTheLast => self.changes[file].extend(changes.pop()),
        }
        for change in changes {
            change.apply(&mut self.bytes[file]);
        }
    }

    /// Decides what is left of changes that will never be synced.
    fn settle(&mut self, file: FileNumber, changes: Vec<Change>) {
        for change in changes {
            change.settle(&mut self.bytes[file], self.fate, &mut self.rng);
        }
    }

    fn sync_dir(&mut self, dir: &str) {
        for (parent, change) in std::mem::take(&mut self.name_changes) {
            if parent == dir {
                self.rename(change);
            } else {
                self.name_changes.push((parent, change));
            }
        }
    }

    fn rename(&mut self, change: NameChange) {
        match change {
            NameChange::Put(name, node) => drop(self.names.insert(name, node)),
            NameChange::Move(from, to, node) => {
                self.names.remove(&from);
                self.names.insert(to, node);
            }
            NameChange::Remove(name) => drop(self.names.remove(&name)),
            NameChange::RemoveDir(name) => remove_tree(&mut self.names, &name),
        }
    }

    fn end(mut self) -> Image {
        for file in 0..self.changes.len() {
            let changes = std::mem::take(&mut self.changes[file]);
            self.settle(file, changes);
        }
        for (_, change) in std::mem::take(&mut self.name_changes) {
            let kept = match self.fate {
                Fate::Lost => false,
                Fate::Kept => true,
                Fate::Mixed => self.rng.bool(),
            };
            if kept {
                self.rename(change);
            }
        }
        self.image()
    }

    /// What can be reached from the root.
    fn image(self) -> Image {
        let mut dirs = BTreeSet::from([String::new()]);
        let mut files = BTreeMap::new();
        // A directory sorts before what is in it.
        for (name, node) in self.names {
            match node {
                _ if !dirs.contains(parent(&name)) => {}
                Node::Dir => drop(dirs.insert(name)),
                Node::File(file) => drop(files.insert(name, self.bytes[file].clone())),
            }
        }
        dirs.remove("");
        Image { dirs, files }
    }
}
