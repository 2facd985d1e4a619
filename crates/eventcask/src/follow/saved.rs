//! What is kept of a named subscription: how far it got, and which aggregates it holds back.

use std::collections::BTreeMap;

use crate::Error;
use crate::short_text::{put_text, short, take, take_text};

/// Somebody whose progress is to be kept when the store is closed.
pub(crate) trait Saves: Send + Sync + std::fmt::Debug {
    /// What is to be kept now; it counts as kept.
    fn saved(&self) -> Saved;

    /// Forgets what is gone of the aggregates that are held back, and saves that.
    fn forget_given_up(&self) -> Result<(), Error>;
}

/// The form of the body; another one is not read.
const FORM: u8 = 1;

/// How far a subscription got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Saved {
    /// Its name.
    pub(crate) name: String,
    /// One a shard: everything before is handled, but for the events of aggregates that are held
    /// back.
    pub(crate) positions: Vec<u64>,
    /// Aggregates that are held back, by key.
    pub(crate) held: BTreeMap<String, Blocked>,
}

/// An aggregate whose events are not handed out in their turn, because one of them failed. All its
/// events from that one on wait here, as a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// Version of the event that comes next.
    pub(crate) version: u64,
    /// Position of the event that failed.
    pub(crate) position: u64,
    /// Its shard.
    pub(crate) shard: u32,
    /// How often the event that comes next has failed.
    pub(crate) tries: u32,
    /// Whether it is not tried any more.
    pub(crate) is_parked: bool,
    /// What was said when it failed last.
    pub(crate) reason: String,
}

/// What is left of an aggregate that is held back, where events were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The event that comes next is there.
    All,
    /// It is gone; the one of this version comes next.
    From(u64),
    Nothing,
}

impl Blocked {
    /// An aggregate whose event was not handled yet when progress was saved.
    pub(crate) fn open(shard: u32, position: u64, version: u64, tries: u32) -> Self {
        Self {
            version,
            position,
            shard,
            tries,
            is_parked: false,
            reason: String::new(),
        }
    }

    /// Forgets what is gone; says whether anything is left.
    pub(crate) fn give_up(&mut self, left: Left) -> bool {
        if let Left::From(version) = left {
            self.pass(version.saturating_sub(1));
        }
        left != Left::Nothing
    }

    /// Moves on behind the event of a version.
    pub(crate) fn pass(&mut self, version: u64) {
        self.version = version.saturating_add(1);
        self.tries = 0;
        self.reason.clear();
    }
}

impl Saved {
    /// Cuts off what lies beyond the ends of the shards' logs, and says whether anything did: the
    /// end of a log was lost, and other events take those positions.
    pub(crate) fn cut(&mut self, watermarks: &[u64]) -> bool {
        let before = self.clone();
        self.positions.resize(watermarks.len(), 0);
        for (position, watermark) in self.positions.iter_mut().zip(watermarks) {
            *position = (*position).min(*watermark);
        }
        self.held.retain(|_, held| {
            let watermark = watermarks.get(held.shard as usize);
            watermark.is_some_and(|watermark| held.position < *watermark)
        });
        *self != before
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        put_text(&mut bytes, &self.name);
        put_count(&mut bytes, self.positions.len());
        for position in &self.positions {
            bytes.extend_from_slice(&position.to_le_bytes());
        }
        put_count(&mut bytes, self.held.len());
        for (key, held) in &self.held {
            put_text(&mut bytes, key);
            bytes.extend_from_slice(&held.version.to_le_bytes());
            bytes.extend_from_slice(&held.position.to_le_bytes());
            bytes.extend_from_slice(&held.shard.to_le_bytes());
            bytes.extend_from_slice(&held.tries.to_le_bytes());
            bytes.push(u8::from(held.is_parked));
            put_text(&mut bytes, short(&held.reason));
        }
        bytes
    }

    /// What [`encode`](Self::encode) made; `None` where it is anything else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let [form] = take(bytes)?;
        let name = take_text(bytes)?;
        let shards = u32::from_le_bytes(take(bytes)?);
        let position = |_| Some(u64::from_le_bytes(take(bytes)?));
        let positions = (0..shards).map(position).collect::<Option<_>>()?;
        let count = u32::from_le_bytes(take(bytes)?);
        let held = (0..count).map(|_| take_held(bytes));
        let held = held.collect::<Option<_>>()?;
        (form == FORM && bytes.is_empty()).then_some(Self {
            name,
            positions,
            held,
        })
    }
}

fn take_held(bytes: &mut &[u8]) -> Option<(String, Blocked)> {
    let key = take_text(bytes)?;
    let held = Blocked {
        version: u64::from_le_bytes(take(bytes)?),
        position: u64::from_le_bytes(take(bytes)?),
        shard: u32::from_le_bytes(take(bytes)?),
        tries: u32::from_le_bytes(take(bytes)?),
        is_parked: take(bytes)? == [1],
        reason: take_text(bytes)?,
    };
    Some((key, held))
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&(count as u32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::short_text::MAX_REASON_BYTES;

    fn saved() -> Saved {
        let held = |is_parked| Blocked {
            version: 7,
            position: 40,
            shard: 1,
            tries: 3,
            is_parked,
            reason: "überlang ".repeat(200),
        };
        Saved {
            name: "mailer".to_owned(),
            positions: vec![12, 41],
            held: [("a", true), ("b", false)]
                .map(|(key, is_parked)| (key.to_owned(), held(is_parked)))
                .into(),
        }
    }

    #[test]
    fn what_is_kept_is_read_back_with_short_reasons() {
        let read = Saved::decode(&saved().encode());
        let mut expected = saved();
        for held in expected.held.values_mut() {
            held.reason = short(&held.reason).to_owned();
            assert!(held.reason.len() <= MAX_REASON_BYTES);
        }
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn any_bytes_get_an_answer() {
        let bytes = saved().encode();
        for length in 0..bytes.len() {
            assert_eq!(Saved::decode(&bytes[..length]), None);
        }
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            let _ = Saved::decode(&bytes);
        }
    }

    #[test]
    fn what_is_beyond_the_end_of_the_log_is_cut() {
        let mut kept = saved();
        assert!(!kept.cut(&[12, 41]));
        assert!(kept.cut(&[20, 40]));
        assert_eq!((kept.positions, kept.held.len()), (vec![12, 40], 0));
    }
}
