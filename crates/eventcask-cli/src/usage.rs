//! What is said to a command line that does not parse.

use clap::error::ErrorKind;

use crate::failure::Failure;
use crate::output::Out;

/// What is wrong with a command line, in one sentence.
#[must_use]
pub fn one_sentence(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing; `eventcask --help` lists them".to_owned();
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let said = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = said.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let mut sentence = said.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    sentence.push_str("; `eventcask --help` and `eventcask COMMAND --help` say what is possible");
    sentence
}

/// Prints what was asked for by `--help` or `--version`.
pub(crate) fn print_help(help: &clap::Error) -> Result<(), Failure> {
    help.print().map_err(|error| Failure::writing(&error))?;
    Out::new().flush()
}
