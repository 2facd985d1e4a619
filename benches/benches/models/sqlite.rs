//! SQLite, as `SqliteModel::open` sets it.

use std::path::Path;

use eventcask::read_model::{Batches, ModelError};
use eventcask_sqlite::rusqlite::{Connection, Row, Transaction};
use eventcask_sqlite::{SqliteModel, Tables, Upsert};

use super::{Contender, Sizes, changes};

pub(super) struct Normal;

pub(super) struct SizesTable(Upsert);

impl Tables for SizesTable {
    const NAME: &'static str = "sizes";
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &Transaction<'_>) -> Result<(), ModelError> {
        Ok(transaction.execute_batch(
            "CREATE TABLE sizes (key TEXT PRIMARY KEY, events INTEGER, bytes INTEGER) WITHOUT ROWID",
        )?)
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), ModelError> {
        let mut rows = self.0.rows();
        for (key, (events, bytes)) in changes(batches) {
            let (events, bytes) = (events.cast_signed(), bytes.cast_signed());
            rows.push([key.into(), events.into(), bytes.into()]);
        }
        Ok(rows.write(transaction)?)
    }
}

impl Contender for Normal {
    const NAME: &'static str = "sqlite";
    type Model = SqliteModel<SizesTable>;

    fn model(directory: &Path) -> Self::Model {
        let upsert = Upsert::into("sizes").key("key").sum("events").sum("bytes");
        SqliteModel::open(directory.join("db"), SizesTable(upsert)).expect("the database opens")
    }

    fn sum(directory: &Path) -> Sizes {
        let database = Connection::open(directory.join("db")).expect("the database opens");
        let query = "SELECT sum(events), sum(bytes) FROM sizes";
        let number = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let sum = database.query_row(query, [], |row| Ok((number(row, 0)?, number(row, 1)?)));
        sum.expect("the sum")
    }
}
