//! What a stretch of time cost: CPU, memory, and what others took of the machine.

use std::fs;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::threads::{Threads, process_cpu};

/// Ticks a second in `/proc/stat`, which the system never changes.
const TICKS: f64 = 100.0;

/// Begins to measure.
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
    threads: Threads,
    machine: Option<Ticks>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu_seconds: f64,
    /// CPU time of threads by their name.
    #[serde(skip)]
    pub(crate) threads: Vec<(String, Duration)>,
    /// Cores that other processes had on average.
    pub(crate) other_cpu_cores: Option<f64>,
    /// Cores that the host of a virtual machine gave to others on average.
    pub(crate) stolen_cpu_cores: Option<f64>,
    /// The most memory that the process had since the meter began.
    pub(crate) peak_rss_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Ticks {
    busy: f64,
    stolen: f64,
}

impl Meter {
    pub(crate) fn begin() -> Self {
        // Where this is not allowed, the peak is one since the process began.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self {
            threads: Threads::now(),
            machine: Ticks::now(),
            began: Instant::now(),
            cpu: process_cpu(),
        }
    }

    pub(crate) fn end(&self) -> Cost {
        let cpu = (process_cpu() - self.cpu).as_secs_f64();
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        let machine = self.machine.zip(Ticks::now());
        let others = |(before, now): (Ticks, Ticks)| {
            // Ticks are coarse: less than nothing is nothing.
            ((now.busy - before.busy) / TICKS - cpu).max(0.0) / seconds
        };
        let stolen = |(before, now): (Ticks, Ticks)| (now.stolen - before.stolen) / TICKS / seconds;
        Cost {
            cpu_seconds: cpu,
            threads: Threads::now().since(&self.threads),
            other_cpu_cores: machine.map(others),
            stolen_cpu_cores: machine.map(stolen),
            peak_rss_bytes: peak_rss(),
        }
    }
}

impl Ticks {
    /// Of all cores since the machine was started: user, nice, system, idle, iowait, irq,
    /// softirq, steal.
    fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
        let busy = [0, 1, 2, 5, 6].iter().map(|at| ticks.get(*at));
        Some(Self {
            busy: busy.sum::<Option<f64>>()?,
            stolen: *ticks.get(7)?,
        })
    }
}

fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
