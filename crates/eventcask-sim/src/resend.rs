//! After a crash a producer that heard nothing sends everything again.

use std::collections::{BTreeSet, HashMap};

use eventcask::{Expected, Store};
use fastrand::Rng;

use crate::content::Content;
use crate::ledger::Ledger;
use crate::planted::Planted;
use crate::source::name_of;

/// Sends all that came with ids, shuffled, and all rows of all sources from the first on;
/// everything must be there once then.
///
/// # Errors
/// What was refused, is missing or is there twice.
pub(crate) fn resend_everything(
    store: &Store,
    ledger: &Ledger,
    sources: &[Vec<usize>],
    submitted: &BTreeSet<usize>,
    planted: Option<Planted>,
    rng: &mut Rng,
) -> Result<(), String> {
    let mut wanted = own_ids(ledger, submitted);
    rng.shuffle(&mut wanted);
    let forgets = planted == Some(Planted::IdIsForgotten);
    resend_appends(store, ledger, &wanted, forgets)?;
    for (source, rows) in sources.iter().enumerate() {
        resend_rows(store, ledger, source, rows)?;
        wanted.extend(rows);
    }
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for row in Content::read(store, ledger)?
        .rows()
        .filter(|row| row.index == 0)
    {
        *counts.entry(row.entry).or_default() += 1;
    }
    match wanted.iter().find(|entry| counts.get(entry) != Some(&1)) {
        Some(entry) => Err(format!(
            "L4: entry {entry} was sent again and is there {} times",
            counts.get(entry).unwrap_or(&0)
        )),
        None => Ok(()),
    }
}

/// The entries that can be sent again in any order.
fn own_ids(ledger: &Ledger, submitted: &BTreeSet<usize>) -> Vec<usize> {
    let has_own_ids = |number: &usize| {
        let entry = ledger.entry(*number);
        entry.is_some_and(|entry| {
            let all = entry.events.iter().all(|event| event.id.is_some());
            all && entry.expected == Expected::Any && entry.row.is_none() && !entry.borrows_ids
        })
    };
    submitted.iter().copied().filter(has_own_ids).collect()
}

fn resend_appends(
    store: &Store,
    ledger: &Ledger,
    numbers: &[usize],
    forgets_ids: bool,
) -> Result<(), String> {
    let mut producer = store.producer();
    let mut tickets = Vec::new();
    for number in numbers {
        let entry = ledger.entry(*number).ok_or("an unknown entry")?;
        let mut events: Vec<_> = entry.events.iter().map(|event| event.as_new()).collect();
        for event in events.iter_mut().filter(|_| forgets_ids) {
            event.id = None;
        }
        let ticket = producer.append(&entry.key, entry.expected, &events);
        tickets.push(ticket.map_err(|error| format!("L4: sending again: {error}"))?);
    }
    for ticket in tickets {
        ticket
            .wait()
            .map_err(|refused| format!("L4: sending again: {refused}"))?;
    }
    Ok(())
}

fn resend_rows(
    store: &Store,
    ledger: &Ledger,
    source: usize,
    rows: &[usize],
) -> Result<(), String> {
    let failed = |error: eventcask::Error| format!("L4: sending rows again: {error}");
    let mut producer = store.producer_from(&name_of(source)).map_err(failed)?;
    for number in rows {
        let entry = ledger.entry(*number).ok_or("an unknown entry")?;
        let offset = entry.row.map_or(0, |(_, offset)| offset);
        let event = entry.events[0].as_new();
        producer
            .push_at(offset, offset, &entry.key, &event)
            .map_err(failed)?;
    }
    let counted = producer
        .flush()
        .and_then(eventcask::FlushTicket::wait)
        .map_err(failed)?;
    if counted.stored + counted.duplicates != rows.len() as u64 {
        return Err(format!("L10: {counted:?} of {} rows", rows.len()));
    }
    Ok(())
}
