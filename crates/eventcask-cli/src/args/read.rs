//! `eventcask read`, `export` and `tail`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NotEmpty;
use eventcask::Timestamp;

use super::named::{Named, named};

/// Print one aggregate's events in order, one JSON object a line
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1: the store has no such aggregate. With --json the events are one array.

Example:
  eventcask read N14228 --last 3
  eventcask read N14228 --as-of-time 2026-02-01T00:00:00Z")]
pub struct ReadArgs {
    /// Key of the aggregate
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Leave out the events after this version
    #[arg(long, value_name = "N", conflicts_with_all = ["as_of_time", "as_of_position"])]
    pub as_of_version: Option<u64>,
    /// Leave out the events after this position of the aggregate's shard
    #[arg(long, value_name = "N", conflicts_with = "as_of_time")]
    pub as_of_position: Option<u64>,
    /// Leave out the events that were accepted after this time
    #[arg(long, value_name = "T")]
    pub as_of_time: Option<Timestamp>,
    /// Begin with this version
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// Print the last N of what is left
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
}

/// Print all events in the order they were accepted, one JSON object a line
#[derive(Debug, Args)]
#[command(after_help = "\
With --json the events are one array.

Example:
  eventcask export --store flights > flights.ndjson
  eventcask export --shard 3 --from 120000
  eventcask export --types Flight,Cancellation --since 2026-01-01T00:00:00Z")]
pub struct ExportArgs {
    /// Only this shard, in the order of its positions
    #[arg(long, value_name = "N")]
    pub shard: Option<u32>,
    /// Begin with this position of each shard
    #[arg(long, value_name = "POSITION")]
    pub from: Option<u64>,
    /// Only events of these types; may be repeated. A comma that is part of a name is written \,
    #[arg(long, value_name = "TYPE,...")]
    pub types: Vec<String>,
    /// Only events of this conversation: a UUID, or the text that became one
    #[arg(long, value_name = "ID", value_parser = NotEmpty::new())]
    pub correlation: Option<String>,
    /// Only events with this tag; of several all must be there
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub tag: Vec<Named>,
    /// Only events that were accepted at this time or later
    #[arg(long, value_name = "T")]
    pub since: Option<Timestamp>,
    /// Only events that were accepted at this time or earlier
    #[arg(long, value_name = "T")]
    pub until: Option<Timestamp>,
}

/// Follow the live end of a store that another process may be writing
#[derive(Debug, Args)]
#[command(after_help = "\
Prints each event that comes in, one JSON object a line, until Ctrl-C.

Example:
  eventcask tail --store flights --types Flight")]
pub struct TailArgs {
    /// Begin with the first event instead of the next one
    #[arg(long)]
    pub from_start: bool,
    /// Only this shard
    #[arg(long, value_name = "N")]
    pub shard: Option<u32>,
    /// Only events of these types; may be repeated. A comma that is part of a name is written \,
    #[arg(long, value_name = "TYPE,...")]
    pub types: Vec<String>,
    /// Only events of this conversation: a UUID, or the text that became one
    #[arg(long, value_name = "ID", value_parser = NotEmpty::new())]
    pub correlation: Option<String>,
    /// Only events with this tag; of several all must be there
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub tag: Vec<Named>,
}

/// The names in lists of types with commas between them. A list that is a name as a whole counts as
/// that too, and a comma after a backslash is always part of a name.
///
/// ```
/// use eventcask_cli::args::type_names;
/// let names = type_names(&["Sold,Returned".into(), r"a\,b".into()]);
/// assert_eq!(names, ["Sold", "Returned", "Sold,Returned", "a,b"]);
/// ```
#[must_use]
pub fn type_names(lists: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for list in lists {
        let first = names.len();
        names.push(String::new());
        let mut characters = list.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, names.last_mut()) {
                (',', _) => names.push(String::new()),
                ('\\', Some(name)) => name.push(characters.next_if_eq(&',').unwrap_or('\\')),
                (other, Some(name)) => name.push(other),
                (_, None) => {}
            }
        }
        if names.len() > first + 1 {
            names.push(list.clone());
        }
    }
    names
}
