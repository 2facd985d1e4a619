//! Which files rejected rows can not be listed in: inputs, and what is in a store.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Tells whether rejected rows of `inputs` can be listed in a file, whatever its name: by a link,
/// by another path, or as standard input it may be one of them, or a file of the store.
pub(super) fn check_listing(path: &Path, inputs: &[PathBuf], store: &Path) -> Result<(), Failure> {
    let listing = fs::metadata(path).ok().filter(Metadata::is_file);
    if let Some(listing) = &listing {
        let same = |input: &&PathBuf| input_metadata(input).is_ok_and(|it| is_same(&it, listing));
        if let Some(input) = inputs.iter().find(same) {
            let what = format!(
                "is the same file as the input {}; rejected rows are listed in a file of their own",
                input.display()
            );
            return Err(Failure::in_file(path, &what));
        }
        if printed_to().any(|printed| is_same(&printed, listing)) {
            let what =
                "is where the command prints; rejected rows are listed in a file of their own";
            return Err(Failure::in_file(path, what));
        }
    }
    let is_linked = listing.is_some_and(|listing| listing.nlink() > 1 && holds(store, &listing));
    if is_linked || resolved(path).starts_with(resolved(store)) {
        let what = "is in the store; rejected rows are listed in a file elsewhere";
        return Err(Failure::in_file(path, what));
    }
    Ok(())
}

fn input_metadata(input: &Path) -> io::Result<Metadata> {
    if input == Path::new("-") {
        return File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata();
    }
    fs::metadata(input)
}

/// Standard output and standard error, where they can be looked at.
fn printed_to() -> impl Iterator<Item = Metadata> {
    let (out, err) = (io::stdout(), io::stderr());
    let opened = [
        out.as_fd().try_clone_to_owned(),
        err.as_fd().try_clone_to_owned(),
    ];
    let files = opened.into_iter().flatten().map(File::from);
    files.filter_map(|file| file.metadata().ok())
}

fn is_same(one: &Metadata, two: &Metadata) -> bool {
    (one.dev(), one.ino()) == (two.dev(), two.ino())
}

/// Whether a directory, or one in it, has a link to this file.
fn holds(directory: &Path, file: &Metadata) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => holds(&entry.path(), file),
        Ok(metadata) => is_same(&metadata, file),
        Err(_) => false,
    })
}

/// A path without links and dots, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(resolved) = fs::canonicalize(path) {
        return resolved;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent == Path::new("") => {
            resolved(Path::new(".")).join(name)
        }
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    }
}
