//! A disk in memory that remembers every step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::disk::faults::Faults;
use crate::disk::image::Image;
use crate::disk::journal::{Note, Step};
use crate::disk::live::{Live, Node};
use crate::planted::Planted;

/// Files in memory with a journal of all that was done to them; clones share both.
///
/// The engine runs on it with its real threads. What a crash would have left at any moment is
/// computed from the journal afterwards, see [`power_cut`](Self::power_cut) and
/// [`killed`](Self::killed).
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) base: Image,
    pub(crate) live: Live,
    pub(crate) journal: Vec<Step>,
    pub(crate) faults: Faults,
    pub(crate) planted: Option<Planted>,
    pub(crate) writes: u64,
    pub(crate) locked: bool,
    /// What the pauses of a slow disk are drawn from.
    pauses: Option<Rng>,
}

impl State {
    /// Does a step and remembers it.
    pub(crate) fn step(&mut self, step: Step) {
        self.live.apply(&step);
        self.journal.push(step);
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds what a crash left.
    #[must_use]
    pub fn of(image: Image) -> Self {
        Self::replayed(image, Vec::new())
    }

    /// A disk on which these steps were done.
    pub(crate) fn replayed(base: Image, journal: Vec<Step>) -> Self {
        let mut live = Live::of(&base);
        journal.iter().for_each(|step| live.apply(step));
        let state = State {
            base,
            live,
            journal,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for an operation of the engine, which a slow disk makes wait now and then.
    pub(crate) fn turn(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let pause = state.pauses.as_mut().and_then(draw_pause);
        let Some(pause) = pause else { return state };
        drop(state);
        thread::sleep(pause);
        self.state()
    }

    /// From now on the disk takes its time now and then, as drawn from a seed; or never.
    pub(crate) fn set_pauses(&self, seed: Option<u64>) {
        self.state().pauses = seed.map(Rng::with_seed);
    }

    /// From now on the disk has these faults instead of those before.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Errors given since the faults were set.
    #[must_use]
    pub fn faults_given(&self) -> u64 {
        self.state().faults.given()
    }

    /// Plants a bug.
    pub fn plant(&self, planted: Option<Planted>) {
        self.state().planted = planted;
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.state().journal.len()
    }

    /// Syncs of files and directories so far.
    #[must_use]
    pub fn syncs(&self) -> u32 {
        let state = self.state();
        let is_sync = |step: &&Step| matches!(step, Step::Sync { .. } | Step::SyncDir { .. });
        state.journal.iter().filter(is_sync).count() as u32
    }

    /// What is on the disk for a process that runs on it.
    #[must_use]
    pub fn image(&self) -> Image {
        let state = self.state();
        let mut image = Image::default();
        for (name, node) in &state.live.names {
            match node {
                Node::Dir => drop(image.dirs.insert(name.clone())),
                Node::File(file) => {
                    let bytes = state.live.bytes[*file].clone();
                    image.files.insert(name.clone(), bytes);
                }
            }
        }
        image
    }

    /// The first steps, one a line.
    pub(crate) fn lines(&self, steps: usize) -> Vec<String> {
        let state = self.state();
        state.journal[..steps].iter().map(Step::line).collect()
    }

    pub(crate) fn note(&self, note: Note) {
        self.state().step(Step::Note(note));
    }
}

/// Most operations take no time, some as long as a sync, few as long as a busy machine takes.
fn draw_pause(rng: &mut Rng) -> Option<Duration> {
    let longest = match rng.u32(..100) {
        0..6 => 1_500,
        6 => 8_000,
        _ => return None,
    };
    Some(Duration::from_micros(rng.u64(..longest)))
}
