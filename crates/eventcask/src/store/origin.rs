//! What a store knows of the one whose events it was made of, in a small file of its own.
//!
//! It is written once, before the manifest, which says that there is one: it is not derived, and
//! without it rows that were ingested before would not be known any more.

use std::sync::Arc;

use eventcask_event::{MAX_SOURCE_BYTES, RouteBy, Routing};
use eventcask_log::{
    Error as LogError, Framed, FramedKind, MAX_SHARDS, Manifest, SourceMark, Storage,
};
use eventcask_shard::{CarriedMark, CarriedMarks};

use crate::short_text::{put_text, take, take_text};

pub(crate) const NAME: &str = "ORIGIN";
/// The form of the body; another one is not read.
const FORM: u8 = 1;

/// What is known of the store whose events this one was made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// As in the manifest.
    pub(crate) first_store: u128,
    /// Whether events were missing, since they had been given up or lost: versions of aggregates
    /// may begin anywhere, and have gaps, among the events that were there from the beginning.
    pub(crate) is_thin: bool,
    pub(crate) shards: Vec<ShardOrigin>,
    pub(crate) marks: Vec<CarriedMark>,
}

/// What a shard began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ShardOrigin {
    /// Position after the last event that was there from the beginning.
    pub(crate) end: u64,
    /// Aggregates, less events with version 1, among what was there from the beginning: figures
    /// count an aggregate by its first event, which may have been given up.
    pub(crate) more_aggregates: i64,
}

impl Origin {
    /// Reads what is known; of a store that began empty that is nothing.
    ///
    /// # Errors
    /// Damage, also where the file is missing, or what the disk said.
    pub(crate) fn read(storage: &dyn Storage, manifest: &Manifest) -> Result<Self, LogError> {
        if manifest.origin == 0 {
            return Ok(Self::default());
        }
        let shown = storage.describe(NAME);
        let framed = match Framed::read(storage, NAME) {
            Err(error) if error.is_not_found() => {
                return Err(LogError::damaged(&shown, 0, "the file is missing"));
            }
            other => other?,
        };
        let is_ours = (framed.store, framed.kind) == (manifest.store, FramedKind::Origin);
        let origin = Self::decode(&framed.body).filter(|origin| {
            let fits = origin.shards.len() == manifest.shards as usize;
            is_ours && fits && origin.first_store == manifest.origin
        });
        origin.ok_or_else(|| {
            let place = Framed::HEADER_BYTES as u64;
            LogError::damaged(&shown, place, "it does not say what this store was made of")
        })
    }

    /// The id that it has of the first store, for who has lost the manifest of this one.
    pub(crate) fn first_store(storage: &dyn Storage, store: u128) -> Option<u128> {
        let framed = Framed::read(storage, NAME).ok();
        let framed =
            framed.filter(|framed| (framed.store, framed.kind) == (store, FramedKind::Origin));
        Some(Self::decode(&framed?.body)?.first_store)
    }

    /// Position before which the versions of a shard's aggregates need not follow.
    pub(crate) fn thin_to(&self, shard: u32) -> u64 {
        let shard = self.shards.get(shard as usize).filter(|_| self.is_thin);
        shard.map_or(0, |shard| shard.end)
    }

    /// Writes it, durably.
    pub(crate) fn write(
        &self,
        storage: &dyn Storage,
        manifest: &Manifest,
    ) -> Result<u64, LogError> {
        let framed = Framed {
            store: manifest.store,
            kind: FramedKind::Origin,
            shard: 0,
            progress: 0,
            definition: 0,
            body: self.encode(),
        };
        framed.write(storage, "", NAME)?;
        Ok(framed.file_bytes())
    }

