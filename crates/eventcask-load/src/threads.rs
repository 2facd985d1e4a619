//! CPU time by thread, as far as the system tells.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the calling thread so far.
pub(crate) fn own_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

/// CPU time of the process so far, also of threads that have ended.
pub(crate) fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// CPU time of each thread that runs now. Empty where the system does not tell.
#[derive(Debug, Default)]
pub(crate) struct Threads(BTreeMap<String, (String, Duration)>);

impl Threads {
    pub(crate) fn now() -> Self {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else {
            return Self::default();
        };
        let one = |task: fs::DirEntry| {
            let number = task.file_name().into_string().ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let schedule = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let nanos = schedule.split(' ').next()?.parse().ok()?;
            let is_main = number.parse() == Ok(std::process::id());
            let name = if is_main { "main" } else { &name };
            Some((number, (group(name), Duration::from_nanos(nanos))))
        };
        Self(tasks.flatten().filter_map(one).collect())
    }

    /// CPU time since `before` by the name of the threads, the largest first. A thread that
    /// ended in between is not among them.
    pub(crate) fn since(&self, before: &Self) -> Vec<(String, Duration)> {
        let mut groups = BTreeMap::<&str, Duration>::new();
        for (number, (name, cpu)) in &self.0 {
            let earlier = before.0.get(number).map_or(Duration::ZERO, |(_, cpu)| *cpu);
            *groups.entry(name).or_default() += cpu.saturating_sub(earlier);
        }
        let mut groups: Vec<_> = groups.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        groups.sort_by_key(|(_, cpu)| std::cmp::Reverse(*cpu));
        groups
    }
}

/// The name without the number behind it; the system keeps only 15 letters of it.
fn group(name: &str) -> String {
    let name = name.trim_end();
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
        .to_owned()
}
