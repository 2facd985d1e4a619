//! Typed events, through the public face.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;
mod archives;
mod encoding;
mod json;
mod reads;
mod projections;
mod schemas;
mod upcast;
mod bank;
mod decisions;
mod conflicts;
mod repeats;
mod decided_states;
mod testing_kit;
mod whole_events;
