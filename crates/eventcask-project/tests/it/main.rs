//! Tests of views through the public face of the crate.
#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod support;
mod spec;
mod grouping;
mod numbers;
mod windows;
mod cuts;
mod bytes;
mod random;
mod keyed;
mod snapshot;
