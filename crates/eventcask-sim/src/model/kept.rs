//! What the database of a read model holds.

use eventcask::read_model::{ModelIdentity, ModelProgress};

use crate::model::content::{Content, Row};

/// What a database holds after a transaction.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    pub(crate) identity: Option<ModelIdentity>,
    /// The events of each shard, in the order in which they came.
    pub(crate) rows: Vec<Vec<Row>>,
    pub(crate) progress: Vec<ModelProgress>,
}

impl Kept {
    /// The version of the code that filled it.
    pub(crate) fn version(&self) -> u32 {
        self.identity.map_or(1, |identity| identity.version)
    }

    /// Whether the store has the history that it was filled from.
    pub(crate) fn fits(&self, content: &Content) -> bool {
        self.progress.iter().all(|progress| {
            let rows = &content.shards[progress.shard as usize];
            let last = progress.position.checked_sub(1);
            last.is_none_or(|last| {
                let row = rows.get(last as usize);
                row.is_some_and(|row| row.commit == progress.commit_time.as_nanos())
            })
        })
    }

    pub(crate) fn position(&self, shard: u32) -> u64 {
        let progress = self.progress.iter().find(|one| one.shard == shard);
        progress.map_or(0, |one| one.position)
    }

    pub(crate) fn rows_of(&mut self, shard: u32) -> &mut Vec<Row> {
        let shards = self.rows.len().max(shard as usize + 1);
        self.rows.resize(shards, Vec::new());
        &mut self.rows[shard as usize]
    }
}
