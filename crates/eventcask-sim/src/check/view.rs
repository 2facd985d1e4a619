//! A view of all accounts, and what it must say.

use std::collections::BTreeMap;

use eventcask::StoreReader;

use crate::model::content::Content;
use crate::model::ledger::Ledger;

pub(crate) const VIEW: &str = "balances";

/// The view's rows are what the content adds up to.
pub(crate) fn check(
    store: &StoreReader,
    content: &Content,
    ledger: &Ledger,
    must_be: bool,
) -> Result<(), String> {
    let view = match store.view(VIEW) {
        Ok(view) => view,
        Err(_) if !must_be => return Ok(()),
        Err(error) => return Err(format!("L5: {error}")),
    };
    let mut sums: BTreeMap<String, (u64, i64)> = BTreeMap::new();
    for row in content.rows() {
        let entry = ledger.entry(row.entry).ok_or("an unknown entry")?;
        let event = &entry.events[row.index];
        if event.shape.is_some() {
            // The view takes in JSON text only.
            continue;
        }
        let sum = sums.entry(event.key.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + event.cents);
    }
    let rows = view.rows().map_err(|error| format!("L5: {error}"))?;
    let number = |row: &eventcask::view::ViewRow, name: &str| {
        let value = row.value(name).and_then(eventcask::view::Value::number);
        value.map_or(String::new(), |number| number.to_string())
    };
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.key.clone(),
                number(row, "count"),
                number(row, "sum:cents"),
            )
        })
        .collect();
    let wanted: Vec<_> = sums
        .into_iter()
        .map(|(key, (count, sum))| (key, count.to_string(), sum.to_string()))
        .collect();
    if found != wanted {
        return Err(format!(
            "L5: the view has {found:?}, the events give {wanted:?}"
        ));
    }
    Ok(())
}
