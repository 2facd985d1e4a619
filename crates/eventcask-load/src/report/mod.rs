//! All runs together, as one document.

mod machine;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::path::Path;

use eventcask::Codec;
use eventcask_console::failure::Failure;
use serde::Serialize;

use self::machine::{Machine, commit};
use crate::args::{Amount, Call, Ids, LoadArgs, Project, Sweep};
use crate::generate::PayloadKind;
use crate::measured::spread::{Summary, summary};
use crate::measured::sweep::Point;
use crate::measured::{Run, yardstick_generators};
use crate::place::Place;
use crate::yardsticks::Yardsticks;

/// What the command says at the end.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) command: &'static str,
    pub(crate) version: &'static str,
    pub(crate) commit: Option<String>,
    pub(crate) machine: Machine,
    pub(crate) parameters: Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) yardsticks: Option<Yardsticks>,
    pub(crate) runs: Vec<Run>,
    /// Of each figure over the runs.
    pub(crate) summary: Summary,
    /// The medians as fractions of the yardsticks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ratios: BTreeMap<&'static str, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sweep: Option<Sweep>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) points: Vec<Point>,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Parameters {
    pub(crate) events: Option<Amount>,
    pub(crate) seconds: Option<f64>,
    pub(crate) aggregates: Amount,
    pub(crate) skew: String,
    pub(crate) types: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) payload: PayloadKind,
    pub(crate) rate: Option<Amount>,
    pub(crate) producers: u32,
    pub(crate) owned: bool,
    pub(crate) one_by_one: bool,
    pub(crate) by: Call,
    pub(crate) durability: String,
    pub(crate) codec: String,
    pub(crate) shards: Option<u32>,
    pub(crate) route_by: Option<String>,
    pub(crate) threads: Option<usize>,
    pub(crate) ids: Ids,
    pub(crate) duplicates: f64,
    pub(crate) dedup_window: String,
    pub(crate) fill_window: Option<Amount>,
    pub(crate) project: Project,
    pub(crate) batch_bytes: Option<usize>,
    pub(crate) linger_us: Option<u64>,
    pub(crate) segment_bytes: Option<u64>,
    pub(crate) seal: bool,
    pub(crate) sealed: bool,
    pub(crate) warmup: Option<f64>,
    pub(crate) runs: u32,
    pub(crate) seed: u64,
}

impl Report {
    pub(crate) fn new(args: &LoadArgs, store: &Path) -> Self {
        Self {
            command: "load",
            version: env!("CARGO_PKG_VERSION"),
            commit: commit(),
            machine: Machine::of(store),
            parameters: Parameters::of(args),
            yardsticks: None,
            runs: Vec::new(),
            summary: BTreeMap::new(),
            ratios: BTreeMap::new(),
            sweep: args.sweep,
            points: Vec::new(),
        }
    }

    pub(crate) fn add_runs(&mut self, runs: Vec<Run>) {
        self.runs = runs;
        self.summary = summary(&self.runs);
        if let Some(yardsticks) = &self.yardsticks {
            self.ratios = ratios(&self.summary, yardsticks);
        }
    }

    /// Adds what was measured with one value of what a sweep changes.
    pub(crate) fn add_point(&mut self, value: String, runs: Vec<Run>) {
        let summary = summary(&runs);
        let point = Point {
            value,
            runs,
            summary,
        };
        self.points.push(point);
    }

    /// Measures the machine's own limits, where the store is going to be.
    pub(crate) fn measure_yardsticks(
        &mut self,
        args: &LoadArgs,
        place: &Place,
    ) -> Result<(), Failure> {
        let level = match args.codec {
            Codec::Zstd(level) | Codec::TextZstd(level) => level,
            // What `auto` takes.
            _ => 1,
        };
        let mut generators = yardstick_generators(args);
        let directory = place.for_yardsticks();
        let measured = Yardsticks::measure(directory, level, &mut generators)?;
        self.yardsticks = Some(measured);
        Ok(())
    }

    pub(crate) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|error| Failure::Engine(format!("the report can not be written: {error}")))
    }

    /// Whether the store counted what was sent.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let of_points = self.points.iter().flat_map(|point| &point.runs);
        let mut runs = self.runs.iter().chain(of_points);
        match runs.find_map(|run| run.mismatch.as_ref()) {
            Some(mismatch) => Err(Failure::No(mismatch.clone())),
            None => Ok(()),
        }
    }
}

/// How near the medians are to the machine's limits.
fn ratios(summary: &Summary, yardsticks: &Yardsticks) -> BTreeMap<&'static str, f64> {
    let figure = |name: &str| summary.get(name).map(|spread| spread.median);
    let [events, bytes] = ["events_per_second", "mb_per_second"].map(figure);
    let disk = &yardsticks.disk;
    let (one, two) = (&yardsticks.log_one_thread, &yardsticks.log_two_threads);
    let of = |name, value: Option<f64>, limit: f64| Some((name, value? / limit));
    let ratios = [
        of("log_one_thread", events, one.events_per_second),
        of("log_two_threads", events, two.events_per_second),
        of(
            "memory_copy",
            bytes,
            yardsticks.memory.copy_gb_per_second * 1e3,
        ),
        of("zstd", bytes, yardsticks.codecs.zstd_mb_per_second),
        of("disk_append", bytes, disk.append_mb_per_second),
        of("disk_rewrite", bytes, disk.rewrite_mb_per_second),
        of(
            "disk_direct",
            bytes,
            disk.direct_mb_per_second.unwrap_or(f64::NAN),
        ),
        of(
            "sync_p50",
            figure("latency_us_p50"),
            disk.rewrite_sync_us.p50 as f64,
        ),
    ];
    ratios
        .into_iter()
        .flatten()
        .filter(|(_, ratio)| ratio.is_finite())
        .collect()
}

impl Parameters {
    fn of(args: &LoadArgs) -> Self {
        Self {
            events: args.events,
            seconds: args.seconds,
            aggregates: args.aggregates,
            skew: args.skew.to_string(),
            types: args.types,
            payload_bytes: args.payload_bytes,
            payload: args.payload,
            rate: args.rate,
            producers: args.producers,
            owned: args.owned,
            one_by_one: args.one_by_one,
            by: args.by,
            durability: args.durability.to_string(),
            codec: args.codec.to_string(),
            shards: args.shards,
            route_by: args.route_by.map(|by| by.to_string()),
            threads: args.threads,
            ids: args.ids,
            duplicates: args.duplicates,
            dedup_window: args.dedup_window.to_string(),
            fill_window: args.fill_window,
            project: args.project,
            batch_bytes: args.batch_bytes,
            linger_us: args.linger_us,
            segment_bytes: args.segment_bytes,
            seal: !args.no_seal,
            sealed: args.sealed,
            warmup: args.warmup,
            runs: args.runs,
            seed: args.seed,
        }
    }
}
