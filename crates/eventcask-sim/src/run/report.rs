//! How trials went.

use std::fmt;
use std::ops::AddAssign;

/// Counts of one trial or many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Trials.
    pub trials: u64,
    /// Runs of a workload on an open store.
    pub runs: u64,
    /// Runs of stores whose shards were run by their owners.
    pub owned: u64,
    /// Runs with a window of ids that is not all of the log.
    pub windowed: u64,
    /// Runs of stores whose sealed segments get a clustered copy.
    pub clustered: u64,
    /// Runs of stores that are read row by row.
    pub by_rows: u64,
    /// Runs to which sessions wrote.
    pub sessions: u64,
    /// Runs that stored appends over several accounts.
    pub sets: u64,
    /// Runs in which events of several producers shared a block.
    pub shared: u64,
    /// Runs that were read while others wrote.
    pub projected: u64,
    /// Runs on a disk that takes its time now and then.
    pub slow: u64,
    /// Stores that were written anew with other shards.
    pub resharded: u64,
    /// Events that runs left in their stores.
    pub events: u64,
    /// Crash states that were opened and checked.
    pub states: u64,
    /// Errors that the disk gave while runs went on.
    pub faults: u64,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.trials += other.trials;
        self.runs += other.runs;
        self.events += other.events;
        self.states += other.states;
        self.owned += other.owned;
        self.windowed += other.windowed;
        self.clustered += other.clustered;
        self.by_rows += other.by_rows;
        self.sessions += other.sessions;
        self.sets += other.sets;
        self.shared += other.shared;
        self.projected += other.projected;
        self.slow += other.slow;
        self.resharded += other.resharded;
        self.faults += other.faults;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} trials, {} runs ({} by owners, {} with a window of ids, {} with clusters, {} read by rows, {} with sessions, {} with appends over several accounts, {} with shared blocks, {} with readers, {} on a slow disk), {} resharded, {} events, {} crash states, {} faults",
            self.trials,
            self.runs,
            self.owned,
            self.windowed,
            self.clustered,
            self.by_rows,
            self.sessions,
            self.sets,
            self.shared,
            self.projected,
            self.slow,
            self.resharded,
            self.events,
            self.states,
            self.faults
        )
    }
}

/// A trial that found a broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the trial.
    pub seed: u64,
    /// The promise, and how it was broken.
    pub what: String,
    /// What was done to get there.
    pub story: String,
    /// The steps of the disk up to the crash, one a line.
    pub steps: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {} ({})", self.seed, self.what, self.story)
    }
}

impl std::error::Error for Failure {}
