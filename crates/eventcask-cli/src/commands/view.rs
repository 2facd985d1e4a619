//! `eventcask view`: keyed aggregations.

use eventcask::projection::Rebuild;
use eventcask::stats::LeftOut;
use eventcask::view::ViewRow;
use eventcask::{AsOf, Error, Store, View, ViewSpec};

use super::store::{failure, open_to_read, open_to_write};
use crate::args::{Global, ViewCommand, ViewCreateArgs, ViewGetArgs};
use crate::failure::Failure;
use crate::output::{Document, Object, Out, Table, count, escaped, tell};

pub(super) fn run(command: ViewCommand, global: &Global) -> Result<(), Failure> {
    match command {
        ViewCommand::Create(args) => create(&args, global),
        ViewCommand::Get(args) => get(&args, global),
        ViewCommand::List => list(global),
        ViewCommand::Rebuild { name } => rebuild(&name, global),
        ViewCommand::Drop { name } => drop_view(&name, global),
    }
}

fn create(args: &ViewCreateArgs, global: &Global) -> Result<(), Failure> {
    let aggregations: Vec<_> = args.agg.iter().map(String::as_str).collect();
    let (event_type, window) = (args.event_type.as_deref(), args.window.as_deref());
    let spec = ViewSpec::new(&args.key, &aggregations, event_type, window);
    let keep = args.keep.iter();
    let spec = keep.fold(spec, |spec, time| spec?.keep(time));
    let spec = spec.map_err(|error| Failure::Input(error.to_string()))?;
    let store = open_to_write(global)?;
    let view = store
        .create_view(&args.name, spec)
        .map_err(|error| failure(&error))?;
    say_rows("created", &view, store, global)
}

fn rebuild(name: &str, global: &Global) -> Result<(), Failure> {
    let store = open_to_write(global)?;
    let view = store.view(name).map_err(|error| failure(&error))?;
    let rebuilt = view.rebuild().and_then(Rebuild::wait);
    if rebuilt.map_err(|error| failure(&error))?.is_none() {
        return Err(failure(&Error::Closed));
    }
    say_rows("rebuilt", &view, store, global)
}

fn drop_view(name: &str, global: &Global) -> Result<(), Failure> {
    let store = open_to_write(global)?;
    store.drop_view(name).map_err(|error| failure(&error))?;
    store.close().map_err(|error| failure(&error))?;
    let mut line = Vec::new();
    if global.json {
        let mut object = Object::new(&mut line);
        object.text("name", name).number("dropped", true);
        object.end();
    } else {
        line = format!("view {name} dropped; the events are all there").into_bytes();
    }
    print(line)
}

/// Says what a view has become, once it is saved.
fn say_rows(done: &str, view: &View, store: Store, global: &Global) -> Result<(), Failure> {
    let rows = view.row_count().map_err(|error| failure(&error))? as u64;
    let events: u64 = store.positions().iter().sum();
    let left_out = view.stats().left_out;
    store.close().map_err(|error| failure(&error))?;
    let mut line = Vec::new();
    if global.json {
        let mut object = Object::new(&mut line);
        object
            .text("name", view.name())
            .raw("spec", view.spec().to_json().as_bytes());
        object.number("rows", rows).number("events", events);
        write_left_out(&mut object, &left_out);
        object.end();
    } else {
        tell_left_out(view.name(), &left_out);
        let (rows, events) = (count(rows), count(events));
        line = format!(
            "view {} {done}: {rows} rows from {events} events",
            view.name()
        )
        .into();
    }
    print(line)
}

/// Tells of events that are in no row, which whoever asks would miss otherwise.
fn tell_left_out(name: &str, left_out: &LeftOut) {
    if left_out.total() > 0 {
        let events = count(left_out.total());
        tell(&format!("view {name} left out {events} events: {left_out}"));
    }
}

pub(super) fn write_left_out(object: &mut Object<'_>, left_out: &LeftOut) {
    let json = serde_json::to_vec(left_out).unwrap_or_default();
    object.raw("left_out", &json);
}

