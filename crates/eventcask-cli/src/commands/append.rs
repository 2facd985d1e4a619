//! `eventcask append`: one event.

use std::io::{Read as _, stdin};

use eventcask::event::Invalid;
use eventcask::limits::{MAX_KEY_BYTES, MAX_PAYLOAD_BYTES};
use eventcask::{Appended, Error, EventId, NewEvent, Store};
use serde::de::IgnoredAny;

use super::store::failure;
use crate::args::{AppendArgs, Global, Named};
use crate::failure::{Failure, io_reason};
use crate::input::{Carried, MAX_NESTING, event_id, is_too_deep};
use crate::output::{Out, count, escaped, print_object};

pub(super) fn run(args: &AppendArgs, global: &Global) -> Result<(), Failure> {
    let payload = payload(&args.payload)?;
    let mut event = NewEvent::json(&args.event_type, payload.as_bytes());
    (event.id, event.time) = (id_of(args.id.as_deref())?, args.time);
    carried(args)?.with(event, |event| append_event(args, global, event))
}

/// What the event carries beside its payload.
fn carried(args: &AppendArgs) -> Result<Carried, Failure> {
    let header = |header: &Named| (header.name.clone(), header.value.clone().into_bytes());
    Ok(Carried {
        correlation: id_of(args.correlation.as_deref())?,
        causation: id_of(args.causation.as_deref())?,
        headers: args.header.iter().map(header).collect(),
        tags: args.tag.iter().map(Named::pair).collect(),
    })
}

fn id_of(text: Option<&str>) -> Result<Option<EventId>, Failure> {
    let id = text.map(event_id).transpose();
    id.map_err(|invalid| wrong(&invalid))
}

fn append_event(args: &AppendArgs, global: &Global, event: &NewEvent<'_>) -> Result<(), Failure> {
    check(&args.key, event).map_err(|invalid| wrong(&invalid))?;
    // Nothing is wrong with the event, so a store may be made for it.
    let mut options = Store::options();
    if let Some(by) = args.route_by {
        options = options.route_by(by);
    }
    let store = options.open(&global.store);
    let store = store.map_err(|error| failure(&error))?;
    let answer = append(&store, args, event);
    let closed = store.close();
    let answer = answer?;
    closed.map_err(|error| failure(&error))?;
    print(&args.key, &answer, global)
}

/// The JSON, from standard input where it is `-`.
fn payload(json: &str) -> Result<String, Failure> {
    let mut text = json.to_owned();
    if json == "-" {
        text.clear();
        let read = stdin()
            .take(2 * MAX_PAYLOAD_BYTES as u64)
            .read_to_string(&mut text);
        read.map_err(|error| Failure::Input(format!("stdin: {}", io_reason(&error))))?;
    }
    if is_too_deep(text.as_bytes()) {
        return Err(Failure::Input(format!(
            "what happened nests deeper than {MAX_NESTING} levels"
        )));
    }
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => Err(Failure::Input(format!(
            "what happened is not JSON: {error}; an object such as '{{\"cents\":500}}' is expected"
        ))),
    }
}

fn check(key: &str, event: &NewEvent<'_>) -> Result<(), Invalid> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Invalid::KeyTooLong { bytes: key.len() });
    }
    event.check(MAX_PAYLOAD_BYTES)
}

fn wrong(invalid: &Invalid) -> Failure {
    Failure::Input(invalid.to_string())
}

fn append(store: &Store, args: &AppendArgs, event: &NewEvent<'_>) -> Result<Appended, Failure> {
    let mut producer = store.producer();
    let ticket = producer.append(&args.key, args.expect, &[*event]);
    let outcome = ticket.map_err(|error| failure(&error))?.wait();
    outcome.map_err(|error| match error {
        Error::Conflict { .. } | Error::IdConflict { .. } => Failure::No(error.to_string()),
        other => failure(&other),
    })
}

fn print(key: &str, answer: &Appended, global: &Global) -> Result<(), Failure> {
    let shard = answer.place().shard;
    let is_duplicate = answer.is_duplicate();
    let version = answer.version().unwrap_or_default();
    let position = answer.position().unwrap_or_default();
    if global.json {
        return print_object(|object| {
            object.text("aggregate", key).number("version", version);
            object.number("shard", shard).number("position", position);
            object.number("duplicate", is_duplicate);
        });
    }
    let known = if is_duplicate { "known before: " } else { "" };
    let (key, version, position) = (escaped(key), count(version), count(position));
    let mut out = Out::new();
    out.line(&format!(
        "{known}{key} version {version}, at position {position} of shard {shard}"
    ))?;
    out.flush()
}
