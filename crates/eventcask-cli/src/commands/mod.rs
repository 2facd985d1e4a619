//! One file a command: from arguments to what is printed.

mod store;
mod append;
mod ingest;
mod load;
mod read;
mod diff;
mod export;
mod tail;
mod view;
mod subscriptions;
mod stats;
mod verify;
mod repair;
mod copied;
mod backup;
mod reshard;
mod truncate;
mod reclaim;
mod inspect;
mod manual;

use crate::args::{Cli, Command};
use crate::failure::Failure;

/// Does what the command line says.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Ingest(args) => ingest::run(&args, &global),
        Command::Append(args) => append::run(&args, &global),
        Command::Load(args) => load::run(&args, &global),
        Command::Read(args) => read::run(&args, &global),
        Command::Diff(args) => diff::run(&args, &global),
        Command::Export(args) => export::run(&args, &global),
        Command::Tail(args) => tail::run(&args, &global),
        Command::View(args) => view::run(args.command, &global),
        Command::Subscriptions(args) => subscriptions::run(args.command, &global),
        Command::Stats => stats::run(&global),
        Command::Verify => verify::run(&global),
        Command::Repair => repair::run(&global),
        Command::Backup(args) => backup::run(&args, &global),
        Command::Reshard(args) => reshard::run(&args, &global),
        Command::Truncate(args) => truncate::run(&args, &global),
        Command::Reclaim(args) => reclaim::run(&args, &global),
        Command::Seal { clustered } => reclaim::seal(clustered, &global),
        Command::Inspect { file } => inspect::run(&file, &global),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::pages(dir.as_deref()),
    }
}
