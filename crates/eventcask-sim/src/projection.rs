//! A projection of all shards that is kept while a store is open, and what it must hold.

use std::collections::HashMap;

use eventcask::{Batch, Projected, Projection, Store};

use crate::content::{Content, Row};
use crate::ledger::named_in;

/// Notes each event that it is given.
pub(crate) struct Noting {
    /// Whether it takes in twice what it reads back from the log, which is a planted bug.
    sees_twice: bool,
}

/// The events of a shard as a projection was given them.
#[derive(Default)]
pub(crate) struct Noted {
    rows: Vec<(u64, Row)>,
    /// The first position at which an entry came.
    first: HashMap<usize, u64>,
}

impl Noted {
    fn note(&mut self, position: u64, row: Row) {
        self.first.entry(row.entry).or_insert(position);
        self.rows.push((position, row));
    }
}

impl Projection for Noting {
    const NAME: &'static str = "noting";
    const VERSION: u32 = 1;
    type State = Noted;

    fn apply(&self, state: &mut Noted, batch: &Batch<'_>) {
        let times = if self.sees_twice && batch.replay() {
            2
        } else {
            1
        };
        for _ in 0..times {
            for event in batch.iter() {
                let (entry, index) = named_in(event.payload).unwrap_or((usize::MAX, 0));
                let row = Row {
                    entry,
                    index,
                    version: event.version,
                    commit: event.commit_time.as_nanos(),
                };
                state.note(event.position, row);
            }
        }
    }
}

pub(crate) fn start(store: &Store, sees_twice: bool) -> Result<Projected<Noting>, String> {
    let projected = store.project(Noting { sees_twice });
    projected.map_err(|error| format!("L5: {error}"))
}

/// The projection was given what the content has, each event once and in order.
///
/// # Errors
/// L5, where it was not, or stopped.
pub(crate) fn check(projected: &Projected<Noting>, content: &Content) -> Result<(), String> {
    for (shard, rows) in content.shards.iter().enumerate() {
        let noted = projected.read(shard as u32, |state| state.rows.clone());
        let noted = noted.map_err(|error| format!("L5: {error}"))?;
        let wanted = || (0..).zip(rows.iter().copied());
        let differs = noted
            .iter()
            .copied()
            .zip(wanted())
            .find(|(is, should)| is != should);
        if differs.is_some() || noted.len() != rows.len() {
            return Err(format!(
                "L5: in shard {shard} a projection has {} events and there are {}; they differ at {differs:?}",
                noted.len(),
                rows.len()
            ));
        }
    }
    Ok(())
}

/// What was just answered has been applied before; a projection that stopped has said why.
///
/// # Errors
/// L5, where it was not.
pub(crate) fn check_answered(
    projected: &Projected<Noting>,
    shard: u32,
    entry: usize,
    position: Option<u64>,
) -> Result<(), String> {
    // A state that is read is brought up to date; how far it was before is what counts.
    let progress = projected.progress(shard);
    let Ok(first) = projected.read(shard, |state| state.first.get(&entry).copied()) else {
        return Ok(());
    };
    match position.or(first) {
        Some(position) if position < progress && first.is_some() => Ok(()),
        place => Err(format!(
            "L5: entry {entry} is answered, at {place:?} of shard {shard}, and the projection had come to {progress}"
        )),
    }
}