    /// What is known, and apart from it how far sources were consumed, for those who ask often.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn open(
        storage: &dyn Storage,
        manifest: &Manifest,
    ) -> Result<(Self, Arc<CarriedMarks>), LogError> {
        let mut origin = Self::read(storage, manifest)?;
        let marks = CarriedMarks::new(std::mem::take(&mut origin.marks));
        Ok((origin, Arc::new(marks)))
    }

    /// Aggregates of a shard beside those that its figures count by their first event.
    pub(crate) fn more_aggregates(&self, shard: usize) -> i64 {
        self.shards
            .get(shard)
            .map_or(0, |shard| shard.more_aggregates)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM, u8::from(self.is_thin)];
        bytes.extend_from_slice(&self.first_store.to_le_bytes());
        bytes.extend_from_slice(&(self.shards.len() as u32).to_le_bytes());
        for shard in &self.shards {
            bytes.extend_from_slice(&shard.end.to_le_bytes());
            bytes.extend_from_slice(&shard.more_aggregates.to_le_bytes());
        }
        for carried in &self.marks {
            bytes.extend_from_slice(&carried.routing.by.number().to_le_bytes());
            bytes.extend_from_slice(&carried.routing.shards.to_le_bytes());
            bytes.extend_from_slice(&carried.shard.to_le_bytes());
            bytes.extend_from_slice(&carried.mark.next.to_le_bytes());
            bytes.extend_from_slice(&carried.mark.check.to_le_bytes());
            put_text(&mut bytes, &carried.mark.source);
        }
        bytes
    }

    /// What [`encode`](Self::encode) made; `None` where it is anything else.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let [form, is_thin] = take(bytes)?;
        let first_store = u128::from_le_bytes(take(bytes)?);
        let shards = u32::from_le_bytes(take(bytes)?);
        let shards = (0..shards).map(|_| take_shard(bytes));
        let shards = shards.collect::<Option<_>>()?;
        let mut marks = Vec::new();
        while !bytes.is_empty() {
            marks.push(take_mark(bytes)?);
        }
        (form == FORM && is_thin < 2).then_some(Self {
            first_store,
            is_thin: is_thin == 1,
            shards,
            marks,
        })
    }
}

fn take_shard(bytes: &mut &[u8]) -> Option<ShardOrigin> {
    Some(ShardOrigin {
        end: u64::from_le_bytes(take(bytes)?),
        more_aggregates: i64::from_le_bytes(take(bytes)?),
    })
}

/// Copies it to another place of the same store: how many bytes.
pub(crate) fn copy(
    from: &dyn Storage,
    manifest: &Manifest,
    to: &dyn Storage,
) -> Result<u64, LogError> {
    match manifest.origin {
        0 => Ok(0),
        _ => Origin::read(from, manifest)?.write(to, manifest),
    }
}

fn take_mark(bytes: &mut &[u8]) -> Option<CarriedMark> {
    let by = RouteBy::from_number(u32::from_le_bytes(take(bytes)?))?;
    let shards = u32::from_le_bytes(take(bytes)?);
    let shard = u32::from_le_bytes(take(bytes)?);
    let (next, check) = (
        u64::from_le_bytes(take(bytes)?),
        u64::from_le_bytes(take(bytes)?),
    );
    let source = take_text(bytes)?;
    let fits = shards.is_power_of_two() && shards <= MAX_SHARDS && shard < shards;
    let is_named = (1..=MAX_SOURCE_BYTES).contains(&source.len());
    (fits && is_named).then_some(CarriedMark {
        routing: Routing { by, shards },
        shard,
        mark: SourceMark {
            source,
            next,
            check,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        let mark = |shard, next| CarriedMark {
            routing: Routing {
                by: RouteBy::Category,
                shards: 4,
            },
            shard,
            mark: SourceMark {
                source: "file:überweisungen".to_owned(),
                next,
                check: 7,
            },
        };
        let shard = |end| ShardOrigin {
            end,
            more_aggregates: -3,
        };
        Origin {
            first_store: 77,
            is_thin: true,
            shards: vec![shard(12), shard(41)],
            marks: vec![mark(0, 5), mark(3, u64::MAX)],
        }
    }

    #[test]
    fn what_is_known_is_read_back() {
        assert_eq!(Origin::decode(&origin().encode()), Some(origin()));
    }

    #[test]
    fn any_bytes_get_an_answer() {
        let bytes = origin().encode();
        for length in 0..bytes.len() {
            let cut = Origin::decode(&bytes[..length]);
            assert!(cut.is_none_or(|cut| cut.marks.len() < 2), "{length}");
        }
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            let _ = Origin::decode(&bytes);
        }
    }
}
