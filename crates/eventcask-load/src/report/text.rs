//! The report for people.

use eventcask_console::output::{Table, bytes, count};

use crate::measured::Run;
use crate::measured::spread::Spread;
use crate::report::Report;
use crate::yardsticks::SyncUs;

pub(crate) fn shown(report: &Report) -> String {
    let mut text = String::new();
    for run in &report.runs {
        text += &run_line(run);
    }
    text += "\n";
    text += &figures(report);
    text += &points(report);
    if let Some(run) = report.runs.last() {
        text += &threads(run);
        text += &yardsticks(report);
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
    if report.runs.is_empty() {
        return String::new();
    }
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

/// What a sweep went through.
fn points(report: &Report) -> String {
    if report.points.is_empty() {
        return String::new();
    }
    let names = [
        "events_per_second",
        "cpu_ns_per_event",
        "bytes_per_event",
        "latency_us_p50",
        "latency_us_p99",
    ];
    let head = [">value"].into_iter().map(str::to_owned);
    let head: Vec<_> = head.chain(names.map(|name| format!(">{name}"))).collect();
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for point in &report.points {
        let median = |name: &str| {
            point
                .summary
                .get(name)
                .map(|spread| figure(name, spread.median))
        };
        let cells = names.map(|name| median(name).unwrap_or_default());
        table.row([point.value.clone()].into_iter().chain(cells));
    }
    format!("\n{table}")
}

/// Where the CPU time of a run went.
fn threads(run: &Run) -> String {
    let mut table = Table::new(&["threads", ">ns CPU an event"]);
    for (name, nanos) in &run.cpu_ns_by_thread {
        table.row([name.clone(), format!("{nanos:.1}")]);
    }
    let mut stages = Table::new(&["stage of the engine", ">ns an event"]);
    for (name, nanos) in &run.stage_ns {
        stages.row([(*name).to_owned(), format!("{nanos:.1}")]);
    }
    let per = |whole: u64, parts: u64| count(whole / parts.max(1));
    format!(
        "\n{table}\n{stages}\n{} events a batch, {} bytes a write\n",
        per(run.events, run.batches),
        per(run.written_bytes, run.groups),
    )
}

/// The machine's limits, and how near to them the medians are.
fn yardsticks(report: &Report) -> String {
    let Some(limits) = &report.yardsticks else {
        return String::new();
    };
    let (memory, codecs, disk) = (&limits.memory, &limits.codecs, &limits.disk);
    let (one, two) = (&limits.log_one_thread, &limits.log_two_threads);
    let ratio = |name: &str| report.ratios.get(name).map(|ratio| format!("{ratio:.3}"));
    let mut table = Table::new(&["yardstick", ">limit", ">load / limit"]);
    let mut row = |name: &str, limit: String, of: &str| {
        table.row([name.to_owned(), limit, ratio(of).unwrap_or_default()]);
    };
    let direct = disk.direct_mb_per_second;
    let direct = direct.map_or("refused".to_owned(), |mb| format!("{mb:.0} MB/s"));
    let log = |events: f64, cpu: f64| format!("{} events/s, {cpu:.0} ns CPU", count(events as u64));
    row(
        "memory copy",
        format!("{:.1} GB/s", memory.copy_gb_per_second),
        "memory_copy",
    );
    row(
        "random 64 bytes",
        format!("{:.0} ns", memory.random_64_bytes_ns),
        "",
    );
    row(
        "crc32c",
        format!("{:.1} GB/s", codecs.crc32c_gb_per_second),
        "",
    );
    row(
        &format!("zstd:{}", codecs.zstd_level),
        format!(
            "{:.0} MB/s, to 1/{:.1}",
            codecs.zstd_mb_per_second, codecs.zstd_gain
        ),
        "zstd",
    );
    row(
        "disk, appending 1 MiB",
        format!("{:.0} MB/s", disk.append_mb_per_second),
        "disk_append",
    );
    row(
        "disk, rewriting 1 MiB",
        format!("{:.0} MB/s", disk.rewrite_mb_per_second),
        "disk_rewrite",
    );
    row("disk, the same direct", direct, "disk_direct");
    row("sync after appending 4 KiB", sync(&disk.append_sync_us), "");
    row(
        "sync after rewriting 4 KiB",
        sync(&disk.rewrite_sync_us),
        "sync_p50",
    );
    row(
        "plain log",
        log(one.events_per_second, one.cpu_ns_per_event),
        "log_one_thread",
    );
    row(
        "two plain logs",
        log(two.events_per_second, two.cpu_ns_per_event),
        "log_two_threads",
    );
    format!("\n{table}")
}

fn sync(us: &SyncUs) -> String {
    format!("p50 {} us, p99 {} us", us.p50, us.p99)
}
