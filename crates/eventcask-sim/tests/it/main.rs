//! The promises of the store, attacked one by one; each test carries the name of its promise.
#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod bank;
mod durability;
mod disk_faults;
mod logic;
mod linearizable;
mod planted;
mod regressions;
mod trials;
mod copies;
mod retention;
mod erasure;
mod subscriptions;
mod folds;
mod read_models;
mod projections;
