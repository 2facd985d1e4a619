//! `eventcask backup`: copies a store, also while another process writes to it.

use std::time::Duration;

use eventcask::upkeep::{BackupReport, VerifyReport};

use super::copied;
use super::store::{failure, open_to_read, shown};
use crate::args::{BackupArgs, Global};
use crate::failure::Failure;
use crate::output::{Object, bytes, count, duration};

pub(super) fn run(args: &BackupArgs, global: &Global) -> Result<(), Failure> {
    let store = open_to_read(global)?;
    let report = store.backup(&args.target).map_err(|e| failure(&e))?;
    copied::print(
        &args.target,
        args.verify,
        global,
        |object, verified| write_json(object, &report, verified),
        |target| text(&shown(global), target, &report),
    )
}

fn write_json(object: &mut Object<'_>, report: &BackupReport, verified: Option<&VerifyReport>) {
    object
        .shown("until", report.until)
        .number("segments", report.segments)
        .number("bytes", report.bytes)
        .number("seconds", format_args!("{:.3}", report.seconds));
    if let Some(verified) = verified {
        object.number("events", verified.events);
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
