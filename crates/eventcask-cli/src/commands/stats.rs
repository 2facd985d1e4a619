//! `eventcask stats`: what a store holds.

use eventcask::StoreReader;
use eventcask::projection::KeptProjection;
use eventcask::stats::{ShardStats, Stats, SubscriptionStats, ViewStats};

use super::store::{failure, open_to_read, shown};
use super::view::write_left_out;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Object, Out, Table, bytes, count, escaped, write_list};

pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let stats = store.stats();
    let kept = store.kept_projections().map_err(|error| failure(&error))?;
    let mut out = Out::new();
    if global.json {
        let mut line = Vec::new();
        write_json(&mut line, &store, &stats, &kept);
        line.push(b'\n');
        out.write(&line)?;
    } else {
        out.write(text(global, &store, &stats, &kept).as_bytes())?;
    }
    out.flush()
}

/// Bytes on disk for each event, 0 where there is none.
pub(super) fn bytes_per_event(stats: &Stats) -> f64 {
    if stats.events == 0 {
        0.0
    } else {
        stats.disk_bytes as f64 / stats.events as f64
    }
}

fn write_json(line: &mut Vec<u8>, store: &StoreReader, stats: &Stats, kept: &[KeptProjection]) {
    let mut object = Object::new(line);
    object
        .text("store", &format!("{:032x}", stats.store))
        .shown("created", store.created())
        .number("shards", stats.shards.len())
        .shown("route_by", stats.route_by)
        .number("events", stats.events)
        .number("aggregates", stats.aggregates)
        .number("raw_bytes", stats.raw_bytes)
        .number("disk_bytes", stats.disk_bytes)
        .number(
            "bytes_per_event",
            format_args!("{:.2}", bytes_per_event(stats)),
        )
        .number("segments", stats.segments)
        .number("sealed_segments", stats.sealed_segments)
        .number("lost_events", stats.lost_events);
    if let Some(origin) = stats.origin {
        object.text("origin", &format!("{origin:032x}"));
    }
    if let Some(reason) = &stats.seal_failure {
        object.text("seal_failure", reason);
    }
    if let Some(damage) = &stats.subscription_damage {
        object.text("subscription_damage", damage);
    }
    write_list(object.value("per_shard"), &stats.shards, write_shard);
    let views = stats.views.iter().map(Follower::View);
    let kept = kept.iter().map(Follower::Kept);
    let followers: Vec<_> = views.chain(kept).collect();
    write_list(object.value("projections"), &followers, write_follower);
    let subscriptions = &stats.subscriptions;
    write_list(
        object.value("subscriptions"),
        subscriptions,
        write_subscription,
    );
    object.end();
}

fn write_shard(out: &mut Vec<u8>, shard: &ShardStats) {
    let mut object = Object::new(out);
    object
        .number("shard", shard.shard)
        .number("events", shard.events)
        .number("aggregates", shard.aggregates)
        .number("blocks", shard.blocks)
        .number("raw_bytes", shard.raw_bytes)
        .number("disk_bytes", shard.disk_bytes)
        .number("segments", shard.segments)
        .number("sealed_segments", shard.sealed_segments)
        .number("lost_events", shard.lost_events)
        .number("directory_bytes", shard.directory_bytes);
    if let Some(reason) = &shard.poisoned {
        object.text("poisoned", reason);
    }
    object.end();
}

