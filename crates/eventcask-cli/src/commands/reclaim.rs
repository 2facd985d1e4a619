//! `eventcask reclaim` and `seal`: what is written anew in place.

use eventcask::Store;
use eventcask::upkeep::Reclaimed;

use super::store::{failure, open_to_read};
use crate::args::{Global, ReclaimArgs};
use crate::failure::Failure;
use crate::output::{Out, bytes, count, escaped, print_object, write_json_string, write_list};

pub(super) fn run(args: &ReclaimArgs, global: &Global) -> Result<(), Failure> {
    let found = if args.dry_run {
        let store = open_to_read(global)?;
        store.reclaimable().map_err(|error| failure(&error))?
    } else {
        let store = open_at_rest(false, global)?;
        let found = store.reclaim().map_err(|error| failure(&error))?;
        store.close().map_err(|error| failure(&error))?;
        found
    };
    if global.json {
        return print_object(|object| {
            object
                .number("segments", found.segments)
                .number("events", found.events)
                .number("payload_bytes", found.payload_bytes)
                .number("disk_bytes_before", found.disk_bytes_before)
                .number("disk_bytes_after", found.disk_bytes_after)
                .number("snapshots", found.snapshots)
                .number("dry_run", args.dry_run);
            let left = object.value("left");
            write_list(left, &found.left, |out, file| write_json_string(out, file));
        });
    }
    let mut out = Out::new();
    out.line(&text(&found, args.dry_run))?;
    for file in &found.left {
        let file = escaped(file);
        out.line(&format!(
            "may still hold some: {file}; look at it, then remove it"
        ))?;
    }
    out.flush()
}

fn text(found: &Reclaimed, is_dry_run: bool) -> String {
    if found.events == 0 {
        return "there is nothing to take back".to_owned();
    }
    let (segments, events) = (count(found.segments), count(found.events));
    let payloads = bytes(found.payload_bytes);
    let before = bytes(found.disk_bytes_before);
    match is_dry_run {
        true => format!(
            "to take back: {events} events in {segments} segments, {payloads} of payloads; these segments have {before} on disk; nothing was changed"
        ),
        false => format!(
            "taken back: {events} events in {segments} segments, {payloads} of payloads; on disk {before} before, {} after",
            bytes(found.disk_bytes_after)
        ),
    }
}

/// Seals all segments that are complete; those that are to be `clustered` and are not, anew.
pub(super) fn seal(clustered: bool, global: &Global) -> Result<(), Failure> {
    let store = open_at_rest(clustered, global)?;
    let sealed = store.seal().map_err(|error| failure(&error))?;
    let stats = store.stats();
    store.close().map_err(|error| failure(&error))?;
    if global.json {
        return print_object(|object| {
            object
                .number("sealed", sealed)
                .number("sealed_segments", stats.sealed_segments)
                .number("segments", stats.segments);
        });
    }
    let mut out = Out::new();
    let (all, segments) = (count(stats.sealed_segments), count(stats.segments));
    out.line(&format!(
        "{} segments sealed now; {all} of {segments} are sealed, the others are not complete",
        count(sealed)
    ))?;
    out.flush()
}

/// The store for writing, without anything that goes on in the background: what is done is
/// counted here.
fn open_at_rest(clustered: bool, global: &Global) -> Result<Store, Failure> {
    Store::options()
        .create(false)
        .seal(false)
        .clustered(clustered)
        .open(&global.store)
        .map_err(|error| failure(&error))
}
