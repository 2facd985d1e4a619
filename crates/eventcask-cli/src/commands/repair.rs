//! `eventcask repair`: keeps all that is whole, and says what was given up.

use eventcask::upkeep::RepairReport;

use super::store::{failure, shown};
use super::verify;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{Object, Out, count, escaped, print_object, write_list, write_problem};

pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let report = eventcask::repair(&global.store).map_err(|error| failure(&error))?;
    if global.json {
        print_object(|object| write_json(object, &report))?;
    } else {
        let mut out = Out::new();
        out.write(text(&shown(global), &report).as_bytes())?;
        out.flush()?;
    }
    verify::damaged(&report.verified, &shown(global))
}

fn write_json(object: &mut Object<'_>, report: &RepairReport) {
    object.number("ok", report.verified.is_ok());
    write_list(
        object.value("repaired"),
        &report.segments,
        |out, segment| {
            let mut object = Object::new(out);
            object
                .text("file", &segment.file)
                .text("reason", &segment.reason);
            if let Some(aside) = &segment.aside {
                object.text("aside", aside);
            }
            object
                .number("first_position", segment.first_position)
                .number("next_position", segment.next_position)
                .number("kept", segment.kept)
                .number("lost", segment.lost);
            object.end();
        },
    );
    let files = |out: &mut Vec<u8>, file: &String| crate::output::write_json_string(out, file);
    write_list(object.value("files"), &report.files, files);
    object.number("lost", report.lost());
    object.number("events", report.verified.events);
    let problems = &report.verified.problems;
    write_list(object.value("problems"), problems, write_problem);
}

fn text(store: &str, report: &RepairReport) -> String {
    let mut text = String::new();
    for segment in &report.segments {
        let (first, next) = (segment.first_position, segment.next_position);
        let (kept, lost) = (count(segment.kept), count(segment.lost));
        let aside = match &segment.aside {
            Some(aside) => format!("; the file as it was is {aside}"),
            None => String::new(),
        };
        text += &escaped(&format!(
            "{}: {}; positions {first} to {next}: {kept} events kept, {lost} given up{aside}",
            segment.file, segment.reason
        ));
        text.push('\n');
    }
    for file in &report.files {
        text += &escaped(file);
        text.push('\n');
    }
    text += &match report.segments.len() + report.files.len() {
        0 => format!("nothing was to be repaired in {store}\n"),
        _ => format!("{store}: {} events given up\n", count(report.lost())),
    };
    text + &verify::text(&report.verified)
}
