//! `eventcask backup`: copies a store, also while another process writes to it.

use std::time::Duration;

use eventcask::upkeep::{BackupReport, VerifyReport};

use super::store::{failure, open_to_read, shown};
use super::verify;
use crate::args::{BackupArgs, Global};
use crate::failure::Failure;
use crate::output::{
    Object, Out, bytes, count, duration, escaped, print_object, write_list, write_problem,
};

pub(super) fn run(args: &BackupArgs, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let report = store.backup(&args.target).map_err(|e| failure(&e))?;
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

fn write_json(
    object: &mut Object<'_>,
    target: &str,
    report: &BackupReport,
    verified: Option<&VerifyReport>,
) {
    object
        .text("target", target)
        .shown("until", report.until)
        .number("segments", report.segments)
        .number("bytes", report.bytes)
        .number("seconds", format_args!("{:.3}", report.seconds));
    if let Some(verified) = verified {
        object
            .number("ok", verified.is_ok())
            .number("events", verified.events);
        write_list(object.value("problems"), &verified.problems, write_problem);
    }
}

fn text(store: &str, target: &str, report: &BackupReport) -> String {
    format!(
        "{store} copied to {target}: everything before {}; {} segments, {} in {}\n",
        report.until,
        count(report.segments),
        bytes(report.bytes),
        duration(Duration::from_secs_f64(report.seconds)),
    )
}
