//! A file of a database that stops at a step, and what a crash leaves of it.

use std::io::Error;
use std::sync::{Arc, Mutex};

use eventcask_redb::redb::StorageBackend;

/// The file; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailingFile {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// What the last sync made durable.
    synced: Vec<u8>,
    /// What was done since.
    unsynced: Vec<Change>,
    steps: u64,
    /// The step from which on everything fails.
    stops_at: Option<u64>,
}

#[derive(Debug, Clone)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(offset, data) => {
                // What made the file longer may be lost, and this not.
                let end = offset + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(data);
            }
        }
    }
}

impl FailingFile {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let state = State {
            synced: bytes.clone(),
            bytes,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// From this step on everything fails.
    pub(crate) fn stops_at(&self, step: u64) {
        self.state.lock().unwrap().stops_at = Some(step);
    }

    /// Writes and syncs so far.
    pub(crate) fn steps(&self) -> u64 {
        self.state.lock().unwrap().steps
    }

    /// What a loss of power leaves: what was synced, and any of what was done since.
    pub(crate) fn power_cut(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let mut bytes = state.synced.clone();
        let kept = state.unsynced.iter().filter(|_| random.bool());
        kept.for_each(|change| change.apply(&mut bytes));
        bytes
    }

    /// What a killed process leaves: all that was done.
    pub(crate) fn killed(&self) -> Vec<u8> {
        self.state.lock().unwrap().bytes.clone()
    }
}

impl State {
    fn step(&mut self) -> Result<(), Error> {
        let is_over = self.stops_at.is_some_and(|stop| self.steps >= stop);
        self.steps += u64::from(!is_over);
        match is_over {
            true => Err(Error::other("the process is gone")),
            false => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> Result<(), Error> {
        self.step()?;
        change.apply(&mut self.bytes);
        self.unsynced.push(change);
        Ok(())
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.state.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let offset = offset as usize;
        let state = self.state.lock().unwrap();
        out.copy_from_slice(&state.bytes[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        let length = Change::Length(length as usize);
        self.state.lock().unwrap().change(length)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let write = Change::Write(offset as usize, data.to_vec());
        self.state.lock().unwrap().change(write)
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap();
        state.step()?;
        state.synced = state.bytes.clone();
        state.unsynced.clear();
        Ok(())
    }
}
