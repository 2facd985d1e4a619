//! The files of one shard.

use std::fmt;
use std::sync::Arc;

use eventcask_event::Routing;

use crate::disk::storage::{Open, Storage, StoredFile};
use crate::format::sealed_header::Sealed;
use crate::format::wire::{self, FILE_HEADER_BYTES, Fields, put};
use crate::{Error, ErrorKind, FIRST_BLOCK, LogEnd, Manifest, NewSegment};

const MAGIC: [u8; 8] = *b"ECASKSEG";
/// A segment is ended by the first block that would start beyond this place.
pub const SEGMENT_BYTES: u64 = 256 << 20;
const SUFFIX: &str = ".segment";
const KIND_SEALED: u32 = 1;
/// The bit of the feature word `must` that a sealed segment sets.
const MUST_KNOW_SEALED: u64 = 1;

/// The directory of one shard: knows the names and headers of its files.
#[derive(Clone)]
pub struct ShardDir {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) store: u128,
    first_store: u128,
    pub(crate) shard: u32,
    routing: Routing,
    /// Where the log is known to have ended; it is never shorter.
    pub(crate) known_end: Option<LogEnd>,
}

impl fmt::Debug for ShardDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardDir({})", self.storage.describe(&self.dir()))
    }
}

impl ShardDir {
    /// The directory of a shard of this store.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, manifest: &Manifest, shard: u32) -> Self {
        Self {
            storage,
            store: manifest.store,
            first_store: manifest.first_store(),
            shard,
            routing: manifest.routing(),
            known_end: None,
        }
    }

    /// The number of the shard.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// How the store finds the shard of a key.
    #[must_use]
    pub fn routing(&self) -> Routing {
        self.routing
    }

    /// The id of the store.
    #[must_use]
    pub fn store(&self) -> u128 {
        self.store
    }

    /// The id of the store that the events began in: see [`Manifest::first_store`].
    #[must_use]
    pub fn first_store(&self) -> u128 {
        self.first_store
    }

    pub(crate) fn dir(&self) -> String {
        format!("shards/{:04}", self.shard)
    }

    /// Makes the directory, for a new store.
    ///
    /// # Errors
    /// What the disk said.
    pub fn create(&self) -> Result<(), Error> {
        let dir = self.dir();
        let make = || {
            self.storage.create_dir("")?;
            self.storage.create_dir("shards")?;
            self.storage.create_dir(&dir)?;
            self.storage.sync_dir("shards")?;
            self.storage.sync_dir("")
        };
        make().map_err(|error| Error::io("make", &self.storage.describe(&dir), error))
    }

    pub(crate) fn path(&self, segment: u64) -> String {
        format!("{}/{segment:010}{SUFFIX}", self.dir())
    }

    /// The file of a segment's events on their way into clusters.
    pub(crate) fn runs_path(&self, segment: u64) -> String {
        format!("{}.runs.new", self.path(segment))
    }

    /// The name of a segment's file as a person knows it.
    #[must_use]
    pub fn describe(&self, segment: u64) -> String {
        self.storage.describe(&self.path(segment))
    }

    /// Numbers of the segments, from 1 and without gaps.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`] where one before the last is missing, or the directory is,
    /// or what the disk said.
    pub fn segments(&self) -> Result<Vec<u64>, Error> {
        let dir = self.dir();
        let list = |dir: &str| {
            let names = self.storage.list(dir);
            names.map_err(|e| Error::io("list", &self.storage.describe(dir), e))
        };
        let names = list(&dir)?;
        // The manifest is written after all directories, so one without is no new shard.
        if names.is_empty()
            && !list("shards")?
                .iter()
                .any(|name| dir == format!("shards/{name}"))
        {
            let shown = self.storage.describe(&dir);
            return Err(Error::damaged(
                &shown,
                0,
                "the shard's directory is missing",
            ));
        }
        let numbers = Self::numbers_of(&names);
        match (1..).zip(&numbers).find(|(number, found)| number != *found) {
            Some((missing, _)) => {
                let name = self.describe(missing);
                Err(Error::damaged(&name, 0, "the segment is missing"))
            }
            None => Ok(numbers),
        }
    }

    /// The numbers of the segments among these names, in order.
    pub(crate) fn numbers_of(names: &[String]) -> Vec<u64> {
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Gives back the room of files that were to become segments when a process ended: only for who
    /// holds the lock of the store.
    pub(crate) fn remove_unfinished(&self) -> Result<(), Error> {
        let names = self.names()?;
        for name in names.iter().filter(|name| is_unfinished(name)) {
            // Where it can not be removed it means nothing all the same.
            let _ = self.storage.remove(&format!("{}/{name}", self.dir()));
        }
        Ok(())
    }

    pub(crate) fn open(&self, segment: u64, how: Open) -> Result<Box<dyn StoredFile>, Error> {
        let path = self.path(segment);
        self.storage
            .open(&path, how)
            .map_err(|e| Error::io("open", &self.storage.describe(&path), e))
    }

    /// Makes a segment, durable in its directory before anything is put into it.
    pub(crate) fn create_segment(&self, new: &NewSegment) -> Result<Box<dyn StoredFile>, Error> {
        let (dir, path) = (self.dir(), self.path(new.number));
        let temporary = format!("{path}.new");
        let header = encode_header(self, new, None);
        let make = || {
            // A spare has its room already; where there is none, or it can not be had, a new file
            // does as well.
            let is_spare = self.storage.rename(&self.spare(), &temporary).is_ok();
            let how = if is_spare { Open::Write } else { Open::Create };
            let file = self.storage.open(&temporary, how)?;
            file.write_all_at(&header, 0)?;
            file.sync()?;
            self.storage.rename(&temporary, &path)?;
            Ok(file)
        };
        let file = make().map_err(|e| Error::io("make", &self.storage.describe(&path), e))?;
        let synced = self.storage.sync_dir(&dir);
        synced.map_err(|e| Error::failed_sync(&self.storage.describe(&dir), e))?;
        Ok(file)
    }

    /// Refuses a segment that a newer version wants no older one to write to.
    pub(crate) fn check_writable(&self, segment: u64) -> Result<(), Error> {
        let file = self.open(segment, Open::Read)?;
        if self.read_header(segment, &*file)?.writable {
            return Ok(());
        }
        let message = format!(
            "{} has features that this program can read but not write; use a newer eventcask, or open the store for reading",
            self.describe(segment)
        );
        Err(Error::new(ErrorKind::NewerFormat, message))
    }

    /// Reads the header of a segment: what it was made with.
    pub(crate) fn read_header(
        &self,
        segment: u64,
        file: &dyn StoredFile,
    ) -> Result<SegmentHeader, Error> {
        let name = self.describe(segment);
        let mut bytes = vec![0; FIRST_BLOCK as usize];
        let read = file
            .read_at(&mut bytes, 0)
            .map_err(|e| Error::io("read", &name, e))?;
        let header = decode_header(&name, &bytes[..read])?;
        if (header.store, header.shard, header.new.number) != (self.store, self.shard, segment) {
            return Err(Error::damaged(
                &name,
                40,
                "it belongs to another store, shard or place",
            ));
        }
        Ok(header)
    }
}

