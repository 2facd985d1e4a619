//! `eventcask read`: one aggregate's events.

use super::store::{failure, open_to_read, shown};
use crate::args::{Global, ReadArgs};
use crate::failure::Failure;
use crate::output::{Document, Out, write_event};

pub(super) fn run(args: &ReadArgs, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let mut reader = store.aggregate(&args.key);
    if let Some(version) = args.from {
        reader = reader.from_version(version);
    }
    if let Some(version) = args.as_of_version {
        reader = reader.as_of_version(version);
    }
    if let Some(position) = args.as_of_position {
        reader = reader.as_of_position(position);
    }
    if let Some(time) = args.as_of_time {
        reader = reader.as_of_time(time);
    }
    if let Some(count) = args.last {
        reader = reader.last(count);
    }
    let mut document = Document::new(Out::new(), global.json);
    for event in reader.events().map_err(|error| failure(&error))? {
        let event = event.map_err(|error| failure(&error))?;
        document.object(|out| write_event(out, &event.get()))?;
    }
    let is_known = document.objects() > 0
        || store
            .aggregate(&args.key)
            .version()
            .map_err(|error| failure(&error))?
            > 0;
    document.end()?;
    if is_known {
        return Ok(());
    }
    let store = shown(global);
    Err(Failure::No(format!(
        "there is no aggregate {:?} in {store}",
        args.key
    )))
}
