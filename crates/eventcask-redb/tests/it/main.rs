//! Tests of read models in redb through the public face. One domain for all: accounts and
//! transfers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bank;
mod failing_file;

mod exactly_once;
mod identity;
