//! The machine's own limits, measured in the same process as the load, so that a result is a
//! ratio and not a boast.

mod rate;
mod memory;
mod codecs;
mod disk;
mod plain_log;

use std::path::Path;

use eventcask_console::failure::{Failure, io_reason};
use serde::Serialize;

use self::codecs::Codecs;
use self::disk::Disk;
pub(crate) use self::disk::SyncUs;
use self::memory::Memory;
use self::plain_log::PlainLog;
use crate::generate::Generator;
use crate::progress::tell;

/// All of them.
#[derive(Debug, Serialize)]
pub(crate) struct Yardsticks {
    #[serde(flatten)]
    pub(crate) memory: Memory,
    #[serde(flatten)]
    pub(crate) codecs: Codecs,
    #[serde(flatten)]
    pub(crate) disk: Disk,
    /// A log written by hand: checksum and bytes of each record, one write and one sync a MiB.
    pub(crate) log_one_thread: PlainLog,
    /// The same twice at once, each into a file of its own.
    pub(crate) log_two_threads: PlainLog,
}

impl Yardsticks {
    /// Measures them, the disk by files in `directory`, which are removed.
    pub(crate) fn measure(
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
