//! What a store is: its id, its shards and its routing.

use std::io;

use eventcask_event::{RouteBy, Routing};

use crate::disk::storage::{Open, Storage};
use crate::format::wire::{self, FILE_HEADER_BYTES, Fields, put};
use crate::{Error, ErrorKind};

const NAME: &str = "MANIFEST";
/// The manifest of a copy that is being made; it gets its name once all is there.
const UNFINISHED: &str = "MANIFEST.unfinished";
const MAGIC: [u8; 8] = *b"ECASKMAN";
/// The most shards that a store can have.
pub const MAX_SHARDS: u32 = 4096;

/// The settings of a store that never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// Random id of the store.
    pub store: u128,
    /// Number of shards: a power of two, 1 to [`MAX_SHARDS`].
    pub shards: u32,
    /// By which part of its key an aggregate finds its shard.
    pub route_by: RouteBy,
    /// When the store was made, in nanoseconds since 1970.
    pub created: i64,
    /// Id of the store whose events this one was made of, or of the first of them where that was
    /// made of another one; 0 where it began empty.
    pub origin: u128,
    /// Whether this version of the program may write to the store.
    pub writable: bool,
}

impl Manifest {
    /// The manifest of a new store, routed by whole keys.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] where `shards` is not a power of two from 1 to [`MAX_SHARDS`].
    pub fn new(store: u128, shards: u32, created: i64) -> Result<Self, Error> {
        if !shards.is_power_of_two() || shards > MAX_SHARDS {
            let message = format!(
                "a store can not have {shards} shards; choose a power of two from 1 to {MAX_SHARDS}"
            );
            return Err(Error::new(ErrorKind::Setting, message));
        }
        Ok(Self {
            store,
            shards,
            route_by: RouteBy::Key,
            created,
            origin: 0,
            writable: true,
        })
    }

    /// The same, made of the events of the store with this manifest.
    #[must_use]
    pub fn made_of(self, source: &Self) -> Self {
        let origin = source.first_store();
        Self { origin, ..self }
    }

    /// Id of the store that the events began in: keys that are erased are hashed with it, since
    /// nobody can hash them anew.
    #[must_use]
    pub fn first_store(&self) -> u128 {
        match self.origin {
            0 => self.store,
            origin => origin,
        }
    }

    /// The same, routed by this part of the keys.
    #[must_use]
    pub fn routed_by(self, route_by: RouteBy) -> Self {
        Self { route_by, ..self }
    }

    /// How the shard of a key is found.
    #[must_use]
    pub fn routing(&self) -> Routing {
        Routing {
            by: self.route_by,
            shards: self.shards,
        }
    }

    /// Whether there is a manifest, so that the directory is a store.
    ///
    /// # Errors
    /// What the disk said.
    pub fn exists(storage: &dyn Storage) -> Result<bool, Error> {
        Ok(names(storage)?.iter().any(|name| name == NAME))
    }

    /// Writes the manifest of a new store and makes it durable; the store exists from then on.
    ///
    /// # Errors
    /// What the disk said.
    pub fn create(&self, storage: &dyn Storage) -> Result<(), Error> {
        replace(storage, "", NAME, &[&self.encode()])
    }

    /// Marks a directory as one into which this store is being copied; it is no store until it is
    /// [finished](Self::finish).
    ///
    /// # Errors
    /// What the disk said.
    pub fn begin(&self, storage: &dyn Storage) -> Result<(), Error> {
        replace(storage, "", UNFINISHED, &[&self.encode()])
    }

    /// Makes a store of a copy that is whole, and durable.
    ///
    /// # Errors
    /// What the disk said; it is an unfinished copy then as before.
    pub fn finish(storage: &dyn Storage) -> Result<(), Error> {
        let finished = storage.rename(UNFINISHED, NAME);
        let finished = finished.and_then(|()| {
            let synced = storage.sync_dir("");
            synced.inspect_err(|_| {
                // Whoever is told of an error may take away what was copied: no store must be left.
                let back = storage.rename(NAME, UNFINISHED);
                drop(back.and_then(|()| storage.sync_dir("")));
            })
        });
        finished.map_err(|error| Error::io("finish", &storage.describe(NAME), error))
    }

    /// Says of a directory that nothing is being copied into it any more.
    ///
    /// # Errors
    /// What the disk said.
    pub fn abandon(storage: &dyn Storage) -> Result<(), Error> {
        let removed = storage.remove(UNFINISHED);
        removed.map_err(|error| Error::io("remove", &storage.describe(UNFINISHED), error))
    }

