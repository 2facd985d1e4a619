//! A file system of a few MiB, mounted for one test.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::Place;

/// It is there as long as this is; drop it before the [`Place`] that it is in.
pub(crate) struct SmallDisk {
    root: PathBuf,
}

/// What it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Memory; it can be as full as full can be.
    Tmpfs,
    /// An image of ext4, through a loop device.
    Ext4,
}

impl SmallDisk {
    /// Mounts a disk; where that can not be done, it says so and why.
    pub(crate) fn mount(place: &Place, kind: Kind, megabytes: u64) -> Option<Self> {
        let root = place.path("disk");
        fs::create_dir(&root).expect("there is room for a directory");
        let size = format!("size={megabytes}m");
        let mounted = match kind {
            Kind::Tmpfs => mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], &root),
            Kind::Ext4 => {
                make_ext4(place, megabytes).and_then(|image| mount(&["-o", "loop", &image], &root))
            }
        };
        match mounted {
            Ok(()) => Some(Self { root }),
            Err(reason) => {
                println!("nothing was tried: a small {kind:?} can not be mounted: {reason}");
                None
            }
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Takes so many MiB away, until [`free`](Self::free).
    pub(crate) fn take(&self, megabytes: usize) {
        let block = vec![7; 1 << 20];
        let mut file = File::create(self.path("ballast")).expect("there is room for a name");
        for _ in 0..megabytes {
            file.write_all(&block).expect("there is room for it");
        }
        file.sync_all().expect("there is room for it");
    }

    /// Takes all there is, to the last byte that one gets.
    pub(crate) fn take_all(&self) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("ballast"));
        let mut file = file.expect("there is room for a name");
        // A sync settles what a file system had put by, and may set some of it free.
        while take_rest(&mut file) {
            let _ = file.sync_all();
        }
    }

    /// Gives back what was taken. ext4 gives it to others once its journal has settled that: on a
    /// busy machine what came next found no room.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path("ballast")).expect("it was taken");
        run(Command::new("sync").arg("-f").arg(&self.root)).expect("it can be settled");
    }
}

/// Takes what one gets without a sync, and says whether that was anything.
fn take_rest(file: &mut File) -> bool {
    let mut any = false;
    for bytes in [1 << 16, 4096, 512, 1] {
        while is_written(file, &vec![7; bytes]) {
            any = true;
        }
    }
    any
}

fn is_written(file: &mut File, bytes: &[u8]) -> bool {
    match file.write(bytes) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::StorageFull => false,
        Err(error) => panic!("{error}"),
    }
}

fn make_ext4(place: &Place, megabytes: u64) -> Result<String, String> {
    let image = place.path("disk.ext4");
    let file = File::create(&image).expect("there is room for a file");
    file.set_len(megabytes << 20).expect("there is room for it");
    let image = image.display().to_string();
    // Blocks that only root gets would be there after all is taken.
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", &image]))?;
    Ok(image)
}

fn mount(args: &[&str], root: &Path) -> Result<(), String> {
    run(Command::new("mount").args(args).arg(root))
}

/// Runs a command; if it fails, what it said.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = run(Command::new("umount").arg("-l").arg(&self.root));
        if let Err(reason) = unmounted {
            println!("{} is still mounted: {reason}", self.root.display());
        }
    }
}
