//! One file of a store, decoded by itself.

use std::path::Path;

use crate::FIRST_BLOCK;
use crate::Problem;
use crate::disk::file_storage::FileStorage;
use crate::disk::storage::{Open, Storage, StoredFile};
use crate::format::manifest::read_all;
use crate::format::sealed_header::Sealed;
use crate::segment::dir::decode_header;
use crate::segment::scan::{Scan, Step};
use crate::{BlockHead, Error, ErrorKind, Framed, Manifest, NewSegment};

/// What a file of a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Inspection {
    /// The manifest.
    Manifest(Manifest),
    /// A definition or a snapshot of a view.
    Framed(Framed),
    /// A segment.
    Segment(SegmentInspection),
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInspection {
    /// The store's id.
    pub store: u128,
    /// The shard.
    pub shard: u32,
    /// Its own number and what it follows.
    pub header: NewSegment,
    /// What it says of itself where it is sealed.
    pub sealed: Option<Sealed>,
    /// The heads of its good blocks.
    pub blocks: Vec<BlockHead>,
    /// Where the good blocks end before the file does, and why.
    pub problem: Option<Problem>,
}

/// Decodes a manifest, segment, definition or snapshot.
///
/// # Errors
/// [`ErrorKind::NotAStore`] where the file is none of these, [`ErrorKind::NewerFormat`],
/// [`ErrorKind::OlderFormat`], [`ErrorKind::Damaged`], or what the disk said.
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let (Some(dir), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        let message = format!("{} does not name a file", path.display());
        return Err(Error::new(ErrorKind::NotAStore, message));
    };
    let storage = FileStorage::new(dir);
    let file = storage
        .open(name, Open::Read)
        .map_err(|e| Error::io("open", &storage.describe(name), e))?;
    let shown = storage.describe(name);
    let mut magic = [0; 8];
    file.read_at(&mut magic, 0)
        .map_err(|error| Error::io("read", &shown, error))?;
    match &magic {
        b"ECASKSEG" => inspect_segment(&shown, file).map(Inspection::Segment),
        b"ECASKMAN" => {
            Manifest::decode(&shown, &read_all(&storage, name, 4096)?).map(Inspection::Manifest)
        }
        b"ECASKFRM" => Framed::read(&storage, name).map(Inspection::Framed),
        _ => Err(Error::new(
            ErrorKind::NotAStore,
            format!("{shown} is no file of an event store"),
        )),
    }
}

fn inspect_segment(name: &str, file: Box<dyn StoredFile>) -> Result<SegmentInspection, Error> {
    let mut bytes = vec![0; FIRST_BLOCK as usize];
    let read = file
        .read_at(&mut bytes, 0)
        .map_err(|error| Error::io("read", name, error))?;
    let header = decode_header(name, &bytes[..read])?;
    let owner = (header.store, header.shard);
    let scan = Scan::over(file, name.to_owned(), owner, &header.new, FIRST_BLOCK);
    let mut scan = scan.until(header.sealed.as_ref());
    let mut blocks = Vec::new();
    let problem = loop {
        match scan.step()? {
            Step::Block(head) => blocks.push(head),
            Step::End => break None,
            Step::Bad(reason) => break Some(scan.problem(scan.place, reason)),
        }
    };
    let (store, shard) = owner;
    Ok(SegmentInspection {
        store,
        shard,
        header: header.new,
        sealed: header.sealed,
        blocks,
        problem,
    })
}
