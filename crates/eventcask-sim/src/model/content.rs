//! What a store serves, read event by event and held against the ledger.

use std::collections::HashSet;

use eventcask::StoreReader;
use eventcask::event::{EventRef, PAYLOAD_ALIGN};

use crate::model::ledger::{Ledger, named_in};

/// A stored event: which one it is and what the store says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) entry: usize,
    pub(crate) index: usize,
    pub(crate) version: u64,
    pub(crate) commit: i64,
}

/// All events of a store, one list a shard, by position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) shards: Vec<Vec<Row>>,
}

impl Content {
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.shards.iter().flatten()
    }

    pub(crate) fn events(&self) -> usize {
        self.rows().count()
    }

    /// How many events each shard has.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.shards.iter().map(Vec::len).collect()
    }

    /// Reads everything, once by shard and once by aggregate.
    pub(crate) fn read(store: &StoreReader, ledger: &Ledger) -> Result<Self, String> {
        let shards = store.shards();
        let mut content = Self::default();
        let mut keys = HashSet::new();
        for shard in 0..shards {
            let mut rows = Vec::new();
            for event in &store.events().shard(shard) {
                let event = event.map_err(|error| format!("reading shard {shard}: {error}"))?;
                if (event.shard(), event.position()) != (shard, rows.len() as u64) {
                    let at = (event.shard(), event.position());
                    return Err(format!("L2: after {} events comes {at:?}", rows.len()));
                }
                if store.shard_of(event.key()) != shard {
                    return Err(format!("{:?} is in shard {shard}", event.key()));
                }
                if !keys.contains(event.key()) {
                    keys.insert(event.key().to_owned());
                }
                rows.push(row_of(&event.get(), ledger)?);
            }
            content.shards.push(rows);
        }
        content.check_aggregates(store, ledger, &keys)?;
        Ok(content)
    }

    /// Each aggregate read by its key gives the same events as the shards did.
    fn check_aggregates(
        &self,
        store: &StoreReader,
        ledger: &Ledger,
        keys: &HashSet<String>,
    ) -> Result<(), String> {
        let mut events = 0;
        for key in keys {
            let found = store.aggregate(key).events();
            let found = found.map_err(|error| format!("reading {key}: {error}"))?;
            for (index, event) in found.enumerate() {
                let event = event.map_err(|error| format!("reading {key}: {error}"))?;
                let rows = &self.shards[event.shard() as usize];
                let same =
                    rows.get(event.position() as usize) == Some(&row_of(&event.get(), ledger)?);
                if !same || event.version() != index as u64 + 1 || event.key() != key {
                    return Err(format!(
                        "L2: {key} has at place {index} version {} and position {}",
                        event.version(),
                        event.position()
                    ));
                }
                events += 1;
            }
        }
        // A store that is being written to may have more by now.
        if events < self.events() {
            return Err(format!(
                "aggregates hold {events} of {} events",
                self.events()
            ));
        }
        Ok(())
    }
}

/// Which event of the ledger this is; any difference is something invented.
fn row_of(event: &EventRef<'_>, ledger: &Ledger) -> Result<Row, String> {
    let invented = |why: &str| {
        format!(
            "invented: shard {} position {} of {} {why}",
            event.shard, event.position, event.key
        )
    };
    let named = named_in(event.payload).ok_or_else(|| invented("has a foreign payload"))?;
    let entry = ledger
        .entry(named.0)
        .ok_or_else(|| invented("is of no entry"))?;
    let planned = entry
        .events
        .get(named.1)
        .ok_or_else(|| invented("is of no event"))?;
    let same = event.key == planned.key
        && event.event_type == planned.event_type
        && event.payload == planned.payload.as_bytes()
        && event.shape == planned.shape
        && planned.carries(event.metadata)
        && planned.id.is_none_or(|id| id == event.id);
    if !same {
        return Err(invented("is not as it was submitted"));
    }
    let is_aligned = event.payload.as_ptr().addr().is_multiple_of(PAYLOAD_ALIGN);
    if event.shape.is_some() && !is_aligned {
        return Err(invented("can not be read in place"));
    }
    Ok(Row {
        entry: named.0,
        index: named.1,
        version: event.version,
        commit: event.commit_time.as_nanos(),
    })
}
