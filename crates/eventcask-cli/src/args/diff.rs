//! `eventcask diff`.

use clap::Args;
use eventcask::AsOf;
use eventcask::event::Invalid;

/// What changed in an aggregate between two moments, and which events did it
#[derive(Debug, Args)]
#[command(after_help = "\
A moment is a version, such as 12, a time, such as 2026-02-01T00:00:00Z, or a position of the \
aggregate's shard, such as position:40312. The state of an aggregate is what its JSON payloads say, \
field by field; where several say something of a field, the newest counts.

Exit code 1: the store has no such aggregate.

Example:
  eventcask diff N14228 --from 3 --to 7
  eventcask diff N14228 --from 2026-02-01T00:00:00Z --json")]
pub struct DiffArgs {
    /// Key of the aggregate
    #[arg(value_name = "KEY")]
    pub key: String,
    /// The moment before: version 0 is before the first event
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub from: AsOf,
    /// The moment after; now, unless it is said
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub to: Option<AsOf>,
}

fn moment(text: &str) -> Result<AsOf, String> {
    if let Some(position) = text.strip_prefix("position:") {
        let wrong = |_| "a number is expected after \"position:\"".to_owned();
        return position.parse().map(AsOf::Position).map_err(wrong);
    }
    if let Ok(version) = text.parse() {
        return Ok(AsOf::Version(version));
    }
    let wrong = |invalid: Invalid| format!("{invalid}; a version or position:N will do as well");
    text.parse().map(AsOf::Time).map_err(wrong)
}
