//! The targets, from the bytes of a block up to the files that people bring.

pub(crate) mod stage;
mod block;
mod sections;
mod segment;
mod sealed;
mod store;
mod manifest;
mod framed;
mod views;
mod payloads;
mod rows;

pub use block::block;
pub use framed::framed;
pub use manifest::manifest;
pub use payloads::payloads;
pub use rows::{csv, ndjson, packed};
pub use sealed::sealed;
pub use sections::sections;
pub use segment::segment;
pub use store::store;
pub use views::{view_spec, view_state};
