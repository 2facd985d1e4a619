//! What the notes up to some moment tell: what must be there, what may be, what must not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use eventcask::{Appended, DedupWindow};

use crate::disk::journal::{Level, Note, Step};
use crate::model::attempt::{Attempt, Fate};
use crate::model::content::{Content, Row};
use crate::model::ledger::Ledger;
use crate::model::outside::Outside;

/// Everything known at one moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    /// Entry, index and version at positions that were told or read, one map a shard.
    pub(crate) known: Vec<BTreeMap<u64, (usize, usize, u64)>>,
    /// Events of each shard that survive the end of the process.
    process: Vec<u64>,
    /// Events of each shard that survive a loss of power.
    power: Vec<u64>,
    /// Entries that must be there, by level, where the position is not known.
    pub(crate) process_entries: BTreeSet<usize>,
    pub(crate) power_entries: BTreeSet<usize>,
    /// Events that were served when the store was opened, one number a shard.
    pub(crate) baseline: Vec<u64>,
    /// How far back ids were to be known since the store was opened.
    pub(crate) window: DedupWindow,
    /// Entries submitted ever, but those that a loss of power took out of the story.
    pub(crate) submitted: BTreeSet<usize>,
    /// Submissions since the store was opened.
    pub(crate) attempts: HashMap<usize, Vec<Attempt>>,
    pub(crate) view: bool,
    /// What the clients know.
    pub(crate) outside: Outside,
    /// Whether the store was closed and not opened since.
    pub(crate) is_closed: bool,
    /// The first thing told that does not go with what was told before.
    pub(crate) contradiction: Option<String>,
    flushes: HashMap<u64, (Vec<u64>, BTreeSet<usize>)>,
    notes: usize,
}

impl Facts {
    /// The facts of a journal up to a moment.
    pub(crate) fn of(journal: &[Step], shards: u32, ledger: &Ledger) -> Self {
        let shards = shards as usize;
        let mut facts = Self {
            known: vec![BTreeMap::new(); shards],
            process: vec![0; shards],
            power: vec![0; shards],
            baseline: vec![0; shards],
            ..Self::default()
        };
        for step in journal {
            if let Step::Note(note) = step {
                facts.notes += 1;
                facts.take(note, ledger);
            }
        }
        facts
    }

    /// Events that the shards must have after a crash of this level.
    pub(crate) fn required(&self, level: Level) -> &[u64] {
        match level {
            Level::Process => &self.process,
            Level::Power => &self.power,
        }
    }

    pub(crate) fn required_entries(&self, level: Level) -> &BTreeSet<usize> {
        match level {
            Level::Process => &self.process_entries,
            Level::Power => &self.power_entries,
        }
    }

