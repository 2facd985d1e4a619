//! How fast the disk takes bytes and keeps them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::rate::{TIME, rate};

/// Bytes of a large write, each followed by a sync.
const LARGE: usize = 1 << 20;
const SMALL: usize = 4 << 10;
/// Bytes of a file that was written before.
const FILE: usize = 64 << 20;
/// What direct writes have to be aligned to.
const ALIGNMENT: usize = 4096;
const NAME: &str = "yardstick.tmp";

/// Limits of the disk, all with a sync after each write.
#[derive(Debug, Serialize)]
pub(crate) struct Disk {
    /// 1 MiB at the end of a new file.
    pub(crate) append_mb_per_second: f64,
    /// 1 MiB within a file that was written before.
    pub(crate) rewrite_mb_per_second: f64,
    /// The same past the page cache; none where the file system refuses.
    pub(crate) direct_mb_per_second: Option<f64>,
    /// 4 KiB at the end of a new file.
    pub(crate) append_sync_us: SyncUs,
    /// 4 KiB within a file that was written before.
    pub(crate) rewrite_sync_us: SyncUs,
}

/// Microseconds of a small write and its sync.
#[derive(Debug, Serialize)]
pub(crate) struct SyncUs {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
}

impl Disk {
    pub(crate) fn measure(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        let measured = Self::with_file(&path);
        // A file that could not be made is not there.
        let _ = std::fs::remove_file(&path);
        measured
    }

    fn with_file(path: &Path) -> io::Result<Self> {
        // Zeros may be left out by what is below.
        let mut bytes = vec![0xa5; LARGE + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let large = &mut bytes[start..start + LARGE];
        let append = File::create(path)?;
        let append_mb_per_second = write_rate(&append, large, u64::MAX)?;
        let append = File::create(path)?;
        let append_sync_us = sync_latency(&append, &large[..SMALL], u64::MAX)?;
        let file = File::create(path)?;
        for place in (0..FILE).step_by(LARGE) {
            file.write_all_at(large, place as u64)?;
        }
        file.sync_all()?;
        Ok(Self {
            append_mb_per_second,
            append_sync_us,
            rewrite_mb_per_second: write_rate(&file, large, FILE as u64)?,
            rewrite_sync_us: sync_latency(&file, &large[..SMALL], FILE as u64)?,
            direct_mb_per_second: direct(path)
                .and_then(|file| write_rate(&file, large, FILE as u64))
                .ok(),
        })
    }
}

/// MB a second, written one after the other and again from the start at `end`.
fn write_rate(file: &File, bytes: &[u8], end: u64) -> io::Result<f64> {
    let mut place = 0;
    let writes = rate(|| write_and_sync(file, bytes, &mut place, end))?;
    Ok(writes * bytes.len() as f64 / 1e6)
}

fn write_and_sync(file: &File, bytes: &[u8], place: &mut u64, end: u64) -> io::Result<()> {
    file.write_all_at(bytes, *place)?;
    file.sync_data()?;
    *place += bytes.len() as u64;
    if *place >= end {
        *place = 0;
    }
    Ok(())
}

fn sync_latency(file: &File, bytes: &[u8], end: u64) -> io::Result<SyncUs> {
    let mut latencies = Histogram::<u64>::new(3).expect("three digits are possible");
    let (started, mut place) = (Instant::now(), 0);
    while started.elapsed() < TIME {
        let began = Instant::now();
        write_and_sync(file, bytes, &mut place, end)?;
        latencies.saturating_record(began.elapsed().as_micros() as u64);
    }
    Ok(SyncUs {
        p50: latencies.value_at_quantile(0.5),
        p99: latencies.value_at_quantile(0.99),
    })
}

#[cfg(target_os = "linux")]
fn direct(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    OpenOptions::new()
        .write(true)
        .custom_flags(direct)
        .open(path)
}

#[cfg(not(target_os = "linux"))]
fn direct(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
