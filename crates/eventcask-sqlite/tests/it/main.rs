//! Tests of read models in SQLite through the public face. One domain for all: accounts and
//! transfers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bank;

mod upserts;
mod exactly_once;
mod identity;
