//! What goes through all runs of a trial.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use eventcask::{DedupWindow, Options};

use crate::check::facts::Facts;
use crate::model::content::{Content, Row};
use crate::model::ledger::Ledger;
use crate::planted::Planted;
use crate::run::plan::Plan;
use crate::run::report::Report;
use crate::run::source::Source;

/// What goes through all runs of a trial.
pub(crate) struct Course {
    pub(crate) plan: Plan,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sources: Arc<Vec<Source>>,
    /// Rows of each source that its client believes to be behind it.
    pub(crate) noted: Arc<Vec<AtomicUsize>>,
    pub(crate) planted: Option<Planted>,
    pub(crate) report: Report,
    pub(crate) story: String,
    /// The steps of the disk where something was found.
    pub(crate) steps: Vec<String>,
}

impl Course {
    /// Counts a run that ended well.
    pub(crate) fn count_run(&mut self) {
        let has_sessions = self.sources.iter().any(|source| source.is_session);
        self.report.runs += 1;
        self.report.owned += u64::from(self.plan.is_owned);
        self.report.windowed += u64::from(self.plan.window != DedupWindow::All);
        self.report.clustered += u64::from(self.plan.is_clustered);
        self.report.by_rows += u64::from(self.plan.keeps_nothing);
        self.report.sessions += u64::from(has_sessions);
        self.report.projected += u64::from(self.plan.reads.is_some());
        self.report.slow += u64::from(self.plan.pauses.is_some());
    }

    /// Counts what a run left in its store, and how that came there.
    pub(crate) fn count_stored(&mut self, content: &Content, facts: &Facts) {
        let is_set = |row: &Row| {
            let entry = self.ledger.entry(row.entry);
            entry.is_some_and(|entry| entry.is_set())
        };
        let has_sets = facts.stored_since(content).any(|(_, row)| is_set(row));
        self.report.events += content.events() as u64;
        self.report.sets += u64::from(has_sets);
        self.report.shared += u64::from(facts.has_shared_blocks(content));
    }

    /// How the store is opened.
    pub(crate) fn options(&self) -> Options {
        let options = self.plan.options();
        match self.planted {
            Some(Planted::WindowIsShort) => options.dedup(DedupWindow::Ids(1)),
            _ => options,
        }
    }
}
