//! The `eventcask` command line.
//!
//! This crate has one job: to let people and scripts use a store without writing Rust. Its
//! main function is [`main`]; [`input`] reads files of rows, `eventcask-console` prints, and the
//! commands between them use nothing but the public face of `eventcask`. `eventcask-load` is a
//! command with a crate of its own. It never touches a store's files itself.
//!
//! ```
//! use eventcask_cli::input::{Next, RowSpec, Rows};
//! let file = br#"{"tail":"N14228","delay":2}"#;
//! let mut rows = Rows::of_stream("flights.ndjson", Box::new(&file[..]), RowSpec::new("tail"))?;
//! assert!(matches!(rows.next()?, Some(Next::Row(row)) if row.key == "N14228"));
//! # Ok::<(), eventcask_cli::failure::Failure>(())
//! ```

pub mod args;
mod commands;
pub mod input;
mod progress;
mod usage;

use std::process::ExitCode;

use clap::Parser as _;
use eventcask_console::signals;
pub use eventcask_console::{failure, output};

pub use usage::one_sentence;

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(mut cli) => end(cli.global.name_store().and_then(|()| commands::run(cli))),
        Err(error) if error.use_stderr() => end(Err(failure::Failure::Input(one_sentence(&error)))),
        Err(help) => end(usage::print_help(&help)),
    }
}

fn end(result: Result<(), failure::Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    let code = failure.exit_code();
    if code != 0 {
        output::tell(&failure.to_string());
    }
    ExitCode::from(code)
}
