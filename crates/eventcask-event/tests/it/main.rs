//! Tests of the event crate through its public face.
#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod routing;
mod ids;
mod times;
mod limits;
mod batches;
mod columns;
