//! Where and with what a result was measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

/// The machine, as far as the system tells.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: Option<String>,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) kernel: Option<String>,
    /// Type of the file system that the store is on, and what it is made on.
    pub(crate) filesystem: Option<String>,
    pub(crate) device: Option<String>,
}

impl Machine {
    pub(crate) fn of(directory: &Path) -> Self {
        let (filesystem, device) = mount_of(directory).unzip();
        Self {
            cpu: value_in("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory(),
            kernel: read("/proc/sys/kernel/osrelease"),
            filesystem,
            device,
        }
    }
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn value_in(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory() -> Option<u64> {
    let kib = value_in("/proc/meminfo", "MemTotal")?;
    let kib: u64 = kib.strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// File system and device of the mount with the longest path that `directory` is below.
fn mount_of(directory: &Path) -> Option<(String, String)> {
    let directory = fs::canonicalize(directory).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = |line: &str| {
        let (mount, device) = line.split_once(" - ")?;
        let path = PathBuf::from(mount.split(' ').nth(4)?);
        let mut fields = device.split(' ');
        let filesystem = fields.next()?.to_owned();
        let device = fields.next()?.to_owned();
        (directory.starts_with(&path)).then_some((path, filesystem, device))
    };
    let mounts = mounts.lines().filter_map(mount);
    let longest = mounts.max_by_key(|(path, ..)| path.components().count())?;
    Some((longest.1, longest.2))
}

/// The commit that this program was built from: told at build time, or asked of the working
/// copy that its file lies in.
pub(crate) fn commit() -> Option<String> {
    if let Some(commit) = option_env!("EVENTCASK_COMMIT") {
        return Some(commit.to_owned());
    }
    let program = std::env::current_exe().ok()?;
    let directory = program.parent()?;
    let git = |args: &[&str]| {
        let run = Command::new("git")
            .arg("-C")
            .arg(directory)
            .args(args)
            .output();
        let output = run.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if !top.join("crates/eventcask-cli").is_dir() {
        return None;
    }
    git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ])
}
