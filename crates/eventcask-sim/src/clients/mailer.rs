//! The consumers of a group, as one client: it holds some events at a time and answers them in any
//! order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use eventcask::subscribe::{Claim, Retry};
use eventcask::{ConsumerGroup, Error};
use fastrand::Rng;

use crate::clients::opened::Opened;
use crate::disk::journal::Note;
use crate::disk::sim_disk::SimDisk;
use crate::model::content::{Content, Row};
use crate::model::ledger::Ledger;
use crate::model::outside::{Client, Deed, Given, Handling, newest};
use crate::planted::Planted;

/// How often an event is tried.
const TRIES: u32 = 3;
/// Events that are held at once at most.
const OPEN: usize = 4;

/// Handles events, and fails on some.
pub(crate) struct Mailer {
    group: ConsumerGroup,
    disk: SimDisk,
    ledger: Arc<Ledger>,
    open: Vec<Held>,
    /// The newest version of each aggregate that was ever handled.
    done: BTreeMap<String, u64>,
    /// The version of each aggregate that must come next, where it is known.
    next: HashMap<String, u64>,
    /// What must not come again.
    settled: HashSet<Row>,
    /// The event with which an aggregate is parked.
    parked: BTreeMap<String, Given>,
    /// Handled but not noted yet, as a planted bug would have it.
    late: Vec<Given>,
    planted: Option<Planted>,
    may_fail: bool,
}

/// An event that is held.
struct Held {
    claim: Claim,
    key: String,
    given: Given,
}

impl Mailer {
    /// Goes on where the store says; what was parked must still be.
    ///
    /// # Errors
    /// L11, where it is not.
    pub(crate) fn start(opened: &Opened<'_>, handling: &Handling) -> Result<Self, String> {
        let retry = Retry::new(TRIES).first(Duration::ZERO);
        let group = opened.store.events().group("mailer", retry);
        let group = group.map_err(|error| format!("L11: {error}"))?;
        let mut parked = BTreeMap::new();
        for one in group.parked() {
            let rows = &opened.content.shards[one.shard as usize];
            let row = rows.get(one.position as usize).copied();
            let given = Given {
                row: row.ok_or("L11: parked beyond the log")?,
                shard: one.shard,
                position: one.position,
            };
            parked.insert(one.key.clone(), given);
        }
        for (key, version) in &handling.parked {
            if parked
                .get(key)
                .is_none_or(|given| given.row.version != *version)
            {
                let is = parked.get(key);
                return Err(format!(
                    "L11: {key} was parked with version {version}, and is with {is:?}"
                ));
            }
        }
        opened.disk.note(Note::Did(Client::Mailer, Deed::Began));
        Ok(Self {
            group,
            disk: opened.disk.clone(),
            ledger: Arc::clone(opened.ledger),
            open: Vec::new(),
            done: handling.newest(opened.ledger),
            next: HashMap::new(),
            settled: handling.settled(),
            parked,
            late: Vec::new(),
            planted: opened.planted,
            may_fail: false,
        })
    }

    fn note(&self, deed: Deed) {
        self.disk.note(Note::Did(Client::Mailer, deed));
    }

