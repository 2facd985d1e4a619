//! The report for people.

use super::report::{Report, Spread};
use super::run::Run;
use crate::output::{Table, bytes, count};

pub(super) fn shown(report: &Report) -> String {
    let mut text = String::new();
    for run in &report.runs {
        text += &run_line(run);
    }
    text += "\n";
    text += &figures(report);
    if let Some(run) = report.runs.last() {
        text += &threads(run);
        text += &format!(
            "\n{} on average of other processes' CPU in the last run; generated events {}\n",
            cores(run.cost.other_cpu_cores),
            run.generated,
        );
    }
    text
}

fn cores(cores: Option<f64>) -> String {
    cores.map_or("an unknown amount".to_owned(), |cores| {
        format!("{cores:.2} cores")
    })
}

fn run_line(run: &Run) -> String {
    format!(
        "{} events of {} aggregates in {:.2} s into {} shards: {} stored, {} duplicates\n",
        count(run.events),
        count(run.aggregates),
        run.seconds,
        run.shards,
        count(run.stored),
        count(run.duplicates),
    )
}

fn figures(report: &Report) -> String {
    let mut table = Table::new(&["figure", ">median", ">min", ">max"]);
    for (name, Spread { median, min, max }) in &report.summary {
        let shown = |value: &f64| figure(name, *value);
        table.row([(*name).to_owned(), shown(median), shown(min), shown(max)]);
    }
    table.to_string()
}

fn figure(name: &str, value: f64) -> String {
    if name.ends_with("rss_bytes") {
        bytes(value as u64)
    } else if value < 100.0 {
        format!("{value:.2}")
    } else {
        count(value as u64)
    }
}

/// Where the CPU time of a run went.
fn threads(run: &Run) -> String {
    let mut table = Table::new(&["threads", ">ns CPU an event"]);
    for (name, nanos) in &run.cpu_ns_by_thread {
        table.row([name.clone(), format!("{nanos:.1}")]);
    }
    format!("\n{table}")
}
