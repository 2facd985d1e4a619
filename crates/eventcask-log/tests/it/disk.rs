//! A disk that remembers what was synced, so that the power can be cut.
//!
//! What was written to a file since its last sync may be there or not, sector by sector; what
//! was done to the entries of a directory since its last sync may be there up to any step.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use eventcask_log::{Lock, Open, Storage, StoredFile};

const SECTOR: usize = 512;

/// What survives of the steps that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    All,
    Nothing,
    Some,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    dirs: BTreeSet<String>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Changes of names since the last sync of their directory.
    renames: Vec<(String, Option<usize>)>,
    files: Vec<FileState>,
    /// Steps that still succeed, if there is a limit.
    steps_left: Option<usize>,
    loses_dir_syncs: bool,
    sync_error: Option<io::ErrorKind>,
    /// Bytes by which files can still grow, if there is a limit.
    room: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    now: Vec<u8>,
    synced: Vec<u8>,
    steps: Vec<FileStep>,
}

#[derive(Debug, Clone)]
enum FileStep {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl FileStep {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(place, new) => {
                let end = place + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*place..end].copy_from_slice(new);
            }
        }
    }

    /// The step as single sectors.
    fn sectors(&self) -> Vec<Self> {
        match self {
            Self::Length(length) => vec![Self::Length(*length)],
            Self::Write(place, bytes) => {
                let pieces = bytes.chunks(SECTOR).enumerate();
                pieces
                    .map(|(at, piece)| Self::Write(place + at * SECTOR, piece.to_vec()))
                    .collect()
            }
        }
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A disk on which only the next `steps` changes succeed.
    pub(crate) fn fail_after(&self, steps: usize) {
        self.state().steps_left = Some(steps);
    }

    /// Syncs of directories succeed and do nothing: as if the process were killed before them.
    pub(crate) fn lose_dir_syncs(&self, lose: bool) {
        self.state().loses_dir_syncs = lose;
    }

    /// The next sync of a file fails like this.
    pub(crate) fn fail_next_sync(&self, error: io::ErrorKind) {
        self.state().sync_error = Some(error);
    }

    /// Files can grow by so many bytes together; then the disk is full.
    pub(crate) fn set_room(&self, bytes: usize) {
        self.state().room = Some(bytes);
    }

    /// The process is killed: nothing is lost, and what comes next succeeds.
    pub(crate) fn killed(&self) -> Self {
        let state = State {
            steps_left: None,
            ..self.state().clone()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The disk after a loss of power.
    pub(crate) fn power_cut(&self, kept: Kept, random: &mut fastrand::Rng) -> Self {
        let state = self.state();
        let keeps = |random: &mut fastrand::Rng| match kept {
            Kept::All => true,
            Kept::Nothing => false,
            Kept::Some => random.bool(),
        };
        let mut names = state.synced_names.clone();
        let survive = match kept {
            Kept::All => state.renames.len(),
            Kept::Nothing => 0,
            Kept::Some => random.usize(..=state.renames.len()),
        };
        apply_renames(&mut names, &state.renames[..survive]);
        let mut files = Vec::new();
        for file in &state.files {
            let mut bytes = file.synced.clone();
            for sector in file.steps.iter().flat_map(FileStep::sectors) {
                if keeps(random) {
                    sector.apply(&mut bytes);
                }
            }
            files.push(FileState {
                now: bytes.clone(),
                synced: bytes,
                steps: Vec::new(),
            });
        }
        let state = State {
            dirs: state.dirs.clone(),
            synced_names: names.clone(),
            names,
            files,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

fn apply_renames(names: &mut BTreeMap<String, usize>, renames: &[(String, Option<usize>)]) {
    for (name, file) in renames {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.steps_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the disk is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Takes room for a file that gets longer, or gives it back. Says how much of the growth there
    /// is no room for.
    fn grow(&mut self, from: usize, to: usize) -> usize {
        let Some(room) = &mut self.room else { return 0 };
        let growth = to.saturating_sub(from);
        let missing = growth.saturating_sub(*room);
        *room = *room + from.saturating_sub(to) - (growth - missing);
        missing
    }

    fn rename(&mut self, name: &str, file: Option<usize>) {
        let step = [(name.to_owned(), file)];
        apply_renames(&mut self.names, &step);
        self.renames.extend(step);
    }
}

impl Storage for Disk {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.state().dirs.insert(name.to_owned());
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let all = state.dirs.iter().chain(state.names.keys());
        let inside = all.filter(|name| !name.is_empty() && parent(name) == dir);
        Ok(inside
            .map(|name| name.rsplit('/').next().unwrap().to_owned())
            .collect())
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        let mut state = self.state();
        if how == Open::Create {
            state.step()?;
            let file = state.files.len();
            state.files.push(FileState::default());
            state.rename(name, Some(file));
        }
        let file = state.names.get(name).copied();
        let index = file.ok_or(io::ErrorKind::NotFound)?;
        let disk = self.clone();
        Ok(Box::new(DiskFile { disk, index }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let file = state.names.get(from).copied();
        state.rename(to, Some(file.ok_or(io::ErrorKind::NotFound)?));
        state.rename(from, None);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.rename(name, None);
        Ok(())
    }

    fn remove_dir(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if state.loses_dir_syncs {
            return Ok(());
        }
        let renames = std::mem::take(&mut state.renames);
        let (here, elsewhere): (Vec<_>, Vec<_>) = renames
            .into_iter()
            .partition(|(name, _)| parent(name) == dir);
        apply_renames(&mut state.synced_names, &here);
        state.renames = elsewhere;
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn describe(&self, name: &str) -> String {
        format!("disk:{name}")
    }
}

struct DiskFile {
    disk: Disk,
    index: usize,
}

impl DiskFile {
    /// The file is about to get another length; see [`State::grow`].
    fn grow(&self, to: impl Fn(usize) -> usize) -> usize {
        let mut state = self.disk.state();
        let length = state.files[self.index].now.len();
        state.grow(length, to(length))
    }

    fn step(&self, step: FileStep) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let file = &mut state.files[self.index];
        step.apply(&mut file.now);
        file.steps.push(step);
        Ok(())
    }
}

impl StoredFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let bytes = &state.files[self.index].now;
        let start = bytes.len().min(place as usize);
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        let end = place as usize + bytes.len();
        let missing = self.grow(|length| length.max(end));
        let fits = bytes.len() - missing.min(bytes.len());
        if fits > 0 {
            self.step(FileStep::Write(place as usize, bytes[..fits].to_vec()))?;
        }
        match missing {
            0 => Ok(()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let error = state.sync_error.take();
        let file = &mut state.files[self.index];
        let steps = std::mem::take(&mut file.steps);
        if let Some(error) = error {
            // The kernel holds the pages for clean now and will never write them.
            return Err(error.into());
        }
        for step in steps {
            step.apply(&mut file.synced);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.index].now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.grow(|_| len as usize);
        self.step(FileStep::Length(len as usize))
    }
}