    fn note_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        late.into_iter()
            .for_each(|given| self.note(Deed::Handled(given)));
    }

    /// An error of the engine counts only where there is no reason for one.
    fn allow<T>(&self, result: Result<T, Error>) -> Result<Option<T>, String> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.may_fail => Ok(None),
            Err(error) => Err(format!("L11: the mailer: {error}")),
        }
    }

    /// Some of its work.
    ///
    /// # Errors
    /// L11, where what it is given is not what comes next.
    pub(crate) fn work(&mut self, may_fail: bool, rng: &mut Rng) -> Result<(), String> {
        self.may_fail = may_fail;
        self.note_late();
        for _ in 0..rng.usize(1..10) {
            if self.open.len() < OPEN && rng.u32(..3) > 0 {
                self.take()?;
            } else if !self.open.is_empty() {
                self.answer_one(rng)?;
            }
        }
        match rng.u32(..6) {
            0..2 => self.save(),
            2 => self.redrive_one(rng),
            3 => self.empty_hands(rng).and_then(|()| self.save()),
            _ => Ok(()),
        }
    }

    /// Takes the next event, if there is one.
    fn take(&mut self) -> Result<bool, String> {
        let Some(Some(claim)) = self.allow(self.group.try_claim())? else {
            return Ok(false);
        };
        let event = claim.event();
        let (key, given) = (event.key().to_owned(), Given::of(&event.get()));
        let row = given.row;
        let done = self.done.get(&key).copied().unwrap_or(0);
        let next = self.next.get(&key).copied();
        let is_out = self.open.iter().any(|held| held.key == key);
        let is_repeat = self.settled.contains(&row);
        if row.version > done + 1
            || next.is_some_and(|next| next != row.version)
            || self.parked.contains_key(&key)
            || is_out
            || is_repeat
        {
            return Err(format!(
                "L11: the mailer is given {row:?} of {key}: {done} are handled, {next:?} is next, parked {:?}, out {is_out}, kept as handled {is_repeat}",
                self.parked.get(&key)
            ));
        }
        self.open.push(Held { claim, key, given });
        Ok(true)
    }

    /// Answers one of those that are held.
    fn answer_one(&mut self, rng: &mut Rng) -> Result<(), String> {
        let held = self.open.swap_remove(rng.usize(..self.open.len()));
        match rng.u32(..10) {
            0 => self.fail(held, false),
            1 => self.fail(held, true),
            2 if rng.bool() => {
                self.failed(&held, held.claim.tries() + 1 >= TRIES);
                // It gives no answer.
                drop(held);
                Ok(())
            }
            _ => self.handle(held),
        }
    }

    fn failed(&mut self, held: &Held, is_parked: bool) {
        self.next.insert(held.key.clone(), held.given.row.version);
        if is_parked {
            self.parked.insert(held.key.clone(), held.given);
        }
    }

    fn fail(&mut self, held: Held, parks: bool) -> Result<(), String> {
        let is_parked = parks || held.claim.tries() + 1 >= TRIES;
        self.failed(&held, is_parked);
        let Held { claim, key, given } = held;
        if is_parked && self.planted == Some(Planted::ParkedDoesNotHold) {
            return self.allow(claim.ack()).map(drop);
        }
        let told = match parks {
            true => claim.park("at once"),
            false => claim.retry("not now"),
        };
        if self.allow(told)?.is_some() && is_parked {
            self.note(Deed::Parked(key, given.row.version));
        }
        Ok(())
    }

    /// Handles an event, then says so.
    fn handle(&mut self, held: Held) -> Result<(), String> {
        let Held { claim, key, given } = held;
        self.count(&key, given.row);
        if self.planted != Some(Planted::ConsumerAcksEarly) {
            self.note(Deed::Handled(given));
            return self.allow(claim.ack()).map(drop);
        }
        self.late.push(given);
        self.allow(claim.ack())?;
        self.allow(self.group.checkpoint()).map(drop)
    }

    fn count(&mut self, key: &str, row: Row) {
        self.next.insert(key.to_owned(), row.version + 1);
        let done = self.done.entry(key.to_owned()).or_default();
        *done = row.version.max(*done);
    }

    /// Has the store keep what is handled before the first event that is not.
    fn save(&mut self) -> Result<(), String> {
        self.note(Deed::Saving(self.group.positions()));
        if self.allow(self.group.checkpoint())?.is_some() {
            self.note(Deed::Saved);
        }
        Ok(())
    }

    fn redrive_one(&mut self, rng: &mut Rng) -> Result<(), String> {
        if self.parked.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = self.parked.keys().cloned().collect();
        self.redrive(&keys[rng.usize(..keys.len())], rng.u32(..3) == 0)
    }

    /// Has an aggregate go on, with the event that failed or without it.
    fn redrive(&mut self, key: &str, skips: bool) -> Result<(), String> {
        let Some(given) = self.parked.remove(key) else {
            return Ok(());
        };
        if skips {
            // It is given up, which is as good as handled.
            self.count(key, given.row);
            self.note(Deed::Handled(given));
        } else {
            self.next.insert(key.to_owned(), given.row.version);
        }
        self.note(Deed::Redriving(key.to_owned()));
        let told = match skips || self.planted == Some(Planted::RedriveForgets) {
            true => self.group.skip(key),
            false => self.group.redrive(key),
        };
        match self.allow(told)? {
            Some(false) => Err(format!("L11: {key} was parked, and is not")),
            _ => Ok(()),
        }
    }

    /// Answers all that is held.
    fn empty_hands(&mut self, rng: &mut Rng) -> Result<(), String> {
        while !self.open.is_empty() {
            self.answer_one(rng)?;
        }
        Ok(())
    }

    fn handle_all(&mut self) -> Result<(), String> {
        while let Some(held) = self.open.pop() {
            self.handle(held)?;
        }
        while self.take()? {
            self.open.pop().map_or(Ok(()), |held| self.handle(held))?;
        }
        Ok(())
    }

    /// Handles all that is left. First everything but what is parked, then that as well.
    ///
    /// # Errors
    /// L11, where something does not come.
    pub(crate) fn finish(&mut self, content: &Content) -> Result<(), String> {
        self.may_fail = false;
        self.note_late();
        self.handle_all()?;
        let parked = self.group.parked().into_iter();
        let parked: BTreeMap<_, _> = parked.map(|one| (one.key, one.version)).collect();
        let known = self.parked.iter();
        let known: BTreeMap<_, _> = known
            .map(|(key, given)| (key.clone(), given.row.version))
            .collect();
        if parked != known {
            return Err(format!("L11: {parked:?} are parked, not {known:?}"));
        }
        self.all_are_handled(content, "parked aggregates hold up only themselves")?;
        for key in parked.keys() {
            self.redrive(key, false)?;
        }
        self.handle_all()?;
        self.all_are_handled(content, "all are redriven")?;
        self.note_late();
        self.save()
    }

    fn all_are_handled(&self, content: &Content, when: &str) -> Result<(), String> {
        for (key, newest) in newest(content.rows(), &self.ledger) {
            let done = self.done.get(&key).copied().unwrap_or(0);
            if done < newest && !self.parked.contains_key(&key) {
                return Err(format!(
                    "L11: {when}, and of {key} {done} of {newest} events are handled"
                ));
            }
        }
        Ok(())
    }
}
