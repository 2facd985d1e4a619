//! All runs together, as one document.

use std::collections::BTreeMap;
use std::path::Path;

use eventcask::Codec;
use serde::Serialize;

use super::machine::{Machine, commit};
use super::place::Place;
use super::run::{Run, yardstick_generators};
use super::sweep::Point;
use super::yardsticks::Yardsticks;
use crate::args::{Amount, Ids, LoadArgs, Project, Sweep};
use crate::generate::PayloadKind;
use eventcask_console::failure::Failure;

/// What the command says at the end.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) command: &'static str,
    pub(super) version: &'static str,
    pub(super) commit: Option<String>,
    pub(super) machine: Machine,
    pub(super) parameters: Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) yardsticks: Option<Yardsticks>,
    pub(super) runs: Vec<Run>,
    /// Of each figure over the runs.
    pub(super) summary: Summary,
    /// The medians as fractions of the yardsticks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ratios: BTreeMap<&'static str, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sweep: Option<Sweep>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) points: Vec<Point>,
}

/// Spreads by the names of figures.
pub(super) type Summary = BTreeMap<&'static str, Spread>;

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Parameters {
    pub(super) events: Option<Amount>,
    pub(super) seconds: Option<f64>,
    pub(super) aggregates: Amount,
    pub(super) skew: String,
    pub(super) types: u32,
    pub(super) payload_bytes: u32,
    pub(super) payload: PayloadKind,
    pub(super) rate: Option<Amount>,
    pub(super) producers: u32,
    pub(super) owned: bool,
    pub(super) one_by_one: bool,
    pub(super) durability: String,
    pub(super) codec: String,
    pub(super) shards: Option<u32>,
    pub(super) threads: Option<usize>,
    pub(super) ids: Ids,
    pub(super) duplicates: f64,
    pub(super) dedup_window: String,
    pub(super) fill_window: Option<Amount>,
    pub(super) project: Project,
    pub(super) batch_bytes: Option<usize>,
    pub(super) linger_us: Option<u64>,
    pub(super) segment_bytes: Option<u64>,
    pub(super) seal: bool,
    pub(super) sealed: bool,
    pub(super) warmup: Option<f64>,
    pub(super) runs: u32,
    pub(super) seed: u64,
}

/// One figure over several runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

type Figure = (&'static str, fn(&Run) -> Option<f64>);

/// The figures that are summed up.
const FIGURES: [Figure; 12] = [
    ("events_per_second", |run| Some(run.events_per_second)),
    ("mb_per_second", |run| Some(run.mb_per_second)),
    ("bytes_per_event", |run| Some(run.bytes_per_event)),
    ("cpu_ns_per_event", |run| Some(run.cpu_ns_per_event)),
    ("latency_us_p50", |run| Some(run.latency_us.p50 as f64)),
    ("latency_us_p90", |run| Some(run.latency_us.p90 as f64)),
    ("latency_us_p99", |run| Some(run.latency_us.p99 as f64)),
    ("latency_us_p999", |run| Some(run.latency_us.p999 as f64)),
    ("latency_us_max", |run| Some(run.latency_us.max as f64)),
    ("peak_rss_bytes", |run| {
        run.cost.peak_rss_bytes.map(|bytes| bytes as f64)
    }),
    ("other_cpu_cores", |run| run.cost.other_cpu_cores),
    ("sealed_events_per_second", |run| {
        Some(run.sealed.as_ref()?.events_per_second)
    }),
];

impl Report {
    pub(super) fn new(args: &LoadArgs, store: &Path) -> Self {
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

    pub(super) fn add_runs(&mut self, runs: Vec<Run>) {
        self.runs = runs;
        self.summary = summary(&self.runs);
        if let Some(yardsticks) = &self.yardsticks {
            self.ratios = ratios(&self.summary, yardsticks);
        }
    }

    /// Adds what was measured with one value of what a sweep changes.
    pub(super) fn add_point(&mut self, value: String, runs: Vec<Run>) {
        let summary = summary(&runs);
        let point = Point {
            value,
            runs,
            summary,
        };
        self.points.push(point);
    }

    /// Measures the machine's own limits, where the store is going to be.
    pub(super) fn measure_yardsticks(
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

    pub(super) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map_err(|error| Failure::Engine(format!("the report can not be written: {error}")))
    }

    /// Whether the store counted what was sent.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let of_points = self.points.iter().flat_map(|point| &point.runs);
        let mut runs = self.runs.iter().chain(of_points);
        match runs.find_map(|run| run.mismatch.as_ref()) {
            Some(mismatch) => Err(Failure::No(mismatch.clone())),
            None => Ok(()),
        }
    }
}

/// Median, least and greatest of each figure.
fn summary(runs: &[Run]) -> Summary {
    let spread = |(name, figure): &Figure| {
        let values: Option<Vec<f64>> = runs.iter().map(figure).collect();
        Some((*name, Spread::of(values?)?))
    };
    FIGURES.iter().filter_map(spread).collect()
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

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (upper, lower) = (values.len() / 2, (values.len() - 1) / 2);
        let median = f64::midpoint(values[lower], values[upper]);
        Some(Self { median, min, max })
    }
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
            durability: args.durability.to_string(),
            codec: args.codec.to_string(),
            shards: args.shards,
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
