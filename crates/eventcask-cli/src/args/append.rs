//! `eventcask append`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NotEmpty;
use eventcask::{Expected, RouteBy, Timestamp};

use super::named::{Named, named};

/// Append one event
#[derive(Debug, Args)]
#[command(after_help = "\
The store is made if it is not there. With --id the same command can be run again: the event is \
stored once.

Exit code 1: the aggregate is not as --expect says, or the id belongs to an event with other \
content; nothing was stored.

Example:
  eventcask append account-42 Opened '{\"owner\":\"Ada\"}' --expect none
  echo '{\"cents\":500}' | eventcask append account-42 Deposited - --id transfer-7
  eventcask append account-42 Closed '{}' --expect 2 --time 2026-02-01T00:00:00Z")]
pub struct AppendArgs {
    /// Key of the aggregate
    #[arg(value_name = "KEY", value_parser = NotEmpty::new())]
    pub key: String,
    /// Type of the event
    #[arg(value_name = "TYPE", value_parser = NotEmpty::new())]
    pub event_type: String,
    /// What happened, as JSON; - reads it from standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub payload: String,
    /// The event's id: a UUID is taken as it is, any other text becomes one, as with ingest
    #[arg(long, value_name = "ID", value_parser = NotEmpty::new())]
    pub id: Option<String>,
    /// What the aggregate has to be like: any, none (it has no event yet), exists (it has), or its
    /// version
    #[arg(long, value_name = "WHAT", default_value = "any", value_parser = expected)]
    pub expect: Expected,
    /// When it happened: RFC 3339, or s, ms, us or ns since 1970
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub time: Option<Timestamp>,
    /// The conversation that the event belongs to: a UUID, or any other text, as with --id
    #[arg(long, value_name = "ID", value_parser = NotEmpty::new())]
    pub correlation: Option<String>,
    /// What caused the event: the id of another one, as with --id
    #[arg(long, value_name = "ID", value_parser = NotEmpty::new())]
    pub causation: Option<String>,
    /// A header, kept beside the payload; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = named, visible_alias = "meta")]
    pub header: Vec<Named>,
    /// A tag by which the event is found; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub tag: Vec<Named>,
    /// By what a new store finds the shard of an aggregate: key (its whole key), or category (the
    /// key up to its first -, so that a type or tenant has one shard) [default: key]
    #[arg(long, value_name = "WHAT")]
    pub route_by: Option<RouteBy>,
}

fn expected(text: &str) -> Result<Expected, String> {
    match (text, text.parse()) {
        ("any", _) => Ok(Expected::Any),
        ("none", _) | (_, Ok(0)) => Ok(Expected::NoStream),
        ("exists", _) => Ok(Expected::Exists),
        (_, Ok(version)) => Ok(Expected::Exact(version)),
        _ => Err("any, none, exists or a version is expected".to_owned()),
    }
}
