//! Many keys at once, each made or merged into the one that is there.

use std::borrow::Borrow;

use redb::{Key, ReadableTable, StorageError, Table, Value};

/// Merges changes into the values of a table: `merge` makes the new value of what is there, if
/// anything is, and of the change.
///
/// Keys are written in their order, so that what belongs to one page of the table is written
/// together. Each key should come once: what changes one key is best added up before.
///
/// ```
/// use eventcask_redb::redb::{Database, ReadableDatabase, TableDefinition, backends::InMemoryBackend};
/// use eventcask_redb::upsert;
///
/// const DAYS: TableDefinition<&str, u64> = TableDefinition::new("days");
/// let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
/// let transaction = database.begin_write()?;
/// let mut days = transaction.open_table(DAYS)?;
/// upsert(&mut days, [("01-02", 3), ("01-01", 1)], |kept, change| kept.unwrap_or(0) + change)?;
/// upsert(&mut days, [("01-01", 2)], |kept, change| kept.unwrap_or(0) + change)?;
/// drop(days);
/// transaction.commit()?;
/// let days = database.begin_read()?.open_table(DAYS)?;
/// assert_eq!(days.get("01-01")?.map(|flights| flights.value()), Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What redb says.
pub fn upsert<'k, K, V, C, N>(
    table: &mut Table<'_, K, V>,
    changes: impl IntoIterator<Item = (K::SelfType<'k>, C)>,
    mut merge: impl FnMut(Option<V::SelfType<'_>>, C) -> N,
) -> Result<(), StorageError>
where
    K: Key + 'static,
    K::SelfType<'k>: Ord,
    V: Value + 'static,
    N: for<'v> Borrow<V::SelfType<'v>>,
{
    let mut changes: Vec<_> = changes.into_iter().collect();
    changes.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (key, change) in changes {
        let merged = {
            let kept = table.get(&key)?;
            merge(kept.as_ref().map(redb::AccessGuard::value), change)
        };
        table.insert(&key, merged.borrow())?;
    }
    Ok(())
}
