//! The crashes that a run could have had, and the one after which the trial goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventcask::Options;
use fastrand::Rng;

use crate::check::facts::Facts;
use crate::check::judge::Judge;
use crate::disk::damage;
use crate::disk::journal::{Level, Note, Step};
use crate::disk::sim_disk::SimDisk;
use crate::model::content::Content;
use crate::run::course::Course;
use crate::run::examine::{After, Examiner};

/// The crashes that a run could have had.
pub(crate) struct Crashes<'d> {
    disk: &'d SimDisk,
    journal: Vec<Step>,
    begin: usize,
    opened: usize,
    /// What the crashes are, where that is not drawn.
    pub(crate) kind: Option<Level>,
    /// What is done after each, where that is not drawn.
    pub(crate) after: Option<After>,
}

impl<'d> Crashes<'d> {
    pub(crate) fn new(disk: &'d SimDisk, begin: usize, opened: usize) -> Self {
        let journal = disk.state().journal.clone();
        Self {
            disk,
            journal,
            begin,
            opened,
            kind: None,
            after: None,
        }
    }

    fn facts(&self, course: &Course, steps: usize) -> Facts {
        Facts::of(&self.journal[..steps], course.plan.shards, &course.ledger)
    }

    /// What comes after the opening belongs to another story than what comes before.
    fn facts_and_later(&self, course: &Course, steps: usize) -> (Facts, Facts) {
        let facts = self.facts(course, steps);
        let later = if steps > self.opened {
            self.facts(course, self.journal.len())
        } else {
            facts.clone()
        };
        (facts, later)
    }

    fn draw(&self, rng: &mut Rng) -> (usize, Level) {
        let drawn = if rng.u32(..4) == 0 {
            Level::Process
        } else {
            Level::Power
        };
        let level = self.kind.unwrap_or(drawn);
        (rng.usize(self.begin..=self.journal.len()), level)
    }

    fn disk_after(&self, steps: usize, level: Level, rng: &mut Rng) -> SimDisk {
        match level {
            Level::Process => self.disk.killed(steps, rng.u64(..)),
            Level::Power => SimDisk::of(self.disk.power_cut(steps, rng.u64(..))),
        }
    }

    pub(crate) fn examine_one(&self, course: &mut Course, rng: &mut Rng) -> Result<(), String> {
        let (steps, level) = self.draw(rng);
        let disk = self.disk_after(steps, level, rng);
        self.examine(course, &disk, steps, level, rng).map(drop)
    }

    fn examine(
        &self,
        course: &mut Course,
        disk: &SimDisk,
        steps: usize,
        level: Level,
        rng: &mut Rng,
    ) -> Result<(Facts, Content), String> {
        course.report.states += 1;
        let crash = format!(
            "crash of level {level:?} after step {steps} of {}",
            self.journal.len()
        );
        let (facts, later) = self.facts_and_later(course, steps);
        let options: Options = course.options().threads(1);
        let after = self.after.unwrap_or_else(|| After::draw(rng));
        let examiner = Examiner {
            options: &options,
            after,
            window: course.plan.window,
            planted: course.planted,
            ledger: &course.ledger,
            sources: &course.sources,
            judge: Judge {
                ledger: &course.ledger,
                facts: &facts,
                later: &later,
                level,
            },
        };
        let examined = examiner.examine(disk, rng);
        let content = examined.map_err(|what| {
            course.steps = self.disk.lines(steps);
            format!("{what}; {crash}")
        })?;
        Ok((facts, content))
    }

    /// The disk for the next run: as it is, after the end of the process, or after a loss of
    /// power.
    pub(crate) fn go_on(&self, course: &mut Course, rng: &mut Rng) -> Result<SimDisk, String> {
        if rng.u32(..3) == 0 {
            let base = self.disk.state().base.clone();
            return without_some(SimDisk::replayed(base, self.journal.clone()), rng);
        }
        let (steps, level) = self.draw(rng);
        if level == Level::Process || rng.bool() {
            let disk = self.disk.killed(steps, rng.u64(..));
            let (facts, later) = self.facts_and_later(course, steps);
            facts
                .hindsight(&later)
                .into_iter()
                .for_each(|note| disk.note(note));
            // A database comes back as one of its transactions left it, too.
            let kept = facts.outside.after_crash(rng);
            disk.note(Note::Committed(kept, true));
            return without_some(disk, rng);
        }
        let image = self.disk.power_cut(steps, rng.u64(..));
        let copy = SimDisk::of(image.clone());
        let (facts, content) = self.examine(course, &copy, steps, level, rng)?;
        let outside = facts.outside.crashed(&content, &course.ledger, rng);
        let carried = Note::Carried {
            submitted: Arc::new(facts.submitted.iter().copied().collect::<BTreeSet<_>>()),
            content: Arc::new(content),
            view: facts.view,
            outside: Arc::new(outside),
        };
        without_some(SimDisk::replayed(image, vec![Step::Note(carried)]), rng)
    }
}

/// Now and then some snapshots are lost before the next run.
fn without_some(disk: SimDisk, rng: &mut Rng) -> Result<SimDisk, String> {
    if rng.u32(..4) == 0 {
        damage::strike(&disk, false, rng).map_err(|error| error.to_string())?;
    }
    Ok(disk)
}
