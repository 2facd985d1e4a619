//! What is stored more than once, and whether a window of ids allows it.

use std::collections::HashMap;

use eventcask::DedupWindow;

use crate::model::content::{Content, Row};
use crate::model::ledger::{Entry, Ledger};

/// Bytes that an id takes at most.
const ID_BYTES: u64 = 45;
/// A window of bytes keeps this part of the ids that would fill it, at least.
const PART_KEPT: u64 = 4;

/// How far back ids are to be known.
pub(crate) struct Repeats<'r> {
    pub(crate) ledger: &'r Ledger,
    /// The window with which the newest events were stored.
    pub(crate) window: DedupWindow,
    /// Events of each shard that were stored before, and held against the window of their time.
    pub(crate) baseline: &'r [u64],
}

impl Repeats<'_> {
    /// No id is stored again that is still in the window, and nothing that has none.
    ///
    /// # Errors
    /// L4, where one is.
    pub(crate) fn check(&self, content: &Content) -> Result<(), String> {
        for (rows, baseline) in content.shards.iter().zip(self.baseline) {
            self.check_shard(rows, *baseline as usize)?;
        }
        Ok(())
    }

    fn check_shard(&self, rows: &[Row], baseline: usize) -> Result<(), String> {
        let (mut ids, mut entries) = (HashMap::new(), HashMap::new());
        let counts = self.ids_before(rows);
        for (place, row) in rows.iter().enumerate() {
            let entry = self.ledger.entry(row.entry).ok_or("an unknown entry")?;
            let before = entries.insert((row.entry, row.index), place);
            if before.is_some() && (entry.row.is_some() || !has_ids(&entry)) {
                return Err(format!("L4: {row:?} is stored twice"));
            }
            let event = &entry.events[row.index];
            let Some(id) = event.id else {
                continue;
            };
            let before = ids.insert((event.key.clone(), id), place);
            // The ids of one append are looked up before any of it is stored.
            let first = place - row.index.min(place);
            match before {
                Some(old) if place >= baseline && !self.may_forget(rows, &counts, old, first) => {
                    return Err(format!(
                        "L4: the id of {row:?} was stored again at {place}, although it is in the window {} since {old}",
                        self.window
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How many events with ids there are before each place.
    fn ids_before(&self, rows: &[Row]) -> Vec<u64> {
        let mut count = 0;
        let count_before = rows.iter().map(|row| {
            let entry = self.ledger.entry(row.entry);
            let has_id = entry.is_some_and(|entry| entry.events[row.index].id.is_some());
            count += u64::from(has_id);
            count - u64::from(has_id)
        });
        count_before.collect()
    }

    /// Whether the id of the event at `old` may be unknown when that at `new` comes.
    fn may_forget(&self, rows: &[Row], counts: &[u64], old: usize, new: usize) -> bool {
        let newer = counts[new].saturating_sub(counts[old] + 1);
        match self.window {
            DedupWindow::All => false,
            DedupWindow::Ids(ids) => newer >= ids,
            DedupWindow::Bytes(bytes) => newer >= bytes / ID_BYTES / PART_KEPT,
            DedupWindow::Time(time) => {
                let passed = rows[new].commit.saturating_sub(rows[old].commit);
                i128::from(passed) >= time.as_nanos().cast_signed()
            }
            other => panic!("how long ids are known by {other} is not said here"),
        }
    }
}

fn has_ids(entry: &Entry) -> bool {
    entry.events.iter().all(|event| event.id.is_some())
}
