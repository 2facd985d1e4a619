//! A log as one would write it by hand: no ids are looked up, nothing is indexed, no view is
//! kept. A record is its checksum and its parts, each with its length; one write and one sync
//! a MiB.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use eventcask::EventId;
use serde::Serialize;

use crate::generate::{Generator, Made};
use crate::threads::own_cpu;

const BUFFER: usize = 1 << 20;
/// Longer than the others: a second has some hundred syncs.
const TIME: Duration = Duration::from_millis(900);

/// What such a log takes.
#[derive(Debug, Serialize)]
pub(crate) struct PlainLog {
    pub(crate) events_per_second: f64,
    pub(crate) cpu_ns_per_event: f64,
    pub(crate) bytes_per_event: f64,
}

/// What one thread wrote.
struct Written {
    events: u64,
    bytes: u64,
    cpu: Duration,
}

/// Writes with a thread for each generator, into a file each.
pub(crate) fn measure(directory: &Path, generators: &mut [Generator]) -> io::Result<PlainLog> {
    let started = Instant::now();
    let written: Vec<Written> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, generator) in generators.iter_mut().enumerate() {
            let path = directory.join(format!("plain-log-{number}.tmp"));
            threads.push(scope.spawn(move || write_and_remove(&path, generator)));
        }
        let ends = threads.into_iter().map(|thread| {
            let result = thread.join();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ends.collect::<io::Result<_>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let events = written.iter().map(|one| one.events).sum::<u64>() as f64;
    let cpu: Duration = written.iter().map(|one| one.cpu).sum();
    Ok(PlainLog {
        events_per_second: events / seconds,
        cpu_ns_per_event: cpu.as_secs_f64() * 1e9 / events,
        bytes_per_event: written.iter().map(|one| one.bytes).sum::<u64>() as f64 / events,
    })
}

fn write_and_remove(path: &PathBuf, generator: &mut Generator) -> io::Result<Written> {
    let written = write(path, generator);
    // A file that could not be made is not there.
    let _ = std::fs::remove_file(path);
    written
}

fn write(path: &Path, generator: &mut Generator) -> io::Result<Written> {
    let mut file = File::create(path)?;
    let mut buffer = Vec::with_capacity(2 * BUFFER);
    let mut written = Written {
        events: 0,
        bytes: 0,
        cpu: Duration::ZERO,
    };
    let cpu = own_cpu();
    let started = Instant::now();
    while started.elapsed() < TIME {
        buffer.clear();
        while buffer.len() < BUFFER {
            add_record(&mut buffer, &generator.make());
            written.events += 1;
        }
        file.write_all(&buffer)?;
        file.sync_data()?;
        written.bytes += buffer.len() as u64;
    }
    written.cpu = own_cpu() - cpu;
    Ok(written)
}

fn add_record(out: &mut Vec<u8>, made: &Made<'_>) {
    let start = out.len();
    let event = &made.event;
    let [key, name] = [made.key.len(), event.event_type.len()].map(|length| length as u16);
    out.extend([0; 4]);
    out.extend(key.to_le_bytes());
    out.extend(name.to_le_bytes());
    out.extend((event.payload.len() as u32).to_le_bytes());
    let id = event.id.map_or(0, EventId::as_u128);
    out.extend(id.to_le_bytes());
    out.extend(made.key.as_bytes());
    out.extend(event.event_type.as_bytes());
    out.extend(event.payload);
    let checksum = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
}
