//! Up to where the log of each shard is known to go.
//!
//! A log ends where its last good block does, so one whose newest segment is missing, or is an
//! older copy, looks whole. What it was known to hold when the store was last opened or closed
//! tells.

use crate::disk::storage::Storage;
use crate::format::log_end::END_BYTES;
use crate::segment::dir::ShardDir;
use crate::{Error, ErrorKind, Framed, FramedKind, LogEnd, Manifest, Problem, Tail};

const NAME: &str = "ENDS";
/// What the field of the progress says where nothing is saved that is not synced.
const SYNCED_FIRST: u64 = 1;

/// Where the log of each shard ended when all of it was durable. No log is ever shorter, also where
/// a weak durability loses the end of what came later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    each: Vec<LogEnd>,
    is_synced_first: bool,
}

impl Ends {
    /// The ends of all shards, in their order.
    #[must_use]
    pub fn new(ends: Vec<LogEnd>) -> Self {
        Self {
            each: ends,
            is_synced_first: false,
        }
    }

    /// Says whether who notes them saves nothing of the log that is not synced: then what is saved
    /// of it later tells that it was there.
    #[must_use]
    pub fn synced_first(mut self, is_synced_first: bool) -> Self {
        self.is_synced_first = is_synced_first;
        self
    }

    /// Whether what is saved of a log tells that it was there.
    #[must_use]
    pub fn is_synced_first(&self) -> bool {
        self.is_synced_first
    }

    /// Takes note that the log of a shard was seen to hold all positions before this one.
    pub fn saw(&mut self, shard: u32, position: u64) {
        if let Some(end) = self.each.get_mut(shard as usize) {
            end.position = end.position.max(position);
        }
    }

    /// The end of a shard, where it is known.
    #[must_use]
    pub fn of(&self, shard: u32) -> Option<LogEnd> {
        self.each.get(shard as usize).copied()
    }

    /// Reads what is known of a store; `None` where nothing was noted.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`], [`ErrorKind::NewerFormat`], [`ErrorKind::OlderFormat`], or what the
    /// disk said.
    pub fn read(storage: &dyn Storage, manifest: &Manifest) -> Result<Option<Self>, Error> {
        let names = storage.list("");
        let names = names.map_err(|e| Error::io("list", &storage.describe(""), e))?;
        if !names.iter().any(|name| name == NAME) {
            return Ok(None);
        }
        let framed = Framed::read(storage, NAME)?;
        let is_ours = (framed.store, framed.kind) == (manifest.store, FramedKind::Ends);
        let (ends, rest) = framed.body.as_chunks::<END_BYTES>();
        if !is_ours || ends.len() != manifest.shards as usize || !rest.is_empty() {
            let reason = "it does not say how long the logs of this store are";
            let place = Framed::HEADER_BYTES as u64;
            return Err(Error::damaged(&storage.describe(NAME), place, reason));
        }
        Ok(Some(Self {
            each: ends.iter().map(LogEnd::decode).collect(),
            is_synced_first: framed.progress == SYNCED_FIRST,
        }))
    }

    /// As [`read`](Self::read), where damage means that nothing is known.
    ///
    /// # Errors
    /// [`ErrorKind::NewerFormat`], [`ErrorKind::OlderFormat`], or what the disk said.
    pub fn read_if_whole(storage: &dyn Storage, manifest: &Manifest) -> Result<Self, Error> {
        match Self::read(storage, manifest) {
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(Self::default()),
            other => Ok(other?.unwrap_or_default()),
        }
    }

    /// Notes that all of these logs is durable, unless that is noted already. On a full disk what
    /// was noted before stays, which is true still.
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
            progress: if self.is_synced_first {
                SYNCED_FIRST
            } else {
                0
            },
            definition: 0,
            body: self.each.iter().flat_map(LogEnd::encode).collect(),
        };
        match framed.write(storage, "", NAME) {
            Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
            other => other,
        }
    }
}

impl ShardDir {
    /// The shard, whose log is known to go to this end.
    #[must_use]
    pub fn known_to(mut self, end: Option<LogEnd>) -> Self {
        self.known_end = end;
        self
    }

    /// Where the log ends, whether or not that is where it should.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub fn find_end(&self) -> Result<LogEnd, Error> {
        let mut tail = Tail::empty();
        self.follow(&mut tail, &mut |_, _| Ok(()))?;
        Ok(LogEnd::of(&tail))
    }

    /// Whether something is missing behind this end that is known to have been there.
    pub(crate) fn is_short(&self, end: &LogEnd) -> bool {
        self.known_end.is_some_and(|known| end.is_before(&known))
    }

    /// What is missing that is known to have been at the end of the log.
    pub(crate) fn missing_known(&self, end: &LogEnd) -> Option<Problem> {
        let known = self.known_end.filter(|known| end.is_before(known))?;
        let reason = match known.position.saturating_sub(end.position) {
            0 => {
                let (place, file) = (known.place, self.describe(known.segment));
                format!("it went on to byte {place} of {file}, though without an event")
            }
            events => {
                let position = end.position;
                format!("{events} events from position {position} on are missing")
            }
        };
        Some(self.problem_at_end(end, &known, &reason))
    }

    /// What is missing that came after what is known. A copy of the files of a store that is
    /// written to may lack it as well, and can be opened all the same.
    pub(crate) fn missing_later(&self, end: &LogEnd) -> Option<Problem> {
        let known = self.known_end.filter(|known| end.was_not_last(known))?;
        let reason = "the segment is missing: the one before is sealed, which a writer never does to the last one";
        Some(self.problem_at_end(end, &known, reason))
    }

    fn problem_at_end(&self, end: &LogEnd, known: &LogEnd, reason: &str) -> Problem {
        // Whatever follows a complete segment is in a file of its own.
        let is_next = end.place == 0 || known.segment > end.segment;
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
