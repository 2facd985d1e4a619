//! redb, with each transaction synced, and with every hundredth.

use std::path::Path;
use std::sync::Arc;

use eventcask::read_model::{Batches, ModelError};
use eventcask_redb::redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use eventcask_redb::{RedbModel, Tables, upsert};

use super::{Contender, Sizes, changes};

const SIZES: TableDefinition<'_, &str, Sizes> = TableDefinition::new("sizes");

pub(super) struct Synced;

pub(super) struct SyncedSeldom;

pub(super) struct SizesTable;

impl Tables for SizesTable {
    const NAME: &'static str = "sizes";
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &WriteTransaction) -> Result<(), ModelError> {
        transaction.open_table(SIZES)?;
        Ok(())
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), ModelError> {
        let mut sizes = transaction.open_table(SIZES)?;
        Ok(upsert(
            &mut sizes,
            changes(batches),
            |kept, (events, bytes)| {
                let (old_events, old_bytes) = kept.unwrap_or_default();
                (old_events + events, old_bytes + bytes)
            },
        )?)
    }
}

fn open(directory: &Path) -> Arc<Database> {
    Arc::new(Database::create(directory.join("db")).expect("the database opens"))
}

fn sum(directory: &Path) -> Sizes {
    let database = open(directory);
    let sizes = database.begin_read().expect("a reader").open_table(SIZES);
    let sizes = sizes.expect("the table");
    sizes.iter().expect("the rows").fold((0, 0), |sum, row| {
        let (events, bytes) = row.expect("a row").1.value();
        (sum.0 + events, sum.1 + bytes)
    })
}

impl Contender for Synced {
    const NAME: &'static str = "redb";
    type Model = RedbModel<SizesTable>;

    fn model(directory: &Path) -> Self::Model {
        RedbModel::new(open(directory), SizesTable)
    }

    fn sum(directory: &Path) -> Sizes {
        sum(directory)
    }
}

impl Contender for SyncedSeldom {
    const NAME: &'static str = "redb-synced-seldom";
    type Model = RedbModel<SizesTable>;

    fn model(directory: &Path) -> Self::Model {
        RedbModel::new(open(directory), SizesTable).sync_every(100)
    }

    fn sum(directory: &Path) -> Sizes {
        sum(directory)
    }
}
