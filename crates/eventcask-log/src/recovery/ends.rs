//! Up to where the log of each shard is known to go.
//!
//! A log ends where its last good block does, so one whose newest segment is missing, or is an older
//! copy, looks whole. What it was known to hold when the store was last opened or closed tells.

use crate::disk::storage::Storage;
use crate::segment::dir::ShardDir;
use crate::{Error, ErrorKind, Framed, FramedKind, Manifest, Problem};

const NAME: &str = "ENDS";

/// Of each shard the position after its last event, when all of the log was durable. No log is ever
/// shorter, also where a weak durability loses the end of what came later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends(Vec<u64>);

impl Ends {
    /// The ends of all shards, in their order.
    #[must_use]
    pub fn new(positions: Vec<u64>) -> Self {
        Self(positions)
    }

    /// The end of a shard, where it is known.
    #[must_use]
    pub fn of(&self, shard: u32) -> Option<u64> {
        self.0.get(shard as usize).copied()
    }

    /// Reads what is known of a store; `None` where nothing was noted.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`], [`ErrorKind::NewerFormat`], or what the disk said.
    pub fn read(storage: &dyn Storage, manifest: &Manifest) -> Result<Option<Self>, Error> {
        let names = storage.list("");
        let names = names.map_err(|e| Error::io("list", &storage.describe(""), e))?;
        if !names.iter().any(|name| name == NAME) {
            return Ok(None);
        }
        let framed = Framed::read(storage, NAME)?;
        let is_ours = (framed.store, framed.kind) == (manifest.store, FramedKind::Ends);
        let (positions, rest) = framed.body.as_chunks::<8>();
        if !is_ours || positions.len() != manifest.shards as usize || !rest.is_empty() {
            let reason = "it does not say how long the logs of this store are";
            return Err(Error::damaged(&storage.describe(NAME), 128, reason));
        }
        let positions = positions.iter().map(|bytes| u64::from_le_bytes(*bytes));
        Ok(Some(Self(positions.collect())))
    }

    /// As [`read`](Self::read), where damage means that nothing is known.
    ///
    /// # Errors
    /// [`ErrorKind::NewerFormat`], or what the disk said.
    pub fn read_if_whole(storage: &dyn Storage, manifest: &Manifest) -> Result<Self, Error> {
        match Self::read(storage, manifest) {
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(Self::default()),
            other => Ok(other?.unwrap_or_default()),
        }
    }

    /// Notes that all of these logs is durable, unless that is noted already. On a full disk what was
    /// noted before stays, which is true still.
    ///
    /// # Errors
    /// What the disk said.
    pub fn note(&self, storage: &dyn Storage, manifest: &Manifest) -> Result<(), Error> {
        if Self::read_if_whole(storage, manifest)? == *self {
            return Ok(());
        }
        let framed = Framed {
            store: manifest.store,
            kind: FramedKind::Ends,
            shard: 0,
            progress: 0,
            definition: 0,
            body: self.0.iter().flat_map(|end| end.to_le_bytes()).collect(),
        };
        match framed.write(storage, "", NAME) {
            Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
            other => other,
        }
    }
}

/// Where a log ends.
pub(crate) struct LogEnd {
    /// Number of its last segment; 0 where there is none.
    pub(crate) segment: u64,
    /// Whether nothing can be added to that one.
    pub(crate) is_sealed: bool,
    /// Place after its last block, where something can.
    pub(crate) place: u64,
    /// Position after the last event.
    pub(crate) position: u64,
}

impl ShardDir {
    /// The shard, whose log is known to hold all events before this position.
    #[must_use]
    pub fn known_to(mut self, position: Option<u64>) -> Self {
        self.known_end = position;
        self
    }

    /// How many events are missing at the end of the log, as far as that is known.
    pub(crate) fn events_missing(&self, position: u64) -> u64 {
        self.known_end.unwrap_or(0).saturating_sub(position)
    }

    /// What is missing at the end of the log, as far as that is known.
    pub(crate) fn missing_end(&self, end: &LogEnd) -> Option<Problem> {
        let (missing, position) = (self.events_missing(end.position), end.position);
        let reason = format!("{missing} events from position {position} on are missing");
        (missing > 0).then(|| self.problem_at_end(end, &reason))
    }

    pub(crate) fn problem_at_end(&self, end: &LogEnd, reason: &str) -> Problem {
        // Whatever follows a complete segment is in a file of its own.
        let is_next = end.is_sealed || end.segment == 0;
        let (segment, place) = match is_next {
            true => (end.segment + 1, 0),
            false => (end.segment, end.place),
        };
        let reason = format!(
            "the log of shard {} has lost its end: {reason}; bring back the newest files of the shard, or have `eventcask repair` go on without them",
            self.shard
        );
        let file = self.describe(segment);
        Problem {
            file,
            place,
            reason,
        }
    }
}
