//! Small files with a checked header: definitions and snapshots of views and projections, snapshots
//! of folded aggregates, the retention, how far subscriptions got, where logs end, and what a store was made of.

use crate::Error;
use crate::disk::storage::{Open, Storage};
use crate::format::checksum::checksum;
use crate::format::manifest::replace;
use crate::format::wire::{self, FILE_HEADER_BYTES, Fields, put};

const MAGIC: [u8; 8] = *b"ECASKFRM";
/// Largest body that is read, in bytes.
const MAX_BODY_BYTES: u64 = 4 << 30;

/// What a framed file holds; the number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FramedKind {
    /// The definition of a view.
    ViewDefinition = 1,
    /// The state of a view in one shard.
    ViewState = 2,
    /// The commit time before which all events are given up.
    Retention = 3,
    /// How far a subscription got.
    Subscription = 6,
    /// The state of one folded aggregate.
    Fold = 4,
    /// Name and version of a projection.
    ProjectionDefinition = 5,
    /// The state of a projection in one shard.
    ProjectionState = 7,
    /// Up to where the logs are known to go.
    Ends = 8,
    /// What a store that was made of another one's events knows of that.
    Origin = 9,
}

/// A body of bytes with what tells whether it still fits its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// The store that it belongs to.
    pub store: u128,
    /// What it holds.
    pub kind: FramedKind,
    /// The shard of a state; 0 for a definition and for the retention.
    pub shard: u32,
    /// Position of the first event that is not in the state; 0 for a definition.
    pub progress: u64,
    /// The [checksum](Self::checksum) of what the state belongs to: the definition of its view, or
    /// name and version of its fold.
    pub definition: u32,
    /// What it is all about.
    pub body: Vec<u8>,
}

impl Framed {
    /// Bytes of the header; the body begins there.
    pub const HEADER_BYTES: usize = FILE_HEADER_BYTES;

    /// The checksum by which a state names its definition.
    #[must_use]
    pub fn checksum(body: &[u8]) -> u32 {
        checksum(body)
    }