fn print(mut line: Vec<u8>) -> Result<(), Failure> {
    line.push(b'\n');
    let mut out = Out::new();
    out.write(&line)?;
    out.flush()
}

fn get(args: &ViewGetArgs, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let view = store.view(&args.name).map_err(|error| failure(&error))?;
    let rows = rows(args, &view).map_err(|error| failure(&error))?;
    if global.json {
        print_json(&rows)?;
    } else {
        print_table(&rows, view.spec())?;
    }
    tell_left_out(view.name(), &view.stats().left_out);
    match &args.key {
        Some(key) if rows.is_empty() => Err(Failure::No(format!(
            "view {} has nothing under the key {key:?}",
            args.name
        ))),
        _ => Ok(()),
    }
}

fn rows(args: &ViewGetArgs, view: &View) -> Result<Vec<ViewRow>, Error> {
    let limit = args.top.unwrap_or(usize::MAX);
    let as_of = args.as_of_time.map(AsOf::Time);
    let as_of = as_of.or(args.as_of_position.map(AsOf::Position));
    let Some(as_of) = as_of else {
        return match (&args.key, &args.by) {
            (Some(key), _) => view.get(key),
            (None, None) => view.rows(),
            (None, Some(by)) => view.top(limit, by),
        };
    };
    let then = view.as_of(as_of)?;
    match (&args.key, &args.by) {
        (Some(key), _) => Ok(then.get(key)),
        (None, None) => Ok(then.rows()),
        (None, Some(by)) => then.top(limit, by),
    }
}

fn print_json(rows: &[ViewRow]) -> Result<(), Failure> {
    let mut document = Document::new(Out::new(), true);
    for row in rows {
        let json = serde_json::to_vec(row);
        let json = json.map_err(|error| Failure::Engine(format!("a row is no JSON: {error}")))?;
        document.object(|out| out.extend_from_slice(&json))?;
    }
    document.end()
}

fn print_table(rows: &[ViewRow], spec: &ViewSpec) -> Result<(), Failure> {
    let numbers = spec
        .aggregations()
        .map(|aggregation| format!(">{aggregation}"));
    let window = spec.window().map(|_| "window".to_owned());
    let names: Vec<_> = [spec.key().to_owned()]
        .into_iter()
        .chain(window)
        .chain(numbers)
        .collect();
    let mut table = Table::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let window = row.window.map(|start| start.to_string());
        let values = row.values.iter().map(|(_, value)| match value.number() {
            Some(number) => number.to_string(),
            None => "-".to_owned(),
        });
        table.row([row.key.clone()].into_iter().chain(window).chain(values));
    }
    let mut out = Out::new();
    out.write(table.to_string().as_bytes())?;
    out.flush()
}

fn list(global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let views = store.views();
    if !global.json {
        return list_table(&views);
    }
    let mut document = Document::new(Out::new(), true);
    for view in &views {
        document.object(|out| {
            let mut object = Object::new(out);
            object
                .text("name", view.name())
                .raw("spec", view.spec().to_json().as_bytes());
            write_left_out(&mut object, &view.stats().left_out);
            object.end();
        })?;
    }
    document.end()
}

fn list_table(views: &[View]) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "view",
        "key",
        "aggregations",
        "type",
        "window",
        "kept",
        ">left out",
    ]);
    for view in views {
        let spec = view.spec();
        let aggregations: Vec<_> = spec.aggregations().collect();
        let optional = |text: Option<&str>| text.unwrap_or("-").to_owned();
        table.row([
            view.name().to_owned(),
            escaped(spec.key()).into_owned(),
            aggregations.join(" "),
            optional(spec.event_type()),
            optional(spec.window()),
            optional(spec.kept()),
            count(view.stats().left_out.total()),
        ]);
    }
    let mut out = Out::new();
    if views.is_empty() {
        out.line("no views; `eventcask view create` makes one")?;
    } else {
        out.write(table.to_string().as_bytes())?;
    }
    out.flush()
}
