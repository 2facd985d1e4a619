//! `eventcask diff`: what changed in an aggregate between two moments.

mod canonical;
mod fields;

use std::collections::BTreeMap;

use eventcask::event::EventRef;
use eventcask::{AsOf, StoreReader, Timestamp, Versioned};

use self::fields::{Fields, Json, NewestFields, Path};
use super::store::{failure, open_to_read, shown};
use crate::args::{DiffArgs, Global};
use crate::failure::Failure;
use crate::output::{
    Object, Out, Table, count, escaped, print_object, write_json_string, write_list,
};

/// Characters of a value that a table shows.
const SHOWN_CHARS: usize = 40;

pub(super) fn run(args: &DiffArgs, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let newest = store.aggregate(&args.key).version();
    if newest.map_err(|error| failure(&error))? == 0 {
        let (key, store) = (&args.key, shown(global));
        return Err(Failure::No(format!(
            "there is no aggregate {key:?} in {store}"
        )));
    }
    let diff = Diff::of(&store, args)?;
    if global.json {
        print_object(|object| diff.write(&args.key, object))
    } else {
        diff.print(&args.key)
    }
}

/// Two moments of an aggregate, and what is between them.
struct Diff {
    from: Moment,
    to: Moment,
    changes: Vec<Change>,
    events: Vec<Cause>,
}

/// The last event before a moment; version 0 where there is none.
#[derive(Clone, Copy)]
struct Moment {
    version: u64,
    commit_time: Option<Timestamp>,
}

/// A field that has another value, or one at one moment only.
struct Change {
    field: Path,
    from: Option<Json>,
    to: Option<Json>,
    /// The event that said so.
    version: u64,
}

/// An event, and the fields that it changed.
struct Cause {
    version: u64,
    event_type: String,
    commit_time: Timestamp,
    fields: Vec<Path>,
}

impl Diff {
    fn of(store: &StoreReader, args: &DiffArgs) -> Result<Self, Failure> {
        let to = args.to.unwrap_or(AsOf::Version(u64::MAX));
        let folded = store.fold(NewestFields);
        let load = |moment| {
            let loaded = folded.load_as_of(&args.key, moment);
            loaded.map_err(|error| failure(&error))
        };
        let (before, after) = (load(args.from)?, load(to)?);
        if before.version() > after.version() {
            let (from, to) = (before.version(), after.version());
            return Err(Failure::Input(format!(
                "--from is version {from} of the aggregate and --to is version {to}: the earlier one comes first"
            )));
        }
        let mut fields = Fields::clone(&before);
        let mut events = Vec::new();
        let between = store.aggregate(&args.key);
        let between = between.from_version(before.version() + 1).as_of(to);
        for event in between.events().map_err(|error| failure(&error))? {
            let event = event.map_err(|error| failure(&error))?;
            events.push(Cause::of(&mut fields, &event.get()));
        }
        Ok(Self {
            from: Moment::of(&before),
            to: Moment::of(&after),
            changes: changes(&before, &fields, &events),
            events,
        })
    }

    /// The first version that is left, where events after the earlier moment were given up.
    fn first_left(&self) -> Option<u64> {
        let first = self.events.first().map(|cause| cause.version);
        first.filter(|first| *first > self.from.version + 1)
    }

    fn write(&self, key: &str, object: &mut Object<'_>) {
        object.text("aggregate", key);
        if let Some(first) = self.first_left() {
            object.number("given_up_before", first);
        }
        self.from.write(object.value("from"));
        self.to.write(object.value("to"));
        write_list(object.value("changes"), &self.changes, |out, change| {
            change.write(out);
        });
        write_list(object.value("events"), &self.events, |out, cause| {
            cause.write(out);
        });
    }

    fn print(&self, key: &str) -> Result<(), Failure> {
        let mut out = Out::new();
        out.line(&format!(
            "{} from version {} to version {}: {}, {} changed",
            escaped(key),
            self.from.version,
            self.to.version,
            counted(self.events.len(), "event"),
            counted(self.changes.len(), "field")
        ))?;
        if let Some(first) = self.first_left() {
            out.line(&format!(
                "events before version {first} were given up: what they said counts as new, or is missing"
            ))?;
        }
        let mut changes = Table::new(&["field", "from", "to", ">version"]);
        for change in &self.changes {
            let value = |json: &Option<Json>| {
                let json = json.as_ref().map(Json::as_str);
                json.map_or("-".to_owned(), short)
            };
            let (from, to) = (value(&change.from), value(&change.to));
            let (field, version) = (change.field.to_string(), change.version);
            changes.row([field, from, to, version.to_string()]);
        }
        let mut events = Table::new(&[">version", "accepted", "type", "changed"]);
        for cause in &self.events {
            let fields: Vec<_> = cause.fields.iter().map(Path::to_string).collect();
            let fields = fields.join(" ");
            let event_type = escaped(&cause.event_type).into_owned();
            let (version, time) = (cause.version.to_string(), cause.commit_time.to_string());
            events.row([version, time, event_type, short(&fields)]);
        }
        if !self.changes.is_empty() {
            out.write(format!("\n{changes}").as_bytes())?;
        }
        if !self.events.is_empty() {
            out.write(format!("\n{events}").as_bytes())?;
        }
        out.flush()
    }
}

/// The fields that differ, each with the last event that changed it.
fn changes(before: &Fields, after: &Fields, events: &[Cause]) -> Vec<Change> {
    let mut changed_by = BTreeMap::new();
    for cause in events {
        let fields = cause.fields.iter();
        changed_by.extend(fields.map(|field| (field, cause.version)));
    }
    let values = changed_by.into_iter().filter_map(|(field, version)| {
        let (from, to) = (before.get(field), after.get(field));
        (from != to).then(|| Change {
            field: field.clone(),
            from: from.cloned(),
            to: to.cloned(),
            version,
        })
    });
    values.collect()
}

impl Moment {
    fn of(loaded: &Versioned<Fields>) -> Self {
        Self {
            version: loaded.version(),
            commit_time: loaded.commit_time(),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let mut object = Object::new(out);
        object.number("version", self.version);
        if let Some(time) = self.commit_time {
            object.shown("commit_time", time);
        }
        object.end();
    }
}

impl Change {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::new(out);
        object.text("field", &self.field.to_string());
        if let Some(from) = &self.from {
            object.raw("from", from.as_str().as_bytes());
        }
        if let Some(to) = &self.to {
            object.raw("to", to.as_str().as_bytes());
        }
        object.number("version", self.version);
        object.end();
    }
}

impl Cause {
    fn of(fields: &mut Fields, event: &EventRef<'_>) -> Self {
        Self {
            version: event.version,
            event_type: event.event_type.to_owned(),
            commit_time: event.commit_time,
            fields: fields::set(fields, event),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::new(out);
        object
            .number("version", self.version)
            .text("type", &self.event_type)
            .shown("commit_time", self.commit_time);
        write_list(object.value("fields"), &self.fields, |out, field| {
            write_json_string(out, &field.to_string());
        });
        object.end();
    }
}

/// `1 event`, `2 events`.
fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number as u64))
}

/// A value as a table has room for it.
fn short(text: &str) -> String {
    let shown = escaped(text);
    match shown.char_indices().nth(SHOWN_CHARS) {
        None => shown.into_owned(),
        Some((end, _)) => format!("{}...", &shown[..end]),
    }
}
