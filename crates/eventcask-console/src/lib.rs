//! How a command speaks to the person or script that gave it.
//!
//! This crate has one job: what all commands print, how they end, and that they can be stopped.
//! Its main types are [`output::Out`], standard output, and [`failure::Failure`], why a command
//! ended and with which exit code. Its neighbours are `eventcask`, whose errors it tells, and
//! `eventcask-cli` and `eventcask-load`, which are the commands. It never opens a store.
//!
//! ```
//! use eventcask_console::output::{count, escaped};
//! assert_eq!(count(334_264), "334,264");
//! assert_eq!(escaped("\u{1b}[2J"), r"\u{1b}[2J");
//! ```

pub mod failure;
pub mod signals;
pub mod output;
