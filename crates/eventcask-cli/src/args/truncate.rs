//! `eventcask truncate` and `reclaim`.

use clap::{ArgGroup, Args};
use eventcask::Timestamp;

/// Give up old events: readers do not see them any more
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["before_version", "all", "before"])))]
#[command(after_help = "\
An aggregate keeps its version. To give up its events takes one version more, which is not shown: what is \
appended later goes on after that. What is stored later is never given up: a time that is yet to come \
counts as now, and a version that is yet to come as the next one. Views go without \
them from the next command on; where another process has the store open, once that ends. The room is \
taken back by `eventcask reclaim`.

Exit code 1: the store has no such aggregate.

Example:
  eventcask truncate N14228 --before-version 100 --dry-run
  eventcask truncate N14228 --all
  eventcask truncate --before 2026-01-01T00:00:00Z")]
pub struct TruncateArgs {
    /// Key of the aggregate
    #[arg(
        value_name = "KEY",
        required_unless_present = "before",
        conflicts_with = "before"
    )]
    pub key: Option<String>,
    /// Give up its events before this version
    #[arg(long, value_name = "N", requires = "key")]
    pub before_version: Option<u64>,
    /// Give up all its events
    #[arg(long, requires = "key")]
    pub all: bool,
    /// Give up all events of the store that were accepted before this time
    #[arg(long, value_name = "TIME")]
    pub before: Option<Timestamp>,
    /// Say what would be given up, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Take back the room of events that were given up
#[derive(Debug, Args)]
#[command(after_help = "\
Segments that hold such events are written anew without them, and so is what was derived from them: \
views, snapshots, what groups of consumers have parked. The key of an aggregate that was given up whole \
goes as well. The ids of the events are forgotten with them: a row with such an id is stored again. How \
far files were taken in is not. What recovery or a repair put aside is named.

Example:
  eventcask reclaim --dry-run
  eventcask reclaim --json")]
pub struct ReclaimArgs {
    /// Say what would be taken back, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
