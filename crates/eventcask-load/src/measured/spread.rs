//! Figures over several runs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measured::Run;

/// Spreads by the names of figures.
pub(crate) type Summary = BTreeMap<&'static str, Spread>;

/// One figure over several runs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
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

/// Median, least and greatest of each figure.
pub(crate) fn summary(runs: &[Run]) -> Summary {
    let spread = |(name, figure): &Figure| {
        let values: Option<Vec<f64>> = runs.iter().map(figure).collect();
        Some((*name, Spread::of(values?)?))
    };
    FIGURES.iter().filter_map(spread).collect()
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
