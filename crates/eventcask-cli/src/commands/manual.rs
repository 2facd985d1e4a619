//! `eventcask completions` and `eventcask man`: generated from the definitions of the parser.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Failure, io_reason};
use crate::output::Out;

/// Prints the script that completes commands and options in a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "eventcask", &mut script);
    print(&script)
}

/// Prints the main page, or writes the pages of all commands into a directory.
pub(super) fn pages(dir: Option<&Path>) -> Result<(), Failure> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|error| Failure::writing(&error))?;
        return print(&page);
    };
    let written =
        fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.map_err(|error| {
        Failure::in_file(
            dir,
            &format!("the pages can not be written: {}", io_reason(&error)),
        )
    })
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = Out::new();
    out.write(bytes)?;
    out.flush()
}
