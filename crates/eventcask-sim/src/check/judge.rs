//! Holds what a store serves against what is known.

use std::collections::{HashMap, HashSet};

use eventcask::Expected;

use crate::check::facts::Facts;
use crate::check::repeats::Repeats;
use crate::disk::journal::Level;
use crate::model::attempt::{Attempt, Fate};
use crate::model::content::{Content, Row};
use crate::model::ledger::Ledger;

/// What a content is judged by.
pub(crate) struct Judge<'j> {
    pub(crate) ledger: &'j Ledger,
    /// What was known when the crash came.
    pub(crate) facts: &'j Facts,
    /// What became known afterwards, had there been no crash.
    pub(crate) later: &'j Facts,
    /// What kind of crash it was.
    pub(crate) level: Level,
}

impl Judge<'_> {
    /// Checks all that can be said of the events alone.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn check(&self, content: &Content) -> Result<(), String> {
        if let Some(told) = &self.later.contradiction {
            return Err(format!("L10: {told}"));
        }
        self.nothing_is_lost(content)?;
        for (shard, rows) in content.shards.iter().enumerate() {
            self.shard_agrees(shard, rows)?;
        }
        self.entries_are_whole(content)?;
        let repeats = Repeats {
            ledger: self.ledger,
            window: self.facts.window,
            baseline: &self.facts.baseline,
        };
        repeats.check(content)?;
        self.lanes_have_no_hole(content)
    }

    fn nothing_is_lost(&self, content: &Content) -> Result<(), String> {
        let required = self.facts.required(self.level);
        for (shard, (rows, required)) in content.shards.iter().zip(required).enumerate() {
            if (rows.len() as u64) < *required {
                return Err(format!(
                    "D1: shard {shard} has {} events after a crash of level {:?}, {required} were durable",
                    rows.len(),
                    self.level
                ));
            }
        }
        let stored: HashSet<_> = content.rows().map(|row| row.entry).collect();
        let entries = self.facts.required_entries(self.level);
        match entries.iter().find(|entry| !stored.contains(entry)) {
            Some(entry) => Err(format!(
                "D1: entry {entry} was acknowledged and is not there"
            )),
            None => Ok(()),
        }
    }

    /// Positions, versions and times of one shard, and that nothing is there that should not.
    fn shard_agrees(&self, shard: usize, rows: &[Row]) -> Result<(), String> {
        let mut versions: HashMap<String, u64> = HashMap::new();
        let mut commit = i64::MIN;
        for (position, row) in rows.iter().enumerate() {
            let position = position as u64;
            let at = format!("shard {shard} position {position} ({row:?})");
            let event = (row.entry, row.index, row.version);
            let known = self.later.known[shard].get(&position);
            if let Some(known) = known.filter(|known| **known != event) {
                return Err(format!("D3: {at} was known as {known:?}"));
            }
            let version = versions
                .entry(self.ledger.key_of(row.entry, row.index))
                .or_default();
            *version += 1;
            if row.version != *version {
                return Err(format!("L2: {at} should have version {version}"));
            }
            if row.commit < commit {
                return Err(format!("L8: {at} was committed before the event before it"));
            }
            commit = row.commit;
            let is_new = position >= self.facts.baseline[shard];
            if let Some(why) = self.why_not(row.entry, is_new) {
                return Err(format!("L10: {at} {why}"));
            }
        }
        Ok(())
    }

    /// Why an entry must not be there, if so; what was there when the store was opened may be.
    fn why_not(&self, entry: usize, is_new: bool) -> Option<String> {
        if !self.facts.submitted.contains(&entry) {
            return Some("was never submitted".to_owned());
        }
        if !is_new {
            return None;
        }
        let Some(attempts) = self.later.attempts.get(&entry) else {
            return Some("was not there when the store was opened, nor submitted since".to_owned());
        };
        let may_be_stored = |one: &Attempt| matches!(one.fate, Fate::Stored | Fate::Doubt);
        match attempts.iter().any(may_be_stored) {
            true => None,
            false => Some(format!("was refused: {attempts:?}")),
        }
    }

    /// Appends are there whole, and where they were expected.
    fn entries_are_whole(&self, content: &Content) -> Result<(), String> {
        for rows in &content.shards {
            // How many events each account has before the entry in hand.
            let mut versions: HashMap<String, u64> = HashMap::new();
            let mut rest = rows.as_slice();
            while let Some(first) = rest.first() {
                let entry = self.ledger.entry(first.entry).ok_or("an unknown entry")?;
                let (rows, after) = rest
                    .split_at_checked(entry.events.len())
                    .ok_or_else(|| format!("L1: {first:?} is not whole"))?;
                rest = after;
                let before = versions.clone();
                for (index, (row, event)) in rows.iter().zip(&entry.events).enumerate() {
                    let version = versions.entry(event.key.clone()).or_default();
                    *version += 1;
                    if (row.entry, row.index, row.version) != (first.entry, index, *version) {
                        return Err(format!("L1: {row:?} is not event {index} of {first:?}"));
                    }
                }
                let holds = |key, one: Expected| one.holds(before.get(key).copied().unwrap_or(0));
                let mut expected = entry.expectations();
                if let Some(broken) = expected.find(|(key, one)| !holds(*key, *one)) {
                    return Err(format!("L3: {first:?} expected {broken:?}"));
                }
            }
        }
        Ok(())
    }
}
