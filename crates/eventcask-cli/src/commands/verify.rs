//! `eventcask verify`: reads everything and checks it.

use std::time::Duration;

use eventcask::inspect::Problem;
use eventcask::upkeep::VerifyReport;

use super::store::{failure, shown};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Object, Out, bytes, count, duration, escaped, write_list, write_problem};

pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let report = eventcask::verify(&global.store).map_err(|error| failure(&error))?;
    let mut out = Out::new();
    if global.json {
        let mut line = Vec::new();
        write_json(&mut line, &report);
        line.push(b'\n');
        out.write(&line)?;
    } else {
        out.write(text(&report).as_bytes())?;
    }
    out.flush()?;
    damaged(&report, &shown(global))
}

/// What a report that finds damage ends a command with.
pub(super) fn damaged(report: &VerifyReport, store: &str) -> Result<(), Failure> {
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(Failure::No(format!("{store} is damaged in one place"))),
        places => Err(Failure::No(format!(
            "{store} is damaged in {places} places"
        ))),
    }
}

fn write_json(line: &mut Vec<u8>, report: &VerifyReport) {
    let mut object = Object::new(line);
    object
        .number("ok", report.is_ok())
        .number("blocks", report.blocks)
        .number("events", report.events)
        .number("aggregates", report.aggregates)
        .number("repeated_ids", report.repeated_ids)
        .number("bytes", report.bytes)
        .number("seconds", format_args!("{:.3}", report.seconds))
        .number("bytes_per_second", format_args!("{:.0}", speed(report)));
    write_list(object.value("problems"), &report.problems, write_problem);
    write_list(
        object.value("unfinished"),
        &report.unfinished,
        write_problem,
    );
    object.end();
}

fn speed(report: &VerifyReport) -> f64 {
    report.bytes as f64 / report.seconds.max(1e-6)
}

/// What is wrong and where, one line each, and a verdict.
pub(super) fn text(report: &VerifyReport) -> String {
    let mut text = String::new();
    for Problem {
        file,
        place,
        reason,
        ..
    } in &report.problems
    {
        text += &escaped(&format!("{file}: byte {place}: {reason}"));
        text.push('\n');
    }
    for Problem { file, place, .. } in &report.unfinished {
        text += &format!(
            "{}: an unfinished write at byte {place}, of which nothing was acknowledged; it is set aside when the store is next opened for writing\n",
            escaped(file)
        );
    }
    if report.repeated_ids > 0 {
        text += &format!(
            "{} events have the id of an event of their aggregate before: the window of ids had forgotten it, or that event was given up\n",
            count(report.repeated_ids)
        );
    }
    let verdict = if report.is_ok() {
        "all is well"
    } else {
        "not all is well"
    };
    text += &format!(
        "{verdict}: {} events of {} aggregates in {} blocks read; {} in {}, {}/s\n",
        count(report.events),
        count(report.aggregates),
        count(report.blocks),
        bytes(report.bytes),
        duration(Duration::from_secs_f64(report.seconds)),
        bytes(speed(report) as u64),
    );
    text
}
