//! The order of what is stored: that of each producer, and that of the answers.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::check::facts::Facts;
use crate::check::judge::Judge;
use crate::model::attempt::Fate;
use crate::model::content::Content;

impl Judge<'_> {
    /// What a producer sent to a shard is stored in its order, and what comes after something
    /// is not there without it.
    pub(crate) fn lanes_have_no_hole(&self, content: &Content) -> Result<(), String> {
        let shards = content.shards.len() as u32;
        let mut places = HashMap::new();
        let mut old = HashSet::new();
        for (rows, baseline) in content.shards.iter().zip(&self.facts.baseline) {
            for (position, row) in rows.iter().enumerate() {
                places.entry(row.entry).or_insert(position as u64);
                if (position as u64) < *baseline {
                    old.insert(row.entry);
                }
            }
        }
        for ((lane, shard), mut entries) in self.lanes(shards) {
            entries.retain(|_, entry| !old.contains(entry));
            let (mut missing, mut last) = (None, 0);
            for entry in entries.values() {
                let Some(position) = places.get(entry) else {
                    missing = missing.or(Some(*entry));
                    continue;
                };
                if let Some(missing) = missing {
                    return Err(format!(
                        "D3: lane {lane} sent {missing} before {entry} to shard {shard}, which has only the later one"
                    ));
                }
                if *position < last {
                    return Err(format!(
                        "L2: lane {lane} sent {entry} later than what follows it"
                    ));
                }
                last = *position;
            }
        }
        Ok(())
    }

    /// Entries submitted once and not refused, by lane and shard, in the order of submission.
    fn lanes(&self, shards: u32) -> BTreeMap<(u32, u32), BTreeMap<usize, usize>> {
        let mut lanes: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for entry in self.facts.attempts.keys() {
            let attempts = self
                .later
                .attempts
                .get(entry)
                .map_or(&[][..], Vec::as_slice);
            let ([only], Some(known)) = (attempts, self.ledger.entry(*entry)) else {
                continue;
            };
            let counts = match only.fate {
                Fate::Stored => true,
                Fate::Doubt => !known.is_picky && !only.loose,
                Fate::Duplicate | Fate::AppendError => false,
            };
            if counts && known.row.is_none() {
                let lane = (only.lane, self.ledger.route_by.shard_of(&known.key, shards));
                lanes
                    .entry(lane)
                    .or_default()
                    .insert(only.submitted, *entry);
            }
        }
        lanes
    }
}

/// What was acknowledged before something else was submitted was committed before it.
///
/// # Errors
/// L2, where it was not.
pub(crate) fn check_order(content: &Content, facts: &Facts) -> Result<(), String> {
    let new = content.shards.iter().zip(&facts.baseline);
    let new = new.flat_map(|(rows, baseline)| rows.iter().skip(*baseline as usize));
    let commits: HashMap<_, _> = new.map(|row| (row.entry, row.commit)).collect();
    let single = facts
        .attempts
        .iter()
        .filter(|(_, attempts)| attempts.len() == 1);
    let single: Vec<_> = single
        .filter_map(|(entry, attempts)| Some((attempts[0], *commits.get(entry)?, *entry)))
        .filter(|(attempt, ..)| attempt.fate == Fate::Stored)
        .collect();
    let answers = single
        .iter()
        .filter_map(|(one, commit, _)| Some((one.answered?, *commit)));
    let mut newest: BTreeMap<usize, i64> = answers.collect();
    let mut so_far = i64::MIN;
    for commit in newest.values_mut() {
        so_far = so_far.max(*commit);
        *commit = so_far;
    }
    for (attempt, commit, entry) in single {
        let before = newest.range(..attempt.submitted).next_back();
        if let Some((_, before)) = before.filter(|(_, before)| **before >= commit) {
            return Err(format!(
                "L2: entry {entry} was committed at {commit}, submitted after an answer for {before}"
            ));
        }
    }
    Ok(())
}
