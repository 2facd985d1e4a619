//! The machine's own limits, measured in the same process as the load, so that a result is a
//! ratio and not a boast.

mod memory;
mod codecs;
mod disk;
mod plain_log;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::codecs::Codecs;
use self::disk::Disk;
pub(super) use self::disk::SyncUs;
use self::memory::Memory;
use self::plain_log::PlainLog;
use super::tell;
use crate::generate::Generator;
use eventcask_console::failure::{Failure, io_reason};

/// How long each is measured.
const TIME: Duration = Duration::from_millis(300);

/// All of them.
#[derive(Debug, Serialize)]
pub(super) struct Yardsticks {
    #[serde(flatten)]
    pub(super) memory: Memory,
    #[serde(flatten)]
    pub(super) codecs: Codecs,
    #[serde(flatten)]
    pub(super) disk: Disk,
    /// A log written by hand: checksum and bytes of each record, one write and one sync a MiB.
    pub(super) log_one_thread: PlainLog,
    /// The same twice at once, each into a file of its own.
    pub(super) log_two_threads: PlainLog,
}

impl Yardsticks {
    /// Measures them, the disk by files in `directory`, which are removed.
    pub(super) fn measure(
        directory: &Path,
        zstd_level: i32,
        generators: &mut [Generator; 2],
    ) -> Result<Self, Failure> {
        tell("yardsticks: memory, checksum, compression, disk, plain log");
        let of_disk = |error: std::io::Error| {
            let reason = io_reason(&error);
            Failure::in_file(directory, &format!("can not be measured: {reason}"))
        };
        Ok(Self {
            memory: Memory::measure(),
            codecs: Codecs::measure(generators[0].payloads().bytes(), zstd_level),
            disk: Disk::measure(directory).map_err(of_disk)?,
            log_one_thread: plain_log::measure(directory, &mut generators[..1]).map_err(of_disk)?,
            log_two_threads: plain_log::measure(directory, &mut generators[..]).map_err(of_disk)?,
        })
    }
}

/// Does something again and again, and says how often it was done a second.
fn rate<E>(mut step: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    step()?;
    let (started, mut steps) = (Instant::now(), 0_u64);
    while started.elapsed() < TIME {
        step()?;
        steps += 1;
    }
    Ok(steps as f64 / started.elapsed().as_secs_f64())
}

/// [`rate`] of what can not fail.
fn rate_of(mut step: impl FnMut()) -> f64 {
    let done: Result<f64, std::convert::Infallible> = rate(|| {
        step();
        Ok(())
    });
    match done {
        Ok(rate) => rate,
    }
}
