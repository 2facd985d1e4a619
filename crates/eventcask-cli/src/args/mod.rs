//! The command line: from these definitions come the parser, the help, the shell completions
//! and the manual pages.

mod named;
mod append;
mod ingest;
mod read;
mod view;
mod subscriptions;
mod backup;
mod reshard;
mod truncate;
mod diff;

use std::env;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueHint};

use crate::failure::Failure;

pub use append::AppendArgs;
pub use backup::BackupArgs;
pub use diff::DiffArgs;
use eventcask_load::args::LoadArgs;
pub use ingest::{IngestArgs, OnError};
pub use named::Named;
pub use read::{ExportArgs, ReadArgs, TailArgs, type_names};
pub use reshard::ReshardArgs;
pub use subscriptions::{RedriveArgs, SubscriptionsArgs, SubscriptionsCommand};
pub use truncate::{ReclaimArgs, TruncateArgs};
pub use view::{ViewArgs, ViewCommand, ViewCreateArgs, ViewGetArgs};

/// An embedded event store and stream processor.
///
/// Facts go in, are kept for ever and once only, and become state that can be asked at once,
/// at any past moment, and rebuilt at will.
#[derive(Debug, Parser)]
#[command(
    name = "eventcask",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "\
Example:
  eventcask ingest flights.csv.zst --aggregate tailnum --time time_hour --null NA --on-error skip
  eventcask view create delays --key carrier --agg count --agg max:dep_delay
  eventcask view get delays --all

Exit codes: 0 done; 1 done, and the answer is no; 2 bad usage or bad input; 3 engine or disk error.")]
pub struct Cli {
    /// What all commands take.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The directory of the store, where none is named.
pub const STORE: &str = "./eventcask";

/// The variable that names another one.
const STORE_VARIABLE: &str = "EVENTCASK_STORE";

impl Global {
    /// A variable that is set to nothing is one that is not set; an option is given for a reason.
    pub(crate) fn name_store(&mut self) -> Result<(), Failure> {
        if !self.store.as_os_str().is_empty() {
            return Ok(());
        }
        if env::var_os(STORE_VARIABLE).is_some_and(|value| value.is_empty()) {
            self.store = STORE.into();
            return Ok(());
        }
        let what = "--store is empty; name a directory, or leave it out";
        Err(Failure::Input(what.to_owned()))
    }
}

/// What all commands take.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Directory of the store
    #[arg(long, global = true, value_name = "DIR", env = STORE_VARIABLE)]
    #[arg(default_value = STORE, hide_env_values = true, value_hint = ValueHint::DirPath)]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub store: PathBuf,
    /// Print one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Append the rows of files as events, each row exactly once
    Ingest(Box<IngestArgs>),
    /// Append one event
    Append(AppendArgs),
    /// Make load and measure what the store does with it
    Load(Box<LoadArgs>),
    /// Print one aggregate's events in order, one JSON object a line
    Read(ReadArgs),
    /// What changed in an aggregate between two moments, and which events did it
    Diff(DiffArgs),
    /// Print all events in the order they were accepted, one JSON object a line
    Export(ExportArgs),
    /// Follow the live end of a store that another process may be writing
    Tail(TailArgs),
    /// Keyed aggregations over the events, kept up to date as they come in
    View(ViewArgs),
    /// Named subscriptions: how far they are, and what is parked in them
    Subscriptions(SubscriptionsArgs),
    /// What a store holds: shards, events, aggregates, bytes, views and how far they are
    #[command(after_help = "\
Example:
  eventcask stats --store flights
  eventcask stats --store flights --json")]
    Stats,
    /// Read everything and check it; says what is wrong and where
    #[command(after_help = "\
Exit code 0: all is well. 1: something is damaged, and it is said what and where.

Example:
  eventcask verify --store flights")]
    Verify,
    /// Keep all that is whole of a damaged store, and say what was given up
    #[command(after_help = "\
Run it after `eventcask verify` said no; a store that is whole is left alone. Damaged files are kept \
beside those that take their place.

Exit code 0: the store is whole now. 1: something is still wrong, and it is said what and where.

Example:
  eventcask repair --store flights")]
    Repair,
    /// Copy a store into a directory of its own, also while another process writes to it
    Backup(BackupArgs),
    /// Write a store anew into a directory of its own, with other shards
    Reshard(ReshardArgs),
    /// Give up old events: readers do not see them any more
    Truncate(TruncateArgs),
    /// Take back the room of events that were given up
    Reclaim(ReclaimArgs),
    /// Seal all complete segments now: smaller, and faster to open
    #[command(after_help = "\
It is done in the background as well, whenever a store is open for writing.

Example:
  eventcask seal --store flights
  eventcask seal --store flights --clustered")]
    Seal {
        /// Keep the events once more, those of an aggregate side by side: single aggregates load
        /// faster, and segments take about twice the disk space. Also segments that were sealed
        /// without are sealed anew
        #[arg(long)]
        clustered: bool,
    },
    /// Decode one segment or manifest
    #[command(after_help = "\
Exit code 1: the file is damaged; what comes before the damage is shown.

Example:
  eventcask inspect flights/MANIFEST
  eventcask inspect flights/shards/0000/0000000001.segment --json")]
    Inspect {
        /// The file to decode
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a script that completes commands and options in a shell
    #[command(after_help = "\
Example:
  eventcask completions bash > ~/.local/share/bash-completion/completions/eventcask")]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands
    #[command(after_help = "\
Example:
  eventcask man | man -l -
  eventcask man --dir ~/.local/share/man/man1")]
    Man {
        /// Write a page for each command into this directory, which is made if it is not there
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}
