//! Tests of the engine through its public face. One domain for all: accounts and transfers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
mod faulty;

mod append;
mod append_set;
mod dedup;
mod dedup_windows;
mod errors;
mod one_id;
mod entries;
mod source;
mod session;
mod tickets;
mod handlers;
mod linger;
mod backpressure;
mod owner;
mod read;
mod rows;
mod scans;
mod subscriptions;
mod streams;
mod consumers;
mod reopen;
mod routing;
mod refuse;
mod ends;
mod side_files;
mod backups;
mod reshard;
mod poison;
mod names;
mod history;
mod given_up;
mod erased;
mod clustered;
mod views;
mod views_again;
mod projections;
mod projections_behind;
mod projections_kept;
mod projections_typed;
mod projections_parked;
mod projections_again;
mod projections_ahead;
mod read_models;
mod feeds;
mod folds;
mod folds_at_once;
mod notices;
mod killed;
mod verify;
mod fixtures;
mod readme;
