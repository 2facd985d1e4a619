//! What became of the rows.

use std::io::Write as _;
use std::io::stderr;
use std::time::Duration;

use eventcask::stats::Stats;

use super::super::stats::bytes_per_event;
use super::super::store::shown;
use super::flushes::Flushes;
use super::rejects::Rejects;
use crate::args::{Global, IngestArgs};
use crate::failure::Failure;
use crate::output::{Object, Out, bytes, count, duration, escaped};

/// Everything that is known at the end.
pub(super) struct Summary<'a> {
    pub(super) args: &'a IngestArgs,
    pub(super) global: &'a Global,
    /// Figures of the store, unless nothing was put into one.
    pub(super) stats: Option<Stats>,
    /// Events that the store gained.
    pub(super) gained: u64,
    pub(super) flushes: Flushes,
    pub(super) rejects: Rejects,
    /// File and line of last rows that have no end yet.
    pub(super) waiting: Vec<String>,
    pub(super) seconds: f64,
}

impl Summary<'_> {
    /// Prints it: as one line of JSON, or as text; beside acknowledgements, text goes to
    /// standard error.
    pub(super) fn print(&self, failed: Option<&Failure>) -> Result<(), Failure> {
        if !self.global.json && self.args.acks {
            // Who has closed standard error does not want to know.
            let _ = stderr().write_all(self.text(failed).as_bytes());
            return Ok(());
        }
        let mut out = Out::new();
        if self.global.json {
            let mut line = Vec::new();
            self.write_json(&mut line, failed);
            line.push(b'\n');
            out.write(&line)?;
        } else {
            out.write(self.text(failed).as_bytes())?;
        }
        out.flush()
    }

    /// Rows that were stored now. After a refusal the answers do not tell, but the store does.
    fn stored(&self) -> u64 {
        self.gained.max(self.flushes.stored())
    }

    /// A figure of the store, 0 where there is none.
    fn figure(&self, figure: impl Fn(&Stats) -> u64) -> u64 {
        self.stats.as_ref().map_or(0, figure)
    }

    /// Rows of which it is known what became of them.
    fn rows(&self) -> u64 {
        self.stored() + self.flushes.duplicates() + self.rejects.count()
    }

    fn events_per_second(&self) -> f64 {
        let events = self.stored() + self.flushes.duplicates();
        events as f64 / self.seconds.max(1e-6)
    }

    fn write_json(&self, line: &mut Vec<u8>, failed: Option<&Failure>) {
        let mut object = Object::new(line);
        object
            .number("rows", self.rows())
            .number("stored", self.stored())
            .number("duplicates", self.flushes.duplicates())
            .number("rejected", self.rejects.count())
            .number("aggregates", self.figure(|stats| stats.aggregates))
            .number("seconds", format_args!("{:.3}", self.seconds))
            .number(
                "events_per_second",
                format_args!("{:.0}", self.events_per_second()),
            )
            .number("raw_bytes", self.figure(|stats| stats.raw_bytes))
            .number("disk_bytes", self.figure(|stats| stats.disk_bytes))
            .number(
                "bytes_per_event",
                format_args!("{:.2}", self.stats.as_ref().map_or(0.0, bytes_per_event)),
            )
            .shown("durability", self.args.durability)
            .number("shards", self.figure(|stats| stats.shards.len() as u64));
        self.write_latencies(object.value("ack_us"));
        object.number("events", self.figure(|stats| stats.events));
        if !self.waiting.is_empty() {
            object.number("waiting", self.waiting.len());
        }
        match failed {
            None => {}
            Some(Failure::Interrupted) => {
                object.number("interrupted", true);
            }
            Some(failure) => {
                object.text("error", &failure.to_string());
            }
        }
        object.end();
    }

    fn write_latencies(&self, out: &mut Vec<u8>) {
        let mut object = Object::new(out);
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            object.number(name, self.flushes.latency_us(quantile));
        }
        object.end();
    }

    fn text(&self, failed: Option<&Failure>) -> String {
        let mut text = self.rows_text(failed);
        if let Some(first) = self.rejects.first() {
            let rejected = count(self.rejects.count());
            text += &format!("rejected: {rejected}, the first: {}\n", escaped(first));
        }
        for place in &self.waiting {
            let place = escaped(place);
            text += &format!(
                "waiting: {place}, the last row, has no end of line yet; end it, or read the file through a pipe, and it is taken\n"
            );
        }
        let Some(stats) = &self.stats else {
            return text;
        };
        text += &format!(
            "acknowledged: after {} in the median, {} at 99 %, {} at most; durability {}\n",
            self.latency(0.5),
            self.latency(0.99),
            self.latency(1.0),
            self.args.durability,
        );
        text += &format!(
            "store {}: {} events of {} aggregates in {} shards\n{} raw, {} on disk, {:.1} bytes an event\n",
            shown(self.global),
            count(stats.events),
            count(stats.aggregates),
            stats.shards.len(),
            bytes(stats.raw_bytes),
            bytes(stats.disk_bytes),
            bytes_per_event(stats),
        );
        text
    }

    fn rows_text(&self, failed: Option<&Failure>) -> String {
        let interrupted = match failed {
            Some(Failure::Interrupted) => "interrupted: ",
            _ => "",
        };
        format!(
            "{interrupted}{} rows in {}: {} stored, {} known before; {} events/s\n",
            count(self.rows()),
            duration(Duration::from_secs_f64(self.seconds)),
            count(self.stored()),
            count(self.flushes.duplicates()),
            count(self.events_per_second() as u64),
        )
    }

    fn latency(&self, quantile: f64) -> String {
        duration(Duration::from_micros(self.flushes.latency_us(quantile)))
    }
}
