//! An upstream that can be read again, and what the store must have of it.

use eventcask::{Store, route};
use fastrand::Rng;

use crate::content::Content;
use crate::faults::Faults;
use crate::ledger::{Ledger, Wish};
use crate::stage::Stage;

/// How often a refused source begins again before it gives up.
const TRIES: usize = 4;

pub(crate) fn name_of(source: usize) -> String {
    format!("upstream-{source}")
}

/// Prepares the rows of some sources.
pub(crate) fn prepare(ledger: &Ledger, rng: &mut Rng) -> Vec<Vec<usize>> {
    let sources = rng.usize(..3);
    (0..sources)
        .map(|source| {
            let ids = rng.bool();
            let rows = rng.u64(20..160);
            let row = |offset| Wish {
                key: format!("account-{}", rng.u32(..20)),
                events: 1,
                ids,
                row: Some((source, offset)),
                ..Wish::default()
            };
            let wishes: Vec<_> = (0..rows).map(row).collect();
            wishes
                .into_iter()
                .map(|wish| ledger.add(wish, rng))
                .collect()
        })
        .collect()
}

/// Sends some of the rows that the store has not got, as its marks say; after a refusal it
/// asks the marks again.
///
/// # Errors
/// A promise that was broken on the way.
pub(crate) fn send(stage: &Stage, source: usize, lane: u32, seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    for _ in 0..TRIES {
        let rows = &stage.sources[source];
        let from = begin(stage, source, rng.bool());
        let producer = stage.store.producer_from(&name_of(source));
        let mut producer = producer.map_err(|error| error.to_string())?;
        let most = from + rng.usize(1..80);
        let mut rest = &rows[from.min(rows.len())..most.min(rows.len())];
        let mut well = true;
        while well && !rest.is_empty() {
            let (now, later) = rest.split_at(rng.usize(1..=rest.len().min(30)));
            rest = later;
            well = stage.push(&mut producer, lane, now)?;
        }
        if well {
            return Ok(());
        }
        stage.disk.set_faults(Faults::none());
    }
    Ok(())
}

/// The lowest row that a shard has not got, or the first: rows that are known are no harm.
fn begin(stage: &Stage, source: usize, from_first: bool) -> usize {
    let marks = stage.store.source_marks(&name_of(source));
    let next = marks
        .iter()
        .map(|mark| mark.as_ref().map_or(0, |mark| mark.next));
    let lowest = next.min().unwrap_or(0);
    if from_first { 0 } else { lowest as usize }
}

/// Each shard has of each source all rows before its mark, in order, and none after it.
///
/// # Errors
/// The first row that is missing, in the wrong order or too many.
pub(crate) fn check(
    store: &Store,
    content: &Content,
    ledger: &Ledger,
    sources: &[Vec<usize>],
) -> Result<(), String> {
    let shards = content.shards.len() as u32;
    for (source, rows) in sources.iter().enumerate() {
        let marks = store.source_marks(&name_of(source));
        for (shard, stored) in content.shards.iter().enumerate() {
            let next = marks[shard].as_ref().map_or(0, |mark| mark.next) as usize;
            let of_source = stored.iter().map(|row| row.entry).filter(|entry| {
                let entry = ledger.entry(*entry);
                entry.is_some_and(|entry| entry.row.is_some_and(|(of, _)| of == source))
            });
            let found: Vec<_> = of_source.collect();
            let here = |number: &usize| {
                let entry = ledger.entry(*number);
                entry.is_some_and(|entry| route(&entry.key, shards) as usize == shard)
            };
            let wanted = rows.iter().take(next).copied().filter(here);
            let wanted: Vec<_> = wanted.collect();
            if found != wanted {
                return Err(format!(
                    "D3: source {source} in shard {shard}: the mark says {next}, so {wanted:?} should be there, and {found:?} are"
                ));
            }
        }
    }
    Ok(())
}
