//! `eventcask ingest`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NotEmpty;
use eventcask::{Codec, Durability, RouteBy};

use super::named::{Named, named};
use crate::input::{CarriedFrom, Format, RowSpec, TypeFrom};

/// Append the rows of files as events, each row exactly once
#[derive(Debug, Args)]
#[command(after_help = "\
Rows are CSV under a header line or one JSON object a line, plain or packed with gzip or zstd, by \
the name of the file or its content. A row's payload is its JSON text as it stands; of a CSV row \
it is an object of its columns in order. CSV rows may end with a carriage return alone; lines are \
counted by line feeds, so all rows of such a file are said to be in line 1.

Without --id the place of a row in its file is its identity, so the same command can be run \
again, also after it was killed: rows that are stored are counted as duplicates. A file that was \
replaced by another one is refused. The last row of a plain CSV file waits until its line has an \
end: until then there may be more of it. To take a file in once more, with another --aggregate for example, give it another name with --source.

Example:
  eventcask ingest flights-2013.csv.zst --aggregate tailnum --type-is Flight --time time_hour \\
      --null NA --on-error quarantine:no-tail.ndjson --store flights
  tail -f orders.ndjson | eventcask ingest - --aggregate customer.id --type kind --id order_id")]
pub struct IngestArgs {
    /// Files of rows; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The field with the key of the aggregate; a dotted path for nested JSON
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub aggregate: String,
    /// The field with the event type
    #[arg(long = "type", value_name = "FIELD", value_parser = NotEmpty::new())]
    #[arg(conflicts_with = "type_is")]
    pub type_field: Option<String>,
    /// The event type of all rows [default: Event]
    #[arg(long, value_name = "NAME", value_parser = NotEmpty::new())]
    pub type_is: Option<String>,
    /// The field with the event's own time: RFC 3339, or s, ms, us or ns since 1970
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub time: Option<String>,
    /// The field with the event's id: a UUID is taken as it is, any other text becomes one
    /// (version 8, from the first 128 bits of its SHA-256)
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub id: Option<String>,
    /// The field with the correlation id, which all events of one conversation share: a UUID, or any
    /// other text, which becomes one as with --id
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub correlation: Option<String>,
    /// The field with the id of what caused the event, as with --correlation
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub causation: Option<String>,
    /// A header of the event, and the field with its value; may be repeated
    #[arg(long, value_name = "NAME=FIELD", value_parser = named)]
    pub header: Vec<Named>,
    /// The field with an object of headers, as export prints it
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub headers: Option<String>,
    /// A tag of the event, and the field with its value; may be repeated
    #[arg(long, value_name = "NAME=FIELD", value_parser = named)]
    pub tag: Vec<Named>,
    /// The field with an object of tags, as export prints it
    #[arg(long, value_name = "FIELD", value_parser = NotEmpty::new())]
    pub tags: Option<String>,
    /// The text that stands for a missing value
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub null: Option<String>,
    /// The format, where it is not to be told from name and content
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// The name under which the store remembers how far the file is in [default: from its path and
    /// first row]
    #[arg(long, value_name = "NAME", value_parser = NotEmpty::new(), conflicts_with = "id")]
    pub source: Option<String>,
    /// When an event counts as stored: sync (survives power loss), os (survives a kill) or
    /// interval:MS (synced that often)
    #[arg(long, value_name = "LEVEL", default_value = "sync")]
    pub durability: Durability,
    /// How many shards a new store gets, a power of two [default: the number of cores, at most 16]
    #[arg(long, value_name = "N")]
    pub shards: Option<u32>,
    /// By what a new store finds the shard of an aggregate: key (its whole key), or category (the
    /// key up to its first -, so that a type or tenant has one shard) [default: key]
    #[arg(long, value_name = "WHAT")]
    pub route_by: Option<RouteBy>,
    /// How many threads write, at most one a shard [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// How blocks are compressed: none, lz4, zstd:LEVEL or auto
    #[arg(long, value_name = "CODEC", default_value = "auto")]
    pub codec: Codec,
    /// How segments are compressed once they are complete [default: zstd:3, and none with --codec
    /// none]
    #[arg(
        long,
        value_name = "CODEC",
        default_value = "auto",
        hide_default_value = true
    )]
    pub seal_codec: Codec,
    /// At how many bytes a new segment is begun
    #[arg(long, value_name = "N", hide = true)]
    pub segment_bytes: Option<u64>,
    /// What becomes of a row that can not be taken: stop (all rows before it are stored), skip, or
    /// quarantine:FILE (listed there, one JSON object a line)
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub on_error: OnError,
    /// Print {"acked_rows":N} each time the first N rows of the input are durable
    #[arg(long)]
    pub acks: bool,
}

impl IngestArgs {
    /// Where the parts of an event are found in a row.
    #[must_use]
    pub fn row_spec(&self) -> RowSpec {
        let named = self.type_is.as_deref().unwrap_or("Event");
        let event_type = match &self.type_field {
            Some(field) => TypeFrom::Field(field.clone()),
            None => TypeFrom::Name(named.to_owned()),
        };
        RowSpec {
            event_type,
            time: self.time.clone(),
            id: self.id.clone(),
            carried: self.carried_from(),
            null: self.null.clone(),
            format: self.format,
            ..RowSpec::new(&self.aggregate)
        }
    }
}

impl IngestArgs {
    fn carried_from(&self) -> CarriedFrom {
        CarriedFrom {
            correlation: self.correlation.clone(),
            causation: self.causation.clone(),
            all_headers: self.headers.clone(),
            all_tags: self.tags.clone(),
            headers: self.header.iter().map(Named::pair).collect(),
            tags: self.tag.iter().map(Named::pair).collect(),
        }
    }
}

/// What becomes of a row that can not be taken.
///
/// ```
/// use eventcask_cli::args::OnError;
/// assert_eq!("quarantine:bad.ndjson".parse(), Ok(OnError::Quarantine("bad.ndjson".into())));
/// assert!("ignore".parse::<OnError>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnError {
    /// It ends the command; all rows before it are stored.
    Stop,
    /// It is counted.
    Skip,
    /// It is listed in this file.
    Quarantine(PathBuf),
}

impl FromStr for OnError {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "stop" => Ok(Self::Stop),
            None if text == "skip" => Ok(Self::Skip),
            Some(("quarantine", file)) if !file.is_empty() => Ok(Self::Quarantine(file.into())),
            _ => Err("stop, skip or quarantine:FILE is expected".to_owned()),
        }
    }
}