    /// The shard and the row of each event that was stored since the store was opened.
    pub(crate) fn stored_since<'c>(
        &self,
        content: &'c Content,
    ) -> impl Iterator<Item = (usize, &'c Row)> {
        let shards = content.shards.iter().zip(&self.baseline).enumerate();
        shards.flat_map(|(shard, (rows, baseline))| {
            let new = rows.iter().skip(*baseline as usize);
            new.map(move |row| (shard, row))
        })
    }

    /// Whether a block that was stored since the store was opened holds events of several
    /// producers. A block has one commit time, and no other one of its shard has it.
    pub(crate) fn has_shared_blocks(&self, content: &Content) -> bool {
        let mut lanes: HashMap<(usize, i64), u32> = HashMap::new();
        self.stored_since(content).any(|(shard, row)| {
            let attempts = self.attempts.get(&row.entry).map_or(&[][..], Vec::as_slice);
            let [only] = attempts else { return false };
            *lanes.entry((shard, row.commit)).or_insert(only.lane) != only.lane
        })
    }

    fn take(&mut self, note: &Note, ledger: &Ledger) {
        match note {
            Note::Submitted { entry, lane } => self.submit(*entry, *lane),
            Note::Answered {
                entry,
                lane,
                outcome,
                level,
            } => {
                self.answer(*entry, *lane, Fate::of(outcome));
                if let Ok(answer) = outcome.as_ref() {
                    self.locate(*entry, *answer, *level, ledger);
                }
            }
            Note::Flushed {
                entries,
                lane,
                refused,
                level,
            } => self.flushed(entries, *lane, *refused, *level),
            Note::Hindsight { entry, fate, loose } => {
                let attempts = self.attempts.entry(*entry).or_default();
                if let Some(last) = attempts.last_mut() {
                    (last.fate, last.loose) = (*fate, *loose);
                }
            }
            Note::FlushBegan(number) => {
                let now = (self.process.clone(), self.process_entries.clone());
                self.flushes.insert(*number, now);
            }
            Note::FlushEnded(number) => {
                if let Some((events, entries)) = self.flushes.remove(number) {
                    raise(&mut self.power, &events);
                    self.power_entries.extend(entries);
                }
            }
            Note::Opened(content, window) => {
                self.open(content);
                self.window = *window;
            }
            Note::Seen(content, level) => self.see(content, *level),
            Note::ViewMade => self.view = true,
            Note::Did(client, deed) => self.outside.take(*client, deed),
            Note::Committed(kept, is_durable) => self.outside.committed(kept, *is_durable),
            Note::Closed => {
                self.is_closed = true;
                let process = self.process.clone();
                raise(&mut self.power, &process);
                self.power_entries.extend(&self.process_entries);
            }
            Note::Carried {
                submitted,
                content,
                view,
                outside,
            } => {
                self.submitted.clone_from(submitted);
                self.view = *view;
                self.outside = Outside::clone(outside);
                self.open(content);
            }
        }
    }

    /// What `later` knows of submissions that were open at this moment.
    pub(crate) fn hindsight(&self, later: &Self) -> Vec<Note> {
        let open = self.attempts.iter().filter_map(|(entry, attempts)| {
            let last = attempts.len().checked_sub(1)?;
            attempts[last].answered.is_none().then_some(())?;
            let known = later.attempts.get(entry)?.get(last)?;
            let (entry, fate, loose) = (*entry, known.fate, known.loose);
            Some(Note::Hindsight { entry, fate, loose })
        });
        open.collect()
    }

    fn submit(&mut self, entry: usize, lane: u32) {
        self.submitted.insert(entry);
        self.attempts.entry(entry).or_default().push(Attempt {
            lane,
            fate: Fate::Doubt,
            submitted: self.notes,
            answered: None,
            loose: false,
        });
    }

    /// A producer that sends an entry several times is answered in that order. Others may send it,
    /// too.
    fn answer(&mut self, entry: usize, lane: u32, fate: Fate) {
        let attempts = self.attempts.entry(entry).or_default();
        let mut open = attempts.iter_mut().filter(|one| one.answered.is_none());
        if let Some(open) = open.find(|one| one.lane == lane) {
            open.fate = fate;
            open.answered = Some(self.notes);
        }
    }

    /// Notes where an answer says that the events of an entry are.
    fn locate(&mut self, entry: usize, answer: Appended, level: Level, ledger: &Ledger) {
        let shard = answer.place().shard;
        let Some((position, version)) = answer.position().zip(answer.version()) else {
            return self.require_entries(&[entry], level);
        };
        let planned = ledger.entry(entry);
        let events = planned.as_ref().map_or(&[][..], |entry| &entry.events);
        let shard = shard as usize;
        // The answer tells the version of the last event, and so those of its aggregate.
        let mut version = version;
        for (back, event) in (0..).zip(events.iter().rev()) {
            if Some(&event.key) == events.last().map(|last| &last.key) {
                let index = events.len() - 1 - back as usize;
                self.know(shard, position.wrapping_sub(back), (entry, index, version));
                version = version.wrapping_sub(1);
            }
        }
        self.require(shard, position + 1, level);
    }

    fn flushed(&mut self, entries: &[usize], lane: u32, refused: bool, level: Level) {
        let fate = if refused { Fate::Doubt } else { Fate::Stored };
        for entry in entries {
            self.answer(*entry, lane, fate);
            let attempts = self.attempts.entry(*entry).or_default();
            attempts.iter_mut().for_each(|one| one.loose |= refused);
        }
        if !refused {
            self.require_entries(entries, level);
        }
    }

    fn require_entries(&mut self, entries: &[usize], level: Level) {
        self.process_entries.extend(entries);
        if level == Level::Power {
            self.power_entries.extend(entries);
        }
    }

    fn require(&mut self, shard: usize, events: u64, level: Level) {
        self.process[shard] = self.process[shard].max(events);
        if level == Level::Power {
            self.power[shard] = self.power[shard].max(events);
        }
    }

    /// What is served after opening is confirmed: it survives everything from then on.
    fn open(&mut self, content: &Arc<Content>) {
        self.known.iter_mut().for_each(BTreeMap::clear);
        self.process_entries.clear();
        self.power_entries.clear();
        self.attempts.clear();
        self.is_closed = false;
        self.process.fill(0);
        self.power.fill(0);
        self.see(content, Level::Power);
        self.baseline.clone_from(&self.power);
    }

    fn see(&mut self, content: &Content, level: Level) {
        for (shard, rows) in content.shards.iter().enumerate() {
            for (position, row) in rows.iter().enumerate() {
                let event = (row.entry, row.index, row.version);
                self.know(shard, position as u64, event);
            }
            self.require(shard, rows.len() as u64, level);
        }
    }

    fn know(&mut self, shard: usize, position: u64, event: (usize, usize, u64)) {
        let before = self.known[shard].insert(position, event);
        if let Some(before) = before.filter(|before| *before != event) {
            let told = format!(
                "shard {shard} position {position} was told to be {before:?}, then {event:?}"
            );
            self.contradiction.get_or_insert(told);
        }
    }
}

