//! `eventcask view`.

use clap::{Args, Subcommand};
use eventcask::Timestamp;

/// Keyed aggregations over the events, kept up to date as they come in
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  eventcask view create delays --key carrier --agg count --agg max:dep_delay
  eventcask view get delays UA
  eventcask view get delays --all --top 3 --by count")]
pub struct ViewArgs {
    /// What to do with views.
    #[command(subcommand)]
    pub command: ViewCommand,
}

/// What can be done with views.
#[derive(Debug, Subcommand)]
pub enum ViewCommand {
    /// Define a view and bring it up to date
    Create(ViewCreateArgs),
    /// Ask a view for one key, or for all
    Get(ViewGetArgs),
    /// List the views
    #[command(after_help = "\
Example:
  eventcask view list --json")]
    List,
    /// Build a view again from the first event, in parallel
    #[command(after_help = "\
Example:
  eventcask view rebuild delays")]
    Rebuild {
        /// Name of the view
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a view; the events stay
    #[command(after_help = "\
Example:
  eventcask view drop delays")]
    Drop {
        /// Name of the view
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Define a view and bring it up to date
#[derive(Debug, Args)]
#[command(after_help = "\
Missing values are not counted in sum, min, max and mean.

Example:
  eventcask view create delays --key carrier --agg count --agg sum:dep_delay --agg max:dep_delay \\
      --type Flight --window 1h:time_hour")]
pub struct ViewCreateArgs {
    /// Name of the view
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The field of the payload to group by: its name, or a dotted path for nested JSON
    #[arg(long, value_name = "FIELD")]
    pub key: String,
    /// What to keep: count, count:FIELD, sum:FIELD, min:FIELD, max:FIELD or mean:FIELD; may be
    /// repeated
    #[arg(long, value_name = "AGGREGATION", required = true)]
    pub agg: Vec<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Group by windows of time too: WIDTH:FIELD, such as 1h:time_hour
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,
    /// Drop the rows of windows that ended longer ago, by the newest time of an event: such as 30d
    #[arg(long, value_name = "TIME", requires = "window")]
    pub keep: Option<String>,
}

/// Ask a view for one key, or for all
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1: the view has nothing under that key.

Example:
  eventcask view get delays UA
  eventcask view get delays --all --json
  eventcask view get delays --top 5 --by max:dep_delay
  eventcask view get delays UA --as-of-time 2026-02-01T00:00:00Z")]
pub struct ViewGetArgs {
    /// Name of the view
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The key to ask for
    #[arg(value_name = "KEY", required_unless_present_any = ["all", "top"])]
    pub key: Option<String>,
    /// All keys, in their order
    #[arg(long, conflicts_with = "key")]
    pub all: bool,
    /// The first N rows by a value, highest first
    #[arg(long, value_name = "N", conflicts_with = "key", requires = "by")]
    pub top: Option<usize>,
    /// The value to order by, highest first, as it was named with --agg
    #[arg(long, value_name = "AGGREGATION", conflicts_with = "key")]
    pub by: Option<String>,
    /// The view as it was: without the events that were accepted after this time
    #[arg(long, value_name = "T")]
    pub as_of_time: Option<Timestamp>,
    /// The view as it was when each shard ended at this position
    #[arg(long, value_name = "N", conflicts_with = "as_of_time")]
    pub as_of_position: Option<u64>,
}
