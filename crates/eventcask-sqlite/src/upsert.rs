//! Many rows by one statement, each made or merged into the one that is there.

use std::sync::OnceLock;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params_from_iter};

/// Rows of one statement; what is left over goes into smaller ones.
const STATEMENT_ROWS: [usize; 3] = [64, 8, 1];
/// Columns of a table that can be written: of the largest statement no more parameters come about
/// than SQLite takes, 32,766.
const MAX_COLUMNS: usize = 500;

/// Writes rows into a table of SQLite: a row whose key is not there yet is made, otherwise it is
/// merged into the one that is, column by column.
///
/// The key columns must be the primary key of the table or unique in it.
///
/// ```
/// use eventcask_sqlite::{Upsert, rusqlite::Connection};
///
/// let database = Connection::open_in_memory()?;
/// database.execute_batch("CREATE TABLE days (day TEXT PRIMARY KEY, flights INTEGER, last TEXT)")?;
/// let days = Upsert::into("days").key("day").sum("flights").replace("last");
/// let mut rows = days.rows();
/// rows.push(["01-01".into(), 1_i64.into(), "UA".into()]);
/// rows.push(["01-01".into(), 2_i64.into(), "AA".into()]);
/// rows.write(&database)?;
///
/// let query = "SELECT flights, last FROM days";
/// let row = database.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
/// assert_eq!(row, (3_i64, "AA".to_owned()));
/// # Ok::<(), rusqlite::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Upsert {
    table: String,
    columns: Vec<(String, Merge)>,
    /// The statements, by falling numbers of rows.
    statements: OnceLock<Vec<(usize, String)>>,
}

/// What becomes of a column of a row that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    Key,
    Sum,
    Replace,
    Min,
    Max,
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Upsert {
    /// Rows of this table; its columns follow, in the order of the values.
    pub fn into(table: &str) -> Self {
        Self {
            table: quoted(table),
            columns: Vec::new(),
            statements: OnceLock::new(),
        }
    }

    /// A column of the key.
    pub fn key(self, column: &str) -> Self {
        self.column(column, Merge::Key)
    }

    /// A number that is added to the one that is there.
    pub fn sum(self, column: &str) -> Self {
        self.column(column, Merge::Sum)
    }

    /// A value that takes the place of the one that is there.
    pub fn replace(self, column: &str) -> Self {
        self.column(column, Merge::Replace)
    }

    /// A value of which the smallest is kept.
    pub fn min(self, column: &str) -> Self {
        self.column(column, Merge::Min)
    }

    /// A value of which the largest is kept.
    pub fn max(self, column: &str) -> Self {
        self.column(column, Merge::Max)
    }

    fn column(mut self, column: &str, merge: Merge) -> Self {
        assert!(
            self.columns.len() < MAX_COLUMNS,
            "an upsert writes {MAX_COLUMNS} columns at most"
        );
        self.columns.push((quoted(column), merge));
        self.statements = OnceLock::new();
        self
    }

    /// Rows to be written, none yet.
    #[must_use]
    pub fn rows<'v>(&self) -> Rows<'_, 'v> {
        Rows {
            upsert: self,
            values: Vec::new(),
        }
    }

    fn statements(&self) -> &[(usize, String)] {
        let statement = |rows| (rows, self.statement(rows));
        self.statements
            .get_or_init(|| STATEMENT_ROWS.map(statement).into())
    }

    fn statement(&self, rows: usize) -> String {
        let names = |columns: &mut dyn Iterator<Item = &(String, Merge)>| {
            let names: Vec<&str> = columns.map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        };
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let merged: Vec<String> = self
            .columns
            .iter()
            .filter_map(|(name, merge)| merge.sql(name))
            .collect();
        let merged = match merged.is_empty() {
            true => "NOTHING".to_owned(),
            false => format!("UPDATE SET {}", merged.join(", ")),
        };
        format!(
            "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO {merged}",
            self.table,
            names(&mut self.columns.iter()),
            vec![row; rows].join(", "),
            names(
                &mut self
                    .columns
                    .iter()
                    .filter(|(_, merge)| *merge == Merge::Key)
            ),
        )
    }
}

impl Merge {
    fn sql(self, name: &str) -> Option<String> {
        match self {
            Self::Key => None,
            Self::Sum => Some(format!("{name} = {name} + excluded.{name}")),
            Self::Replace => Some(format!("{name} = excluded.{name}")),
            Self::Min => Some(format!("{name} = min({name}, excluded.{name})")),
            Self::Max => Some(format!("{name} = max({name}, excluded.{name})")),
        }
    }
}

/// Rows to be written by an [`Upsert`]; texts and bytes may borrow from the events.
#[derive(Debug)]
pub struct Rows<'u, 'v> {
    upsert: &'u Upsert,
    values: Vec<ToSqlOutput<'v>>,
}

impl<'v> Rows<'_, 'v> {
    /// Adds a row, with a value for each column.
    ///
    /// # Panics
    /// Where the row has another number of values than the [`Upsert`] has columns.
    pub fn push<const N: usize>(&mut self, row: [ToSqlOutput<'v>; N]) {
        let columns = self.upsert.columns.len();
        assert_eq!(N, columns, "a row has a value for each column");
        self.values.extend(row);
    }

    /// Writes the rows, in their order.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn write(self, transaction: &Connection) -> rusqlite::Result<()> {
        let mut left = &self.values[..];
        for (rows, sql) in self.upsert.statements() {
            let values = rows * self.upsert.columns.len();
            if values == 0 || left.len() < values {
                continue;
            }
            let mut statement = transaction.prepare_cached(sql)?;
            while let Some((now, later)) = left.split_at_checked(values) {
                statement.execute(params_from_iter(now))?;
                left = later;
            }
        }
        Ok(())
    }
}
