//! How measurements that are no benchmarks of `cargo bench` are asked, and say what came out: one
//! JSON object a line.

use std::time::Duration;

/// The value behind `name` on the command line.
#[must_use]
pub fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

/// Prints a figure of which there are some runs: the median, the lowest and the highest.
pub fn print_runs(what: &str, unit: &str, mut runs: Vec<f64>) {
    runs.sort_unstable_by(f64::total_cmp);
    let (Some(low), Some(high)) = (runs.first(), runs.last()) else {
        return;
    };
    let median = runs[runs.len() / 2];
    println!(
        r#"{{"what":"{what}","unit":"{unit}","median":{median:.4},"min":{low:.4},"max":{high:.4},"runs":{}}}"#,
        runs.len()
    );
}

/// Prints the percentiles of times, in microseconds.
pub fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    if times.is_empty() {
        return;
    }
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    println!(
        r#"{{"what":"{what}","unit":"us","p50":{:.2},"p99":{:.2},"max":{:.2},"runs":{}}}"#,
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

/// Seconds of CPU that all threads of this process have had, to a hundredth.
#[must_use]
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program comes before the last bracket and may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|text| text.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Seconds of CPU that this thread has had.
#[must_use]
pub fn thread_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat
        .split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    nanos.unwrap_or(0.0) / 1e9
}
