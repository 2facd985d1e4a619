//! `eventcask reshard`: writes a store anew with other shards.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eventcask::Store;
use eventcask::upkeep::{ReshardOptions, ReshardReport, reshard};

use super::copied;
use super::store::{failure, shown};
use crate::args::{Global, ReshardArgs};
use crate::failure::Failure;
use crate::output::{Object, count, duration, escaped, write_json_string, write_list};
use crate::progress::Progress;

pub(super) fn run(args: &ReshardArgs, global: &Global) -> Result<(), Failure> {
    let report = reshard(&global.store, &args.target, &options(args));
    let report = report.map_err(|error| failure(&error))?;
    copied::print(
        &args.target,
        args.verify,
        global,
        |object, _| write_json(object, &report),
        |target| text(&shown(global), target, &report),
    )
}

fn options(args: &ReshardArgs) -> ReshardOptions {
    let mut target = Store::options().codec(args.codec);
    if let Some(shards) = args.shards {
        target = target.shards(shards);
    }
    if let Some(by) = args.route_by {
        target = target.route_by(by);
    }
    if let Some(bytes) = args.segment_bytes {
        target = target.segment_bytes(bytes);
    }
    let progress = Mutex::new(None);
    ReshardOptions::new(target)
        .forget_subscriptions(args.forget_subscriptions)
        .progress(move |copied, all| {
            let mut bar = progress.lock().unwrap_or_else(PoisonError::into_inner);
            let bar = bar.get_or_insert_with(|| Progress::of_events("reshard", all));
            bar.update_events(copied);
        })
}

fn write_json(object: &mut Object<'_>, report: &ReshardReport) {
    object
        .number("shards", report.shards)
        .shown("route_by", report.route_by)
        .number("events", report.events)
        .number("given_up", report.given_up)
        .number("sources", report.sources);
    for (what, names) in [
        ("views", &report.views),
        ("subscriptions", &report.subscriptions),
        ("forgotten_subscriptions", &report.forgotten),
    ] {
        let list = object.value(what);
        write_list(list, names, |out, name| write_json_string(out, name));
    }
    object.number("seconds", format_args!("{:.3}", report.seconds));
}

fn text(store: &str, target: &str, report: &ReshardReport) -> String {
    let mut text = format!(
        "{store} written to {target}: {} events in {} shards by {}, in {}\n",
        count(report.events),
        report.shards,
        report.route_by,
        duration(Duration::from_secs_f64(report.seconds)),
    );
    if report.given_up > 0 {
        let given_up = count(report.given_up);
        text += &format!("left out: {given_up} events that had been given up\n");
    }
    let mut names = |what: &str, names: &[String]| {
        if !names.is_empty() {
            text += &format!("{what}: {}\n", escaped(&names.join(", ")));
        }
    };
    names(
        "views, to be filled when they are first asked",
        &report.views,
    );
    names("subscriptions that go on", &report.subscriptions);
    names("subscriptions that begin anew", &report.forgotten);
    text
}
