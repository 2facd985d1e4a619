//! What commands print: events and summaries as JSON, tables and figures for people.
//!
//! JSON is written straight into a reused buffer, without a document in memory.

mod event;
mod json;
mod document;
mod text;
mod quiet;
mod table;
mod units;

pub use document::{Document, Out, print_object};
pub use event::write_event;
pub use json::{Object, write_json_string, write_list, write_problem};
pub use quiet::Quiet;
pub use table::Table;
pub use text::{escaped, tell};
pub use units::{bytes, count, duration};