    /// Length of its file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        (Self::HEADER_BYTES + self.body.len()) as u64
    }

    /// Writes the file, durable and at once; the one of the same name before is replaced.
    ///
    /// # Errors
    /// What the disk said.
    pub fn write(&self, storage: &dyn Storage, dir: &str, name: &str) -> Result<(), Error> {
        replace(storage, dir, name, &[&self.header(), &self.body])
    }

    /// Writes the file without making it durable, for what can be derived again: after the power
    /// went it may be gone or torn, and reading it says so.
    ///
    /// # Errors
    /// What the disk said.
    pub fn write_loosely(&self, storage: &dyn Storage, dir: &str, name: &str) -> Result<(), Error> {
        let path = format!("{dir}/{name}");
        let new = format!("{path}.new");
        let write = || {
            let file = storage.open(&new, Open::Create)?;
            file.write_all_at(&self.header(), 0)?;
            file.write_all_at(&self.body, FILE_HEADER_BYTES as u64)?;
            storage.rename(&new, &path)
        };
        write().map_err(|error| Error::io("write", &storage.describe(&path), error))
    }

    fn header(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut header = wire::file_header(MAGIC, FILE_HEADER_BYTES as u32, self.store);
        put(&mut header, 56, (self.kind as u32).to_le_bytes());
        put(&mut header, 60, self.shard.to_le_bytes());
        put(&mut header, 64, self.progress.to_le_bytes());
        put(&mut header, 72, self.definition.to_le_bytes());
        put(&mut header, 76, Self::checksum(&self.body).to_le_bytes());
        put(&mut header, 80, (self.body.len() as u64).to_le_bytes());
        wire::seal_file_header(&mut header);
        header
    }

    /// Reads the file called `name`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::NewerFormat`],
    /// [`crate::ErrorKind::OlderFormat`], or what the disk said.
    pub fn read(storage: &dyn Storage, name: &str) -> Result<Self, Error> {
        let shown = storage.describe(name);
        let failed = |error| Error::io("read", &shown, error);
        let file = storage.open(name, Open::Read).map_err(failed)?;
        let mut header = [0; FILE_HEADER_BYTES];
        let read = file.read_at(&mut header, 0).map_err(failed)?;
        let (mut framed, body) = Self::decode_header(&shown, &header[..read])?;
        // Room is made only for a body that is there, and as long as the header says.
        let there = file.len().map_err(failed)?;
        if body.bytes > MAX_BODY_BYTES || there != FILE_HEADER_BYTES as u64 + body.bytes {
            return Err(Error::damaged(&shown, 80, "its length is wrong"));
        }
        framed.body.resize(body.bytes as usize, 0);
        let read = file.read_at(&mut framed.body, FILE_HEADER_BYTES as u64);
        framed.body.truncate(read.map_err(failed)?);
        body.check(&shown, &framed.body)?;
        Ok(framed)
    }

    /// Reads what the file called `name` says of itself, without its body, which is not checked.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_head(storage: &dyn Storage, name: &str) -> Result<Self, Error> {
        Self::read_beginning(storage, name, 0)
    }

    /// As [`read_head`](Self::read_head), with as many bytes of the body, which are not checked
    /// either.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_beginning(storage: &dyn Storage, name: &str, bytes: usize) -> Result<Self, Error> {
        let shown = storage.describe(name);
        let failed = |error| Error::io("read", &shown, error);
        let file = storage.open(name, Open::Read).map_err(failed)?;
        let mut beginning = vec![0; FILE_HEADER_BYTES + bytes];
        let read = file.read_at(&mut beginning, 0).map_err(failed)?;
        let header = &beginning[..read.min(FILE_HEADER_BYTES)];
        let mut framed = Self::decode_header(&shown, header)?.0;
        framed.body = beginning[FILE_HEADER_BYTES.min(read)..read].to_vec();
        Ok(framed)
    }

    /// Reads the framed file in `bytes`; `file` names it in errors.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::NewerFormat`] or
    /// [`crate::ErrorKind::OlderFormat`].
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let (mut framed, body) = Self::decode_header(file, bytes)?;
        body.check(file, &bytes[FILE_HEADER_BYTES..])?;
        framed.body = bytes[FILE_HEADER_BYTES..].to_vec();
        Ok(framed)
    }

    /// Reads the header at the start of `bytes`: all but the body, and what that must be.
    fn decode_header(file: &str, bytes: &[u8]) -> Result<(Self, Body), Error> {
        wire::check_file_header(file, bytes, MAGIC, FILE_HEADER_BYTES as u32, 0)?;
        let fields = Fields(bytes);
        let kind = match fields.u32(56) {
            1 => FramedKind::ViewDefinition,
            2 => FramedKind::ViewState,
            3 => FramedKind::Retention,
            6 => FramedKind::Subscription,
            4 => FramedKind::Fold,
            5 => FramedKind::ProjectionDefinition,
            7 => FramedKind::ProjectionState,
            8 => FramedKind::Ends,
            9 => FramedKind::Origin,
            _ => return Err(Error::damaged(file, 56, "its kind is unknown")),
        };
        if !fields.is_zero(88, 124) {
            return Err(Error::damaged(file, 88, "reserved bytes are in use"));
        }
        let framed = Self {
            store: fields.u128(40),
            kind,
            shard: fields.u32(60),
            progress: fields.u64(64),
            definition: fields.u32(72),
            body: Vec::new(),
        };
        let (checksum, bytes) = (fields.u32(76), fields.u64(80));
        Ok((framed, Body { checksum, bytes }))
    }
}

/// What a header says of its body.
struct Body {
    checksum: u32,
    bytes: u64,
}

impl Body {
    fn check(&self, file: &str, body: &[u8]) -> Result<(), Error> {
        if self.bytes == body.len() as u64 && self.checksum == Framed::checksum(body) {
            return Ok(());
        }
        Err(Error::damaged(
            file,
            FILE_HEADER_BYTES as u64,
            "the checksum of its body is wrong",
        ))
    }
}
