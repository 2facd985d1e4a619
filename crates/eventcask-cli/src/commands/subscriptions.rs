//! `eventcask subscriptions`: how far they are, and what is parked in them.

use eventcask::subscribe::{Parked, Retry};
use eventcask::{Error, Store};

use super::stats::{subscription_table, write_subscription};
use super::store::{failure, open_to_read, open_to_write};
use crate::args::{Global, RedriveArgs, SubscriptionsCommand};
use crate::failure::Failure;
use crate::output::{Document, Object, Out, Table, print_object};

pub(super) fn run(command: Option<SubscriptionsCommand>, global: &Global) -> Result<(), Failure> {
    match command.unwrap_or(SubscriptionsCommand::List) {
        SubscriptionsCommand::List => list(global),
        SubscriptionsCommand::Parked { name } => parked(&name, global),
        SubscriptionsCommand::Redrive(args) => redrive(&args, false, global),
        SubscriptionsCommand::Skip(args) => redrive(&args, true, global),
        SubscriptionsCommand::Drop { name } => forget(&name, global),
    }
}

fn list(global: &Global) -> Result<(), Failure> {
    let stats = open_to_read(global)?.stats();
    let all = stats.subscriptions;
    if global.json {
        print_list(&all, write_subscription)?;
    } else if !all.is_empty() || stats.subscription_damage.is_none() {
        print_table(
            &subscription_table(&all),
            all.is_empty(),
            "no named subscriptions; programs make them",
        )?;
    }
    match stats.subscription_damage {
        None => Ok(()),
        Some(damage) => Err(Failure::No(format!("a subscription is missing: {damage}"))),
    }
}

fn parked(name: &str, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let all = store.parked(name).map_err(|error| failure(&error))?;
    if global.json {
        return print_list(&all, write_parked);
    }
    let mut table = Table::new(&[
        "aggregate",
        ">version",
        ">shard",
        ">position",
        ">tries",
        "reason",
    ]);
    for one in &all {
        table.row([
            one.key.clone(),
            one.version.to_string(),
            one.shard.to_string(),
            one.position.to_string(),
            one.tries.to_string(),
            one.reason.clone(),
        ]);
    }
    print_table(&table, all.is_empty(), "nothing is parked")
}

fn write_parked(out: &mut Vec<u8>, parked: &Parked) {
    let mut object = Object::new(out);
    object
        .text("aggregate", &parked.key)
        .number("version", parked.version)
        .number("shard", parked.shard)
        .number("position", parked.position)
        .number("tries", parked.tries)
        .text("reason", &parked.reason);
    object.end();
}

/// Goes on with what is parked; past the events that failed, if `skips`.
fn redrive(args: &RedriveArgs, skips: bool, global: &Global) -> Result<(), Failure> {
    let store = open_to_write(global)?;
    let keys = keys_of(&store, args)?;
    go_on(&store, &args.name, &keys, skips).map_err(|error| failure(&error))?;
    store.close().map_err(|error| failure(&error))?;
    let (name, number) = (&args.name, keys.len());
    let what = if skips { "skipped" } else { "redriven" };
    if global.json {
        return print_object(|object| {
            object.text("name", name).number(what, number);
        });
    }
    let of = if number == 1 {
        "aggregate"
    } else {
        "aggregates"
    };
    let rest = if skips {
        " past the events that failed"
    } else {
        ""
    };
    say(&format!(
        "{number} {of} of {name} will be handed out again{rest}"
    ))
}

/// The aggregates that are meant, all of which are parked.
fn keys_of(store: &Store, args: &RedriveArgs) -> Result<Vec<String>, Failure> {
    let parked = store.parked(&args.name).map_err(|error| failure(&error))?;
    let parked = parked.into_iter().map(|one| one.key);
    let Some(key) = &args.key else {
        return Ok(parked.collect());
    };
    let keys: Vec<_> = parked.filter(|one| one == key).collect();
    if keys.is_empty() {
        let name = &args.name;
        return Err(Failure::No(format!(
            "aggregate {key:?} is not parked in {name}"
        )));
    }
    Ok(keys)
}

fn go_on(store: &Store, name: &str, keys: &[String], skips: bool) -> Result<(), Error> {
    let group = store.events().group(name, Retry::default())?;
    for key in keys {
        if skips {
            group.skip(key)?;
        } else {
            group.redrive(key)?;
        }
    }
    Ok(())
}

fn forget(name: &str, global: &Global) -> Result<(), Failure> {
    let store = open_to_write(global)?;
    store
        .drop_subscription(name)
        .map_err(|error| failure(&error))?;
    store.close().map_err(|error| failure(&error))?;
    if global.json {
        return print_object(|object| {
            object.text("name", name).number("dropped", true);
        });
    }
    say(&format!(
        "subscription {name} dropped; the next one of this name begins anew"
    ))
}

fn print_list<T>(all: &[T], write: fn(&mut Vec<u8>, &T)) -> Result<(), Failure> {
    let mut document = Document::new(Out::new(), true);
    for one in all {
        document.object(|out| write(out, one))?;
    }
    document.end()
}

fn print_table(table: &Table, is_empty: bool, without: &str) -> Result<(), Failure> {
    if is_empty {
        return say(without);
    }
    let mut out = Out::new();
    out.write(table.to_string().as_bytes())?;
    out.flush()
}

fn say(sentence: &str) -> Result<(), Failure> {
    let mut out = Out::new();
    out.line(sentence)?;
    out.flush()
}
