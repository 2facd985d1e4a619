//! The yardstick: an append-only log as one would write it by hand. A record is its checksum and
//! its parts, each with its length; one write and one sync a MiB. No ids are looked up, nothing is
//! indexed, no view is kept.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;

use eventcask_benches::Load;

/// Bytes between two syncs.
const SYNC_EVERY: usize = 1 << 20;

/// Writes all events, with so many threads, a file each.
pub(super) fn write(directory: &Path, load: &[Load], threads: usize) {
    fs::create_dir(directory).expect("a directory can be made");
    thread::scope(|scope| {
        for (number, load) in load.chunks(load.len().div_ceil(threads)).enumerate() {
            let path = directory.join(number.to_string());
            scope.spawn(move || write_file(&path, load));
        }
    });
}

fn write_file(path: &Path, load: &[Load]) {
    let mut file = File::create(path).expect("a file can be made");
    let mut buffer = Vec::with_capacity(2 * SYNC_EVERY);
    for one in load {
        add_record(&mut buffer, one);
        if buffer.len() >= SYNC_EVERY {
            write_and_sync(&mut file, &mut buffer);
        }
    }
    write_and_sync(&mut file, &mut buffer);
}

fn write_and_sync(file: &mut File, buffer: &mut Vec<u8>) {
    file.write_all(buffer)
        .and_then(|()| file.sync_data())
        .expect("the disk takes it");
    buffer.clear();
}

fn add_record(out: &mut Vec<u8>, one: &Load) {
    let start = out.len();
    let [key, name] = [one.key.len(), one.event_type.len()].map(|length| length as u16);
    out.extend([0; 4]);
    out.extend(key.to_le_bytes());
    out.extend(name.to_le_bytes());
    out.extend((one.payload.len() as u32).to_le_bytes());
    out.extend(one.id.as_u128().to_le_bytes());
    out.extend(one.key.as_bytes());
    out.extend(one.event_type.as_bytes());
    out.extend(&one.payload);
    let checksum = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
}