/// What follows the log.
enum Follower<'a> {
    View(&'a ViewStats),
    Kept(&'a KeptProjection),
}

fn write_follower(out: &mut Vec<u8>, follower: &Follower<'_>) {
    match follower {
        Follower::View(view) => write_view(out, view),
        Follower::Kept(kept) => write_kept(out, kept),
    }
}

/// A projection of another process: as far as it was saved.
fn write_kept(out: &mut Vec<u8>, kept: &KeptProjection) {
    let mut object = Object::new(out);
    object.text("name", &kept.name).text("kind", "projection");
    object.number("version", kept.version);
    let write = |out: &mut Vec<u8>, position: &Option<u64>| match position {
        Some(position) => write_position(out, position),
        None => out.extend_from_slice(b"null"),
    };
    write_list(object.value("positions"), &kept.positions, write);
    object
        .number("lag_events", kept.lag_events)
        .number("lag_seconds", kept.lag_seconds);
    object.end();
}

fn write_view(out: &mut Vec<u8>, view: &ViewStats) {
    let mut object = Object::new(out);
    object.text("name", &view.name).text("kind", "view");
    write_list(object.value("positions"), &view.positions, write_position);
    object
        .number("lag_events", view.lag_events)
        .number("lag_seconds", view.lag_seconds);
    write_left_out(&mut object, &view.left_out);
    if let Some(failure) = &view.failure {
        object.text("failure", failure);
    }
    object.end();
}

fn write_position(out: &mut Vec<u8>, position: &u64) {
    out.extend_from_slice(position.to_string().as_bytes());
}

pub(super) fn write_subscription(out: &mut Vec<u8>, subscription: &SubscriptionStats) {
    let mut object = Object::new(out);
    object.text("name", &subscription.name);
    write_list(
        object.value("positions"),
        &subscription.positions,
        write_position,
    );
    object
        .number("lag_events", subscription.lag_events)
        .number("retrying", subscription.retrying)
        .number("parked", subscription.parked);
    object.end();
}

fn text(global: &Global, store: &StoreReader, stats: &Stats, kept: &[KeptProjection]) -> String {
    let (events, aggregates) = (count(stats.events), count(stats.aggregates));
    let mut text = format!(
        "store {}, made {}, routed by {}\n{events} events of {aggregates} aggregates\n{} raw, {} on disk in {} segments, {} of them sealed, {:.1} bytes an event\n",
        shown(global),
        store.created(),
        stats.route_by,
        bytes(stats.raw_bytes),
        bytes(stats.disk_bytes),
        count(stats.segments),
        count(stats.sealed_segments),
        bytes_per_event(stats),
    );
    if let Some(origin) = stats.origin {
        text += &format!("resharded; its events began in store {origin:032x}\n");
    }
    if stats.lost_events > 0 {
        text += &format!(
            "{} events were damaged and given up by a repair\n",
            count(stats.lost_events)
        );
    }
    if let Some(reason) = &stats.seal_failure {
        text += &format!("segments can not be sealed: {}\n", escaped(reason));
    }
    text.push('\n');
    text += &shard_table(&stats.shards).to_string();
    if !stats.views.is_empty() {
        text += &format!("\n{}", view_table(&stats.views));
    }
    if !kept.is_empty() {
        text += &format!("\n{}", kept_table(kept));
    }
    if !stats.subscriptions.is_empty() {
        text += &format!("\n{}", subscription_table(&stats.subscriptions));
    }
    if let Some(damage) = &stats.subscription_damage {
        text += &format!("\na subscription is missing: {damage}\n");
    }
    text
}

fn shard_table(shards: &[ShardStats]) -> Table {
    let names = [
        ">shard",
        ">events",
        ">aggregates",
        ">blocks",
        ">raw",
        ">on disk",
        ">index in memory",
    ];
    let mut table = Table::new(&names);
    for shard in shards {
        table.row([
            shard.shard.to_string(),
            count(shard.events),
            count(shard.aggregates),
            count(shard.blocks),
            bytes(shard.raw_bytes),
            bytes(shard.disk_bytes),
            bytes(shard.directory_bytes),
        ]);
    }
    table
}

fn view_table(views: &[ViewStats]) -> Table {
    let mut table = Table::new(&["view", ">events", ">behind", ">left out", "state"]);
    for view in views {
        let state = match &view.failure {
            Some(reason) => format!("stopped: {reason}"),
            None if view.lag_events == 0 => "up to date".to_owned(),
            None => format!("{} s behind", count(view.lag_seconds)),
        };
        let events = view.positions.iter().sum();
        table.row([
            view.name.clone(),
            count(events),
            count(view.lag_events),
            count(view.left_out.total()),
            state,
        ]);
    }
    table
}

fn kept_table(kept: &[KeptProjection]) -> Table {
    let mut table = Table::new(&["projection", ">version", ">events saved", ">behind"]);
    for one in kept {
        let saved = one.positions.iter().flatten().sum();
        table.row([
            one.name.clone(),
            one.version.to_string(),
            count(saved),
            count(one.lag_events),
        ]);
    }
    table
}

pub(super) fn subscription_table(subscriptions: &[SubscriptionStats]) -> Table {
    let mut table = Table::new(&["subscription", ">behind", ">to be retried", ">parked"]);
    for subscription in subscriptions {
        table.row([
            subscription.name.clone(),
            count(subscription.lag_events),
            count(subscription.retrying),
            count(subscription.parked),
        ]);
    }
    table
}
