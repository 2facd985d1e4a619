//! `eventcask reshard`: writes a store anew with other shards.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eventcask::Store;
use eventcask::upkeep::{ReshardOptions, ReshardReport, VerifyReport, reshard};

use super::store::{failure, shown};
use super::verify;
use crate::args::{Global, ReshardArgs};
use crate::failure::Failure;
use crate::output::{
    Object, Out, count, duration, escaped, print_object, write_json_string, write_list,
    write_problem,
};
use crate::progress::Progress;

pub(super) fn run(args: &ReshardArgs, global: &Global) -> Result<(), Failure> {
    let report = reshard(&global.store, &args.target, &options(args));
    let report = report.map_err(|error| failure(&error))?;
    let verified = match args.verify {
        true => Some(eventcask::verify(&args.target).map_err(|e| failure(&e))?),
        false => None,
    };
    let target = escaped(&args.target.display().to_string()).into_owned();
    if global.json {
        let raw = args.target.display().to_string();
        print_object(|object| write_json(object, &raw, &report, verified.as_ref()))?;
    } else {
        let mut out = Out::new();
        out.write(text(&shown(global), &target, &report).as_bytes())?;
        if let Some(verified) = &verified {
            out.write(verify::text(verified).as_bytes())?;
        }
        out.flush()?;
    }
    verified.map_or(Ok(()), |report| verify::damaged(&report, &target))
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

fn write_json(
    object: &mut Object<'_>,
    target: &str,
    report: &ReshardReport,
    verified: Option<&VerifyReport>,
) {
    object
        .text("target", target)
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
    if let Some(verified) = verified {
        object.number("ok", verified.is_ok());
        write_list(object.value("problems"), &verified.problems, write_problem);
    }
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
