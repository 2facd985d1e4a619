//! An upstream that can be read again, and what the store must have of it.

use eventcask::{Error, Store, StoreReader};
use fastrand::Rng;

use crate::disk::faults::Faults;
use crate::model::content::Content;
use crate::model::ledger::{Ledger, Wish};
use crate::planted::Planted;
use crate::run::door::Door;
use crate::run::stage::Stage;

/// How often a refused source begins again before it gives up.
const TRIES: usize = 4;
/// Aggregates that all sources share.
const ACCOUNTS: u32 = 20;

/// An upstream: it tells the offsets of its rows, or leaves it to a session to number them.
#[derive(Debug)]
pub(crate) struct Source {
    number: usize,
    pub(crate) is_session: bool,
    /// The entries, in order.
    pub(crate) rows: Vec<usize>,
}

/// Prepares the rows of some sources.
pub(crate) fn prepare(ledger: &Ledger, rng: &mut Rng) -> Vec<Source> {
    let sources = rng.usize(..3);
    (0..sources)
        .map(|number| Source::draw(number, ledger, rng))
        .collect()
}

impl Source {
    fn draw(number: usize, ledger: &Ledger, rng: &mut Rng) -> Self {
        let (is_session, ids) = (rng.bool(), rng.bool());
        let mut offset = 0;
        let mut rows = Vec::new();
        for _ in 0..rng.u64(20..160) {
            let is_append = is_session && rng.u32(..5) == 0;
            let wish = Wish {
                key: ledger.account(rng.u32(..ACCOUNTS)),
                events: if is_append { rng.usize(2..4) } else { 1 },
                ids,
                row: Some((number, offset)),
                ..Wish::default()
            };
            offset += wish.events as u64;
            rows.push(ledger.add(wish, rng));
        }
        Self {
            number,
            is_session,
            rows,
        }
    }

    fn name(&self) -> String {
        format!("upstream-{}", self.number)
    }

    /// How the store calls it where it tells of marks.
    pub(crate) fn name_of_marks(&self) -> String {
        let prefix = if self.is_session { "$session/" } else { "" };
        format!("{prefix}{}", self.name())
    }

    /// A producer that goes on with this row.
    pub(crate) fn open(&self, store: &Store, ledger: &Ledger, row: usize) -> Result<Door, Error> {
        if !self.is_session {
            return Ok(Door::Producer(store.producer_from(&self.name())?));
        }
        let mut session = store.session(&self.name())?;
        let entry = self.rows.get(row).and_then(|row| ledger.entry(*row));
        if let Some((_, offset)) = entry.and_then(|entry| entry.row) {
            session.resume_at(offset)?;
        }
        Ok(Door::Session(session))
    }

    /// Where each shard's mark stands; 0 without one.
    fn marks(&self, store: &StoreReader) -> Vec<u64> {
        let marks = store.source_marks(&self.name_of_marks());
        let next = marks
            .iter()
            .map(|mark| mark.as_ref().map_or(0, |mark| mark.next));
        next.collect()
    }

    /// The row that has this offset or follows it.
    fn row_at(&self, offset: u64, ledger: &Ledger) -> usize {
        self.rows
            .partition_point(|row| offset_of(*row, ledger) < offset)
    }

    /// A row before which every shard has all.
    fn begin(&self, stage: &Stage, rng: &mut Rng) -> usize {
        let next = self.marks(&stage.store).into_iter().min().unwrap_or(0);
        let lowest = self.row_at(next, &stage.ledger);
        // Rows that are known are no harm.
        match rng.u32(..4) {
            0 => 0,
            1 => rng.usize(..=lowest),
            _ => lowest,
        }
    }
}

fn offset_of(row: usize, ledger: &Ledger) -> u64 {
    let row = ledger.entry(row).and_then(|entry| entry.row);
    row.map_or(0, |(_, offset)| offset)
}

/// Sends some of the rows that the store has not got, as its marks say; after a refusal it
/// asks the marks again.
///
/// # Errors
/// A promise that was broken on the way.
pub(crate) fn send(stage: &Stage, source: &Source, lane: u32, seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    for _ in 0..TRIES {
        if send_some(stage, source, lane, &mut rng)? {
            return Ok(());
        }
        stage.disk.set_faults(Faults::none());
    }
    Ok(())
}

/// Says whether all was stored that was sent.
fn send_some(stage: &Stage, source: &Source, lane: u32, rng: &mut Rng) -> Result<bool, String> {
    let rows = &source.rows;
    let runs_ahead = source.is_session && stage.planted == Some(Planted::SessionRunsAhead);
    let mut from = source.begin(stage, rng);
    if runs_ahead {
        from = stage.noted(source.number);
    }
    let mut door = match source.open(&stage.store, &stage.ledger, from) {
        Ok(door) => door,
        // To begin is to wait for what is on its way, which a disk can refuse.
        Err(error @ Error::InUse { .. }) if !source.is_session => {
            return Err(error.to_string());
        }
        Err(_) => return Ok(false),
    };
    let most = from + rng.usize(1..80);
    let mut rest = &rows[from.min(rows.len())..most.min(rows.len())];
    let mut well = true;
    while well && !rest.is_empty() {
        let (now, later) = rest.split_at(rng.usize(1..=rest.len().min(30)));
        rest = later;
        from += now.len();
        stage.note_place(source.number, from);
        well = stage.push(&mut door, lane, now)?;
    }
    Ok(well)
}

/// Each shard has of each source all rows before its mark, in order, and none after it.
///
/// # Errors
/// The first row that is missing, in the wrong order or too many.
pub(crate) fn check(
    store: &StoreReader,
    content: &Content,
    ledger: &Ledger,
    sources: &[Source],
) -> Result<(), String> {
    for source in sources {
        let marks = source.marks(store);
        for (shard, stored) in content.shards.iter().enumerate() {
            let next = marks[shard];
            let entries = stored.iter().filter(|row| row.index == 0);
            let of_source = entries.map(|row| row.entry).filter(|entry| {
                let entry = ledger.entry(*entry);
                entry.is_some_and(|entry| entry.row.is_some_and(|(of, _)| of == source.number))
            });
            let found: Vec<_> = of_source.collect();
            let here = |number: &usize| {
                let entry = ledger.entry(*number);
                entry.is_some_and(|entry| store.shard_of(&entry.key) as usize == shard)
            };
            let before = source.rows.iter().take(source.row_at(next, ledger));
            let wanted: Vec<_> = before.copied().filter(here).collect();
            if found != wanted {
                return Err(format!(
                    "D3: {source} in shard {shard}: the mark says {next}, so {wanted:?} should be there, and {found:?} are",
                    source = source.name_of_marks()
                ));
            }
        }
    }
    Ok(())
}
