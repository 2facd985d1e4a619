//! What the clients of a store know: the events that they handled, the places that the store said
//! it keeps, and the content of a database beside the store.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use eventcask::event::EventRef;
use fastrand::Rng;

use crate::model::content::{Content, Row};
use crate::model::kept::Kept;
use crate::model::ledger::Ledger;
use crate::model::projection::row_of;

/// Who keeps its place in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// A named subscription.
    Letters,
    /// A consumer group.
    Mailer,
}

/// An event as a client was given it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub(crate) row: Row,
    pub(crate) shard: u32,
    pub(crate) position: u64,
}

impl Given {
    pub(crate) fn of(event: &EventRef<'_>) -> Self {
        Self {
            row: row_of(event),
            shard: event.shard,
            position: event.position,
        }
    }
}

/// What a client did, or was told.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// It goes on where the store says.
    Began,
    /// It has handled an event, whether the store knows or not.
    Handled(Given),
    /// It has the store keep that it is at these positions.
    Saving(Vec<u64>),
    /// That is kept.
    Saved,
    /// An aggregate is parked with the event of this version, durably.
    Parked(String, u64),
    /// An aggregate is about to go on.
    Redriving(String),
}

/// What is kept by a save: of so many that were handled first, those before these positions.
#[derive(Debug, Default, Clone)]
struct Save {
    handled: usize,
    positions: Vec<u64>,
}

/// What a client has handled.
#[derive(Debug, Default, Clone)]
pub(crate) struct Handling {
    /// In the order in which it was.
    handled: Vec<Given>,
    /// So many of them before the store was opened last. What was not kept of them may come again,
    /// wherever the client is by then: an aggregate that is held back has a place of its own.
    before: usize,
    saving: Save,
    saved: Save,
    /// What was kept before the store was opened last.
    settled: HashSet<Row>,
    /// The version of the event with which an aggregate is parked.
    pub(crate) parked: BTreeMap<String, u64>,
}

impl Handling {
    fn take(&mut self, deed: &Deed) {
        match deed {
            Deed::Began => self.begin(),
            Deed::Handled(given) => self.handled.push(*given),
            Deed::Saving(positions) => {
                self.saving = Save {
                    handled: self.handled.len(),
                    positions: positions.clone(),
                }
            }
            Deed::Saved => self.saved = self.saving.clone(),
            Deed::Parked(key, version) => drop(self.parked.insert(key.clone(), *version)),
            Deed::Redriving(key) => drop(self.parked.remove(key)),
        }
    }

    fn begin(&mut self) {
        self.settled = self.settled();
        self.saved = Save::default();
        self.before = self.handled.len();
    }

    /// What must not come again.
    pub(crate) fn settled(&self) -> HashSet<Row> {
        let is_kept = |given: &&Given| {
            let positions = self.saved.positions.get(given.shard as usize);
            positions.is_some_and(|end| given.position < *end)
        };
        let new = self.handled.get(self.before..self.saved.handled);
        let new = new.unwrap_or_default().iter().filter(is_kept);
        let all = self.settled.iter().copied();
        all.chain(new.map(|given| given.row)).collect()
    }

    /// All that was handled.
    pub(crate) fn handled(&self) -> HashSet<Row> {
        self.handled.iter().map(|given| given.row).collect()
    }

    /// The newest version of each aggregate that is handled.
    pub(crate) fn newest(&self, ledger: &Ledger) -> BTreeMap<String, u64> {
        newest(self.handled.iter().map(|given| &given.row), ledger)
    }

    /// What is left of it where the store has only this.
    fn cut(&mut self, content: &Content, ledger: &Ledger) {
        self.begin();
        let there: HashSet<Row> = content.rows().copied().collect();
        self.handled.retain(|given| there.contains(&given.row));
        self.settled.retain(|row| there.contains(row));
        self.before = self.handled.len();
        let newest = newest(content.rows(), ledger);
        self.parked
            .retain(|key, version| newest.get(key).is_some_and(|newest| newest >= version));
    }
}

/// The newest version of each aggregate.
pub(crate) fn newest<'r>(
    rows: impl Iterator<Item = &'r Row>,
    ledger: &Ledger,
) -> BTreeMap<String, u64> {
    let mut newest = BTreeMap::<String, u64>::new();
    for row in rows {
        let version = newest
            .entry(ledger.key_of(row.entry, row.index))
            .or_default();
        *version = row.version.max(*version);
    }
    newest
}

/// All that is known outside.
#[derive(Debug, Default, Clone)]
pub(crate) struct Outside {
    pub(crate) letters: Handling,
    pub(crate) mailer: Handling,
    /// What a crash may leave in the database: its last durable transaction and those after it.
    commits: Vec<Arc<Kept>>,
}

impl Outside {
    pub(crate) fn take(&mut self, client: Client, deed: &Deed) {
        match client {
            Client::Letters => self.letters.take(deed),
            Client::Mailer => self.mailer.take(deed),
        }
    }

    pub(crate) fn committed(&mut self, kept: &Arc<Kept>, is_durable: bool) {
        if is_durable {
            self.commits.clear();
        }
        self.commits.push(Arc::clone(kept));
    }

    /// What the database holds.
    pub(crate) fn kept(&self) -> Arc<Kept> {
        self.commits.last().cloned().unwrap_or_default()
    }

    /// What a crash leaves of the database: any transaction from the last durable one on. Now and
    /// then the database is gone.
    pub(crate) fn after_crash(&self, rng: &mut Rng) -> Arc<Kept> {
        if self.commits.is_empty() || rng.u32(..12) == 0 {
            return Arc::default();
        }
        Arc::clone(&self.commits[rng.usize(..self.commits.len())])
    }

    /// What it is after a crash that left this of the store.
    pub(crate) fn crashed(&self, content: &Content, ledger: &Ledger, rng: &mut Rng) -> Self {
        let mut crashed = self.clone();
        crashed.letters.cut(content, ledger);
        crashed.mailer.cut(content, ledger);
        crashed.commits = vec![self.after_crash(rng)];
        crashed
    }
}