fn raise(these: &mut [u64], those: &[u64]) {
    for (this, that) in these.iter_mut().zip(those) {
        *this = (*this).max(*that);
    }
}

#[cfg(test)]
mod tests {
    use eventcask::{Appended, Place};

    use super::*;
    use crate::model::ledger::Wish;

    fn answered(lane: u32, answer: Appended) -> Step {
        Step::Note(Note::Answered {
            entry: 0,
            lane,
            outcome: Box::new(Ok(answer)),
            level: Level::Process,
        })
    }

    #[test]
    fn l10_each_producer_that_sends_an_entry_gets_its_own_answer() {
        // Two producers sent the same entry again. The first one's was stored, the second one was
        // told earlier that it is a duplicate, and that was taken for the answer to the first. A
        // process that was killed between the two submissions had then stored what was known to be
        // a duplicate.
        let ledger = Ledger::default();
        let wish = Wish {
            key: "account-1".to_owned(),
            events: 1,
            ..Wish::default()
        };
        ledger.add(wish, &mut fastrand::Rng::with_seed(1));
        let submitted = |lane| Step::Note(Note::Submitted { entry: 0, lane });
        let (shard, position, version) = (0, 0, 1);
        let place = Place::new(shard, position);
        let stored = Appended::Stored { place, version };
        let version = Some(version);
        let duplicate = Appended::Duplicate { place, version };
        let journal = [
            submitted(0),
            submitted(1),
            answered(1, duplicate),
            answered(0, stored),
        ];

        let later = Facts::of(&journal, 1, &ledger);
        let killed = Facts::of(&journal[..1], 1, &ledger);
        let notes = killed.hindsight(&later);
        let fates = notes.iter().map(|note| match note {
            Note::Hindsight { fate, .. } => *fate,
            other => panic!("{other:?}"),
        });
        assert_eq!(fates.collect::<Vec<_>>(), [Fate::Stored]);
    }
}