/// The number in the name of a segment: ten digits, from 1. Other names are not ours.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let number = digits.parse().ok()?;
    (number > 0 && digits == format!("{number:010}") && digits.len() == 10).then_some(number)
}

/// Whether a file was to become a segment, or holds the runs of one.
fn is_unfinished(name: &str) -> bool {
    let name = name.strip_suffix(".new");
    let segment = name.map(|name| name.strip_suffix(".runs").unwrap_or(name));
    segment.is_some_and(|segment| number_of(segment).is_some())
}

/// What the header of a segment says.
#[derive(Debug, Clone)]
pub(crate) struct SegmentHeader {
    pub(crate) store: u128,
    pub(crate) shard: u32,
    pub(crate) new: NewSegment,
    /// What a sealed segment says of itself.
    pub(crate) sealed: Option<Sealed>,
    /// Whether this version of the program may write to the segment.
    pub(crate) writable: bool,
}

/// The header page of a segment; `sealed` makes it that of a sealed one.
pub(crate) fn encode_header(dir: &ShardDir, new: &NewSegment, sealed: Option<&Sealed>) -> Vec<u8> {
    let mut header = wire::file_header(MAGIC, FIRST_BLOCK as u32, dir.store);
    if sealed.is_some() {
        put(&mut header, 16, MUST_KNOW_SEALED.to_le_bytes());
        put(&mut header, 60, KIND_SEALED.to_le_bytes());
    }
    put(&mut header, 56, dir.shard.to_le_bytes());
    put(&mut header, 64, new.number.to_le_bytes());
    put(&mut header, 72, new.first_position.to_le_bytes());
    put(&mut header, 80, new.previous_checksum.to_le_bytes());
    wire::seal_file_header(&mut header);
    let mut bytes = header.to_vec();
    bytes.resize(FIRST_BLOCK as usize, 0);
    if let Some(sealed) = sealed {
        sealed.encode(&mut bytes);
    }
    bytes
}

pub(crate) fn decode_header(name: &str, bytes: &[u8]) -> Result<SegmentHeader, Error> {
    wire::check_file_header(name, bytes, MAGIC, FIRST_BLOCK as u32, MUST_KNOW_SEALED)?;
    let fields = Fields(bytes);
    if bytes.len() < FIRST_BLOCK as usize {
        return Err(Error::damaged(name, 0, "it is shorter than its header"));
    }
    let is_sealed = fields.u32(60) == KIND_SEALED;
    let kind_is_said_twice = (fields.u64(16) == MUST_KNOW_SEALED) == is_sealed;
    let unused = is_sealed
        || (fields.u32(60) == 0 && fields.is_zero(FILE_HEADER_BYTES, FIRST_BLOCK as usize));
    if !unused || !kind_is_said_twice || !fields.is_zero(84, 124) {
        return Err(Error::damaged(
            name,
            60,
            "reserved bytes of its header are in use",
        ));
    }
    let new = NewSegment {
        number: fields.u64(64),
        first_position: fields.u64(72),
        previous_checksum: fields.u32(80),
    };
    let sealed = is_sealed.then(|| Sealed::decode(name, bytes, new.first_position));
    Ok(SegmentHeader {
        store: fields.u128(40),
        shard: fields.u32(56),
        new,
        sealed: sealed.transpose()?,
        writable: wire::may_write(bytes),
    })
}
