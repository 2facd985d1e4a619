//! `eventcask truncate`: gives up old events of an aggregate, or of the whole store.
//!
//! 1. What readers see and would see no more is counted.
//! 2. If it is anything, and it is not only asked for, it is given up.

use eventcask::stats::Named;
use eventcask::{Error, Event, Store, StoreReader, Timestamp};

use super::store::{failure, open_to_read, open_to_write, shown};
use crate::args::{Global, TruncateArgs};
use crate::failure::Failure;
use crate::output::{Object, Out, count, escaped, print_object};

pub(super) fn run(args: &TruncateArgs, global: &Global) -> Result<(), Failure> {
    let truncation = Truncation::of(args);
    let found = match args.dry_run {
        true => truncation.count(&open_to_read(global)?),
        false => truncation.run(open_to_write(global)?),
    };
    let found = found.map_err(|error| failure(&error))?;
    if global.json {
        return print_object(|object| {
            truncation.write_json(object, &found);
            object.number("dry_run", args.dry_run);
        });
    }
    let mut out = Out::new();
    out.line(&truncation.text(&found, args.dry_run, &shown(global)))?;
    out.flush()
}

/// What is to be given up.
enum Truncation<'a> {
    /// Of an aggregate, before a version.
    Aggregate { key: &'a str, version: u64 },
    /// All of an aggregate.
    Whole { key: &'a str },
    /// Of the store, before a time.
    Store { time: Timestamp },
}

/// What readers see of it.
#[derive(Default)]
struct Found {
    events: u64,
    /// The versions of an aggregate from first to last, or the times of a store.
    versions: (u64, u64),
    times: Option<(Timestamp, Timestamp)>,
}

impl<'a> Truncation<'a> {
    fn of(args: &'a TruncateArgs) -> Self {
        let key = args.key.as_deref().unwrap_or_default();
        match (args.before, args.before_version) {
            (Some(time), _) => Self::Store { time },
            (None, Some(version)) => Self::Aggregate { key, version },
            (None, None) => Self::Whole { key },
        }
    }

    fn count(&self, store: &StoreReader) -> Result<Found, Error> {
        match self {
            Self::Aggregate { key, version } => Found::of_aggregate(store, key, *version),
            Self::Whole { key } => Found::of_aggregate(store, key, u64::MAX),
            Self::Store { time } => match time.as_nanos().checked_sub(1) {
                Some(until) => {
                    let scan = store.events().until(Timestamp::from_nanos(until));
                    Found::of(scan.iter())
                }
                None => Ok(Found::default()),
            },
        }
    }

    fn run(&self, store: Store) -> Result<Found, Error> {
        let found = self.count(&store)?;
        if found.events > 0 {
            match self {
                Self::Aggregate { key, version } => store.truncate_aggregate(key, *version)?,
                Self::Whole { key } => store.delete_aggregate(key)?,
                Self::Store { time } => store.truncate_before(*time)?,
            }
        }
        store.close()?;
        Ok(found)
    }

    fn write_json(&self, object: &mut Object<'_>, found: &Found) {
        match self {
            Self::Aggregate { key, .. } | Self::Whole { key } => {
                object.text("key", key).number("events", found.events);
                if found.events > 0 {
                    let (first, last) = found.versions;
                    object
                        .number("first_version", first)
                        .number("last_version", last);
                }
            }
            Self::Store { time } => {
                object.shown("before", time).number("events", found.events);
                if let Some((first, last)) = found.times {
                    object
                        .shown("first_commit", first)
                        .shown("last_commit", last);
                }
            }
        }
    }

    fn text(&self, found: &Found, is_dry_run: bool, store: &str) -> String {
        let of = match self {
            Self::Aggregate { key, .. } | Self::Whole { key } => escaped(key).into_owned(),
            Self::Store { .. } => store.to_owned(),
        };
        let Some((from, to)) = found.times else {
            return format!("{of} has no events to give up there; nothing was changed");
        };
        let (first, last) = found.versions;
        let which = match self {
            Self::Store { .. } => format!("accepted from {from} to {to}"),
            _ => format!("versions {first} to {last}"),
        };
        let events = count(found.events);
        match is_dry_run {
            true => {
                format!("{events} events of {of} would be given up: {which}; nothing was changed")
            }
            false => format!(
                "{events} events of {of} given up: {which}; `eventcask reclaim` takes their room back"
            ),
        }
    }
}

impl Found {
    fn of_aggregate(store: &StoreReader, key: &str, before: u64) -> Result<Self, Error> {
        let reader = store.aggregate(key);
        if reader.version()? == 0 {
            return Err(Error::NotFound {
                what: Named::Aggregate,
                name: key.to_owned(),
            });
        }
        match before.checked_sub(1) {
            Some(last) => Self::of(reader.as_of_version(last).events()?),
            None => Ok(Self::default()),
        }
    }

    fn of(events: impl Iterator<Item = Result<Event, Error>>) -> Result<Self, Error> {
        let mut found = Self::default();
        for event in events {
            let event = event?;
            let (version, time) = (event.version(), event.commit_time());
            let (first, begun) = match found.times {
                Some((begun, _)) => (found.versions.0, begun),
                None => (version, time),
            };
            found.events += 1;
            found.versions = (first, version);
            found.times = Some((begun, time));
        }
        Ok(found)
    }
}
