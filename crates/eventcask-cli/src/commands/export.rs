//! `eventcask export`: all events.

use eventcask::{EventQuery, StoreReader};

use super::store::{failure, open_to_read};
use crate::args::{ExportArgs, Global, Named, type_names};
use crate::failure::Failure;
use crate::input::event_id;
use crate::output::{Document, Out, write_event};

pub(super) fn run(args: &ExportArgs, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let query = query_of(&store, args.shard, &args.types)?;
    let mut query = carrying(query, args.correlation.as_deref(), &args.tag)?;
    if let Some(position) = args.from {
        query = query.from_position(position);
    }
    if let Some(time) = args.since {
        query = query.since(time);
    }
    if let Some(time) = args.until {
        query = query.until(time);
    }
    let mut document = Document::new(Out::new(), global.json);
    for event in &query {
        let event = event.map_err(|error| failure(&error))?;
        document.object(|out| write_event(out, &event.get()))?;
    }
    document.end()
}

/// Those of the events that carry an id of correlation and all of these tags.
pub(super) fn carrying(
    mut query: EventQuery<StoreReader>,
    correlation: Option<&str>,
    tags: &[Named],
) -> Result<EventQuery<StoreReader>, Failure> {
    if let Some(text) = correlation {
        let id = event_id(text).map_err(|invalid| Failure::Input(invalid.to_string()))?;
        query = query.correlation(id);
    }
    for tag in tags {
        query = query.tag(&tag.name, &tag.value);
    }
    Ok(query)
}

/// The events of all shards or one, of all types or some.
pub(super) fn query_of(
    store: &StoreReader,
    shard: Option<u32>,
    types: &[String],
) -> Result<EventQuery<StoreReader>, Failure> {
    let mut query = store.events();
    if let Some(shard) = shard {
        let shards = store.shards();
        if shard >= shards {
            let last = shards - 1;
            let sentence = format!("there is no shard {shard}: the store has 0 to {last}");
            return Err(Failure::Input(sentence));
        }
        query = query.shard(shard);
    }
    if !types.is_empty() {
        query = query.types(&type_names(types));
    }
    Ok(query)
}
