//! The projections of a trial, and what they must hold.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use eventcask::event::EventRef;
use eventcask::projection::Snapshot;
use eventcask::{ApplyError, Batch, PerAggregate, Projection};

use crate::model::content::Row;
use crate::model::handler::Handler;
use crate::model::ledger::{Ledger, named_in};

/// A projection whose states can be held against the rows that they are to be made of.
pub(crate) trait Checked: Projection<State: Snapshot> {
    /// What a state says, in a form that can be compared.
    type Plain: Debug + PartialEq + Send;

    /// How many events a state holds, and what it says.
    fn plain(state: &Self::State) -> (u64, Self::Plain);

    /// What the code of a version makes of these rows.
    fn fold(rows: &[Row], ledger: &Ledger, version: u32) -> Self::Plain;

    /// Where an answered entry is, as far as the answer or the state tells.
    fn place(state: &Self::State, entry: usize, answered: Option<u64>) -> Option<u64>;
}

/// Notes each event that it is given: a state of its own for each shard.
pub(crate) struct Noting<const VERSION: u32>(pub(crate) Handler);

/// The events of a shard as a projection was given them.
#[derive(Default)]
pub(crate) struct Noted {
    lines: Vec<Line>,
    /// The first position at which an entry came.
    first: HashMap<usize, u64>,
    /// Whether its bytes lack the newest event, which is a planted bug.
    is_cut: bool,
}

/// An event, and the version of the code that noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    position: u64,
    row: Row,
    version: u32,
}

impl Noted {
    /// Notes an event at a position.
    pub(crate) fn add(&mut self, position: u64, row: Row, version: u32) {
        self.note(Line {
            position,
            row,
            version,
        });
    }

    /// All that was noted, by position.
    pub(crate) fn by_position(&self) -> Vec<(u64, Row)> {
        let lines = self.lines.iter();
        let mut all: Vec<_> = lines.map(|line| (line.position, line.row)).collect();
        all.sort_by_key(|(position, _)| *position);
        all
    }

    fn note(&mut self, line: Line) {
        self.first.entry(line.row.entry).or_insert(line.position);
        self.lines.push(line);
    }
}

/// Which event of the ledger this is.
pub(crate) fn row_of(event: &EventRef<'_>) -> Row {
    let (entry, index) = named_in(event.payload).unwrap_or((usize::MAX, 0));
    Row {
        entry,
        index,
        version: event.version,
        commit: event.commit_time.as_nanos(),
    }
}

impl<const V: u32> Projection for Noting<V> {
    const NAME: &'static str = "noting";
    const VERSION: u32 = V;
    type State = Noted;

    fn apply(&self, state: &mut Noted, batch: &Batch<'_>) -> Result<(), ApplyError> {
        state.is_cut = self.0.cuts_snapshots();
        for at in batch.rows() {
            let event = batch.event(at);
            let line = Line {
                position: event.position,
                row: row_of(&event),
                version: self.0.version,
            };
            (0..self.0.times(batch, at)).for_each(|_| state.note(line));
        }
        Ok(())
    }
}

impl Snapshot for Noted {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let kept = self.lines.len() - usize::from(self.is_cut && !self.lines.is_empty());
        (kept as u64).encode(bytes);
        for line in &self.lines[..kept] {
            line.position.encode(bytes);
            (line.row.entry as u64).encode(bytes);
            (line.row.index as u64).encode(bytes);
            line.row.version.encode(bytes);
            line.row.commit.encode(bytes);
            line.version.encode(bytes);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut noted = Self::default();
        for _ in 0..u64::decode(bytes)? {
            noted.note(Line {
                position: u64::decode(bytes)?,
                row: Row {
                    entry: u64::decode(bytes)? as usize,
                    index: u64::decode(bytes)? as usize,
                    version: u64::decode(bytes)?,
                    commit: i64::decode(bytes)?,
                },
                version: u32::decode(bytes)?,
            });
        }
        Some(noted)
    }
}

impl<const V: u32> Checked for Noting<V> {
    type Plain = Vec<Line>;

    fn plain(state: &Noted) -> (u64, Vec<Line>) {
        (state.lines.len() as u64, state.lines.clone())
    }

    fn fold(rows: &[Row], _ledger: &Ledger, version: u32) -> Vec<Line> {
        let line = |(position, row)| Line {
            position,
            row,
            version,
        };
        (0..).zip(rows.iter().copied()).map(line).collect()
    }

    fn place(state: &Noted, entry: usize, answered: Option<u64>) -> Option<u64> {
        let first = state.first.get(&entry).copied();
        first.and_then(|first| answered.or(Some(first)))
    }
}

/// Keeps a number for each aggregate that depends on each of its events and on their order.
pub(crate) struct Chaining<const VERSION: u32>(pub(crate) Handler);

/// What is kept of an aggregate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    events: u64,
    number: u64,
    /// The lowest and the highest version of the code that added to it.
    versions: Option<(u32, u32)>,
}

impl Chain {
    fn add(&mut self, entry: usize, index: usize, version: u32) {
        self.events += 1;
        let link = (entry * 8 + index) as u64;
        self.number = self.number.wrapping_mul(31).wrapping_add(link);
        let (low, high) = self.versions.unwrap_or((version, version));
        self.versions = Some((low.min(version), high.max(version)));
    }
}

impl Snapshot for Chain {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let (low, high) = self.versions.unwrap_or_default();
        self.events.encode(bytes);
        self.number.encode(bytes);
        low.encode(bytes);
        high.encode(bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (events, number) = (u64::decode(bytes)?, u64::decode(bytes)?);
        let versions = (u32::decode(bytes)?, u32::decode(bytes)?);
        Some(Self {
            events,
            number,
            versions: Some(versions),
        })
    }
}

impl<const V: u32> Projection for Chaining<V> {
    const NAME: &'static str = "chaining";
    const VERSION: u32 = V;
    type State = PerAggregate<Chain>;

    fn apply(&self, state: &mut PerAggregate<Chain>, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut chains = state.of(batch);
        for at in batch.rows() {
            let (entry, index) = named_in(batch.payload(at)).unwrap_or((usize::MAX, 0));
            let chain = &mut chains[batch.aggregate_index(at)];
            (0..self.0.times(batch, at)).for_each(|_| chain.add(entry, index, self.0.version));
        }
        Ok(())
    }
}

impl<const V: u32> Checked for Chaining<V> {
    type Plain = BTreeMap<String, Chain>;

    fn plain(state: &PerAggregate<Chain>) -> (u64, BTreeMap<String, Chain>) {
        let chains: BTreeMap<_, _> = state
            .iter()
            .map(|(key, chain)| (key.to_owned(), *chain))
            .collect();
        (chains.values().map(|chain| chain.events).sum(), chains)
    }

    fn fold(rows: &[Row], ledger: &Ledger, version: u32) -> BTreeMap<String, Chain> {
        let mut chains = BTreeMap::<String, Chain>::new();
        for row in rows {
            let chain = chains
                .entry(ledger.key_of(row.entry, row.index))
                .or_default();
            chain.add(row.entry, row.index, version);
        }
        chains
    }

    /// The state names no entries: only the answer tells.
    fn place(_state: &PerAggregate<Chain>, _entry: usize, answered: Option<u64>) -> Option<u64> {
        answered.or(Some(0))
    }
}
