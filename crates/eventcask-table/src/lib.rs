//! Hash tables in memory whose probes can be prefetched.
//!
//! This crate has one job: to answer "where is the one with this hash?" for tables that are
//! larger than any cache, many questions at a time. Its main type is [`IndexTable`], from hashes
//! to the numbers of entries that someone else holds; [`SmallTable`] is the same for up to 65,536
//! of them in half the room. Its neighbours are the crates that hold the entries:
//! `eventcask-shard` (aggregates, ids), `eventcask-project` (keyed state) and `eventcask-log`
//! (aggregates of a segment). It never hashes,
//! never sees a key, and never decides whether two are the same.
//!
//! A probe of a large table waits for memory, 70 to 100 ns; with the lines of 64 probes asked for
//! beforehand it is 25 ns. No safe function of the standard library asks for a line, so this crate
//! has the engine's only `unsafe` blocks, in `processor.rs`.
//!
//! ```
//! use eventcask_table::IndexTable;
//!
//! let names = ["ann", "bob"];
//! let hash = |name: &str| (name.len() as u64) << 32; // a poor one: equality decides
//! let mut table = IndexTable::default();
//! table.insert(hash("ann"), 0);
//! table.insert(hash("bob"), 1);
//! table.prefetch(hash("bob"));
//! assert_eq!(table.find(hash("bob"), |index| names[index as usize] == "bob"), Some(1));
//! assert_eq!(table.find(hash("eve"), |index| names[index as usize] == "eve"), None);
//! ```

mod processor;
mod lanes;
mod index_table;
mod small_table;

pub use index_table::IndexTable;
pub use processor::prefetch;
pub use small_table::SmallTable;
