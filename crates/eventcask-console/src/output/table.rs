//! Tables for people.

use std::fmt;

use super::text::escaped;

/// Rows of cells under a header, numbers to the right.
///
/// ```
/// use eventcask_console::output::Table;
/// let mut table = Table::new(&["carrier", ">flights"]);
/// table.row(["UA".into(), "58,665".into()]);
/// assert_eq!(table.to_string(), "carrier  flights\nUA        58,665\n");
/// ```
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    name: String,
    to_the_right: bool,
    width: usize,
}

impl Table {
    /// A table with these columns; a `>` before a name sets its cells to the right.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        let column = |name: &&str| {
            let bare = name.strip_prefix('>');
            let shown = escaped(bare.unwrap_or(name)).into_owned();
            Column {
                to_the_right: bare.is_some(),
                width: shown.chars().count(),
                name: shown,
            }
        };
        Self {
            columns: names.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; what is more than the columns is left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells
            .into_iter()
            .map(|cell| escaped(&cell).into_owned())
            .collect();
        for (column, cell) in self.columns.iter_mut().zip(&cells) {
            column.width = column.width.max(cell.chars().count());
        }
        self.rows.push(cells);
    }

    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        cells: &mut dyn Iterator<Item = &str>,
    ) -> fmt::Result {
        let mut line = String::new();
        for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let (gap, width) = (if at == 0 { "" } else { "  " }, column.width);
            line += &match column.to_the_right {
                true => format!("{gap}{cell:>width$}"),
                false => format!("{gap}{cell:<width$}"),
            };
        }
        writeln!(f, "{}", line.trim_end())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(
            f,
            &mut self.columns.iter().map(|column| column.name.as_str()),
        )?;
        for row in &self.rows {
            self.write(f, &mut row.iter().map(String::as_str))?;
        }
        Ok(())
    }
}
