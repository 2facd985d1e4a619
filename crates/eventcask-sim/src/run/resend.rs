//! After a crash a producer that heard nothing sends everything again.

use std::collections::{BTreeSet, HashSet};

use eventcask::{AppendResult, DedupWindow, Error, EventId, Expected, Store};
use fastrand::Rng;

use crate::check::repeats::Repeats;
use crate::model::content::Content;
use crate::model::ledger::{Ledger, Planned};
use crate::run::source::Source;

/// Where everything is sent again.
pub(crate) struct Resend<'r> {
    pub(crate) store: &'r Store,
    pub(crate) ledger: &'r Ledger,
    pub(crate) sources: &'r [Source],
    pub(crate) repeats: Repeats<'r>,
    /// What was there before.
    pub(crate) before: &'r Content,
}

impl Resend<'_> {
    /// Sends all that came with ids, shuffled, and all rows of all sources from the first on;
    /// everything must be there then, and only what a window may have forgotten more than once.
    ///
    /// # Errors
    /// What was refused, is missing or is there too often.
    pub(crate) fn send(
        &self,
        submitted: &BTreeSet<usize>,
        forgets_ids: bool,
        rng: &mut Rng,
    ) -> Result<(), String> {
        let mut wanted = self.own_ids(submitted);
        rng.shuffle(&mut wanted);
        self.send_appends(&wanted, forgets_ids)?;
        for source in self.sources {
            self.send_rows(source)?;
            wanted.extend(&source.rows);
        }
        self.check(&wanted)
    }

    fn check(&self, wanted: &[usize]) -> Result<(), String> {
        let content = Content::read(self.store, self.ledger)?;
        self.repeats.check(&content)?;
        let stored: HashSet<_> = content.rows().map(|row| row.entry).collect();
        match wanted.iter().find(|entry| !stored.contains(entry)) {
            Some(entry) => Err(format!("L4: entry {entry} was sent again and is not there")),
            None => Ok(()),
        }
    }

    /// The entries that can be sent again in any order.
    fn own_ids(&self, submitted: &BTreeSet<usize>) -> Vec<usize> {
        let has_own_ids = |number: &usize| {
            let entry = self.ledger.entry(*number);
            entry.is_some_and(|entry| {
                let all = entry.events.iter().all(|event| event.id.is_some());
                all && entry.expects_nothing() && entry.row.is_none() && !entry.borrows_ids
            })
        };
        submitted.iter().copied().filter(has_own_ids).collect()
    }

    fn send_appends(&self, numbers: &[usize], forgets_ids: bool) -> Result<(), String> {
        let mut producer = self.store.producer();
        let mut tickets = Vec::new();
        let taken = self.taken_ids();
        for number in numbers {
            let entry = self.ledger.entry(*number).ok_or("an unknown entry")?;
            let mut events: Vec<_> = entry.events.iter().map(Planned::as_new).collect();
            for event in events.iter_mut().filter(|_| forgets_ids) {
                event.id = None;
            }
            let ticket = match entry.is_set() {
                true => producer.append_all(&entry.as_set(&events, &entry.each)),
                false => producer.append(&entry.key, entry.expected, &events),
            };
            let ticket = ticket.map_err(|error| format!("L4: sending again: {error}"))?;
            let mut ids = entry.events.iter().filter_map(Planned::identity);
            let is_taken = ids.any(|identity| taken.contains(&identity));
            tickets.push((is_taken, ticket));
        }
        for (is_taken, ticket) in tickets {
            self.check_answer(&ticket.wait(), is_taken)?;
        }
        Ok(())
    }

    /// The keys and ids that other events than their first ones came with, when a window had
    /// forgotten them.
    fn taken_ids(&self) -> HashSet<(String, EventId)> {
        let ids = self.before.rows().filter_map(|row| {
            let entry = self.ledger.entry(row.entry)?;
            let identity = entry.events[row.index].identity();
            identity.filter(|_| entry.borrows_ids)
        });
        ids.collect()
    }

    /// A window may have forgotten some of an append's ids, or other events may have them since;
    /// then it is refused.
    fn check_answer(&self, outcome: &AppendResult, is_taken: bool) -> Result<(), String> {
        let may_be = is_taken || self.repeats.window != DedupWindow::All;
        match outcome {
            Err(Error::PartlyKnown { .. } | Error::IdConflict { .. }) if may_be => Ok(()),
            Err(refused) => Err(format!("L4: sending again: {refused}")),
            Ok(_) => Ok(()),
        }
    }

    fn send_rows(&self, source: &Source) -> Result<(), String> {
        let failed = |error: Error| format!("L4: sending rows again: {error}");
        let mut door = source.open(self.store, self.ledger, 0).map_err(failed)?;
        let mut tickets = Vec::new();
        for number in &source.rows {
            let entry = self.ledger.entry(*number).ok_or("an unknown entry")?;
            let events: Vec<_> = entry.events.iter().map(Planned::as_new).collect();
            if let [event] = events.as_slice() {
                let offset = entry.row.map(|(_, offset)| offset);
                door.push(&entry.key, offset, event).map_err(failed)?;
            } else {
                let ticket = door.append(&entry.key, Expected::Any, &events);
                tickets.push(ticket.map_err(failed)?);
            }
        }
        let counted = door.flush().map_err(failed)?;
        let pushed = source.rows.len() - tickets.len();
        if counted.stored + counted.duplicates != pushed as u64 {
            return Err(format!("L10: {counted:?} of {pushed} rows"));
        }
        let mut answers = tickets.into_iter().map(|ticket| door.answer(ticket));
        answers.try_for_each(|answer| answer.map(drop).map_err(failed))
    }
}
