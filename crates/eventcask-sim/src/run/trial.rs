//! One trial: runs of a workload on one store, with crashes between them.
//!
//! 1. A run opens the store, checks what it serves, lets several producers work, and closes
//!    it; the disk may fail meanwhile.
//! 2. From the run's journal crash states are drawn; each is opened and checked against what
//!    was known at that moment.
//! 3. One more crash, or none, and the next run goes on from there.
//! 4. What the last one leaves is now and then written anew with other shards.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use eventcask::Durability;
use fastrand::Rng;

use crate::disk::faults::Faults;
use crate::disk::journal::Level;
use crate::disk::sim_disk::SimDisk;
use crate::model::ledger::Ledger;
use crate::planted::Planted;
use crate::run::course::Course;
use crate::run::crashes::Crashes;
use crate::run::examine::After;
use crate::run::plan::Plan;
use crate::run::report::{Failure, Report};
use crate::run::resharded;
use crate::run::source;
use crate::run::work::run;

/// Runs of one trial.
const RUNS: u64 = 3;
/// Crash states of one run.
const STATES: u64 = 12;

/// A trial before it is run: its seed decides all that can be decided and was not settled.
#[derive(Debug, Clone)]
pub struct Trial {
    seed: u64,
    states: u64,
    planted: Option<Planted>,
    durability: Option<Durability>,
    crash: Option<Level>,
    faults: Option<Faults>,
    after: Option<After>,
}

/// Runs the trial of a seed.
///
/// # Errors
/// The first promise that was broken.
pub fn trial(seed: u64) -> Result<Report, Failure> {
    Trial::new(seed).run()
}

impl Trial {
    /// The trial of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            states: STATES,
            planted: None,
            durability: None,
            crash: None,
            faults: None,
            after: None,
        }
    }

    /// With so many crash states a run.
    #[must_use]
    pub fn states(mut self, states: u64) -> Self {
        self.states = states;
        self
    }

    /// With a bug that it is to find.
    #[must_use]
    pub fn planted(mut self, planted: Planted) -> Self {
        self.planted = Some(planted);
        self
    }

    /// With this durability in all runs.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// With crashes of this kind alone.
    #[must_use]
    pub fn crash(mut self, crash: Level) -> Self {
        self.crash = Some(crash);
        self
    }

    /// With these faults in all runs.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// With this done after each crash.
    #[must_use]
    pub fn after(mut self, after: After) -> Self {
        self.after = Some(after);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn run(&self) -> Result<Report, Failure> {
        let mut rng = Rng::with_seed(self.seed);
        let plan = Plan::draw(&mut rng);
        let ledger = Arc::new(Ledger::of(plan.route_by));
        let sources = source::prepare(&ledger, &mut rng);
        let mut course = Course {
            plan,
            noted: Arc::new(sources.iter().map(|_| AtomicUsize::new(0)).collect()),
            sources: Arc::new(sources),
            ledger,
            planted: self.planted,
            report: Report {
                trials: 1,
                ..Report::default()
            },
            story: String::new(),
            steps: Vec::new(),
        };
        match self.runs(&mut course, &mut rng) {
            Ok(()) => Ok(course.report),
            Err(what) => Err(Failure {
                seed: self.seed,
                what,
                story: course.story,
                steps: course.steps,
            }),
        }
    }

    fn runs(&self, course: &mut Course, rng: &mut Rng) -> Result<(), String> {
        let mut disk = SimDisk::new();
        for number in 0..RUNS {
            disk.plant(self.planted);
            course.plan.redraw(rng);
            self.settle(&mut course.plan);
            course.story = format!("run {number}: {:?}", course.plan);
            let begin = disk.steps();
            let opened = run(course, &disk, rng);
            let opened = opened.inspect_err(|_| course.steps = disk.lines(disk.steps()))?;
            let mut crashes = Crashes::new(&disk, begin, opened);
            (crashes.kind, crashes.after) = (self.crash, self.after);
            for _ in 0..self.states {
                crashes.examine_one(course, rng)?;
            }
            disk = crashes.go_on(course, rng)?;
        }
        // From numbers of its own, so that seeds that once failed do what they did.
        let mut other = Rng::with_seed(!self.seed);
        match other.u32(..3) {
            0 => resharded::check(course, &disk, &mut other),
            _ => Ok(()),
        }
    }
}

impl Trial {
    /// What was settled is not drawn.
    fn settle(&self, plan: &mut Plan) {
        plan.durability = self.durability.unwrap_or(plan.durability);
        if let Some(faults) = &self.faults {
            plan.faults.clone_from(faults);
            plan.fails_early = false;
        }
    }
}
