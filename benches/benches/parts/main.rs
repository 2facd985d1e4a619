//! The parts of the path, one by one, in the order in which an event walks through them.

mod routing;
mod producer;
mod queue;
mod dedup;
mod table;
mod directory;
mod block;
mod projection;

use criterion::{criterion_group, criterion_main};

/// Events of one block: about 256 KiB.
const EVENTS: usize = 1800;
/// Rows that the engine looks ahead when it asks for memory.
const ROWS_AHEAD: usize = 64;

criterion_group!(
    parts,
    routing::benches,
    producer::benches,
    queue::benches,
    dedup::benches,
    table::benches,
    directory::benches,
    block::benches,
    projection::benches
);
criterion_main!(parts);

/// The chunk of rows behind the one with this number; none behind the last.
fn next<T>(rows: &[T], number: usize) -> &[T] {
    let from = rows.len().min((number + 1) * ROWS_AHEAD);
    &rows[from..rows.len().min(from + ROWS_AHEAD)]
}
