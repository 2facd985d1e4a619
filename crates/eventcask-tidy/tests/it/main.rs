//! Rules about the source, and that the rules find what breaks them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod arrows;
mod circles;
mod sizes;
mod public_api;
mod ratchet;
mod dependencies;