    /// What is being copied into a directory, or was when a process ended.
    ///
    /// # Errors
    /// [`ErrorKind::NewerFormat`], [`ErrorKind::OlderFormat`], [`ErrorKind::Damaged`], or what the
    /// disk said.
    pub fn unfinished(storage: &dyn Storage) -> Result<Option<Self>, Error> {
        if !names(storage)?.iter().any(|name| name == UNFINISHED) {
            return Ok(None);
        }
        let bytes = read_all(storage, UNFINISHED, 4096)?;
        Self::decode(&storage.describe(UNFINISHED), &bytes).map(Some)
    }

    /// Whether a name is that of a manifest, or of one to be.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let name = name.strip_suffix(".new").unwrap_or(name);
        [NAME, UNFINISHED].contains(&name)
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`] where there is none, [`ErrorKind::NewerFormat`],
    /// [`ErrorKind::OlderFormat`], [`ErrorKind::Damaged`], or what the disk said.
    pub fn read(storage: &dyn Storage) -> Result<Self, Error> {
        let file = storage.describe(NAME);
        if !Self::exists(storage)? {
            let directory = storage.describe("");
            if let Some(unfinished) = Self::unfinished(storage)? {
                let command = match unfinished.origin {
                    0 => "backup",
                    _ => "reshard` or `eventcask backup",
                };
                let message = format!(
                    "{directory} is a copy that was not finished; run `eventcask {command}` once more, to the same directory"
                );
                return Err(Error::new(ErrorKind::NotAStore, message));
            }
            let message = format!(
                "{directory} is not an event store: it has no MANIFEST; `eventcask ingest` makes one"
            );
            return Err(Error::new(ErrorKind::NotAStore, message));
        }
        Self::decode(&file, &read_all(storage, NAME, 4096)?)
    }

    fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = wire::file_header(MAGIC, FILE_HEADER_BYTES as u32, self.store);
        put(&mut bytes, 56, self.shards.to_le_bytes());
        put(&mut bytes, 60, self.route_by.number().to_le_bytes());
        put(&mut bytes, 64, self.created.to_le_bytes());
        put(&mut bytes, 72, self.origin.to_le_bytes());
        wire::seal_file_header(&mut bytes);
        bytes
    }

    /// Reads the manifest in `bytes`; `file` names it in errors.
    ///
    /// # Errors
    /// [`ErrorKind::NewerFormat`], [`ErrorKind::OlderFormat`] or [`ErrorKind::Damaged`].
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        wire::check_file_header(file, bytes, MAGIC, FILE_HEADER_BYTES as u32, 0)?;
        let fields = Fields(bytes);
        let shards = fields.u32(56);
        if !shards.is_power_of_two() || shards > MAX_SHARDS {
            return Err(Error::damaged(
                file,
                56,
                "the number of shards is not a power of two",
            ));
        }
        let Some(route_by) = RouteBy::from_number(fields.u32(60)) else {
            let message = format!(
                "{file} names a routing function that this program does not know; use a newer eventcask"
            );
            return Err(Error::new(ErrorKind::NewerFormat, message));
        };
        if !fields.is_zero(88, 124) || bytes.len() != FILE_HEADER_BYTES {
            return Err(Error::damaged(file, 88, "reserved bytes are in use"));
        }
        let writable = wire::may_write(bytes);
        Ok(Self {
            store: fields.u128(40),
            shards,
            route_by,
            created: fields.i64(64),
            origin: fields.u128(72),
            writable,
        })
    }
}

/// Writes a file under another name, makes it durable and gives it its name at once.
pub(crate) fn replace(
    storage: &dyn Storage,
    dir: &str,
    name: &str,
    parts: &[&[u8]],
) -> Result<(), Error> {
    let path = if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    };
    let new = format!("{path}.new");
    let write = || {
        let file = storage.open(&new, Open::Create)?;
        let mut place = 0;
        for part in parts {
            file.write_all_at(part, place)?;
            place += part.len() as u64;
        }
        file.sync()?;
        storage.rename(&new, &path)?;
        storage.sync_dir(dir)
    };
    write().map_err(|error| Error::io("write", &storage.describe(&path), error))
}

/// Names in the directory of a store; none where it is not there.
fn names(storage: &dyn Storage) -> Result<Vec<String>, Error> {
    let here = storage.describe("");
    storage.list("").map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            let message = format!("{here} is a file; name the directory of an event store");
            Error::new(ErrorKind::NotAStore, message)
        }
        _ => Error::io("list", &here, error),
    })
}

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read_all(storage: &dyn Storage, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let path = storage.describe(name);
    let failed = |error| Error::io("read", &path, error);
    let file = storage.open(name, Open::Read).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    if len > limit {
        return Err(Error::damaged(
            &path,
            limit,
            "it is longer than such a file can be",
        ));
    }
    let mut bytes = vec![0; len as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(bytes)
}
