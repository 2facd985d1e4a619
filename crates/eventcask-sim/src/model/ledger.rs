//! What was ever prepared for submission, by number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventcask::{EventId, Expected, NewEvent};
use fastrand::Rng;

/// One event of an entry.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) event_type: &'static str,
    pub(crate) payload: String,
    pub(crate) cents: i64,
    pub(crate) id: Option<EventId>,
}

/// Events of one account that are submitted together.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) expected: Expected,
    pub(crate) events: Vec<Planned>,
    /// Source and offset, for a row of a source.
    pub(crate) row: Option<(usize, u64)>,
    /// Whether its ids are those of another entry.
    pub(crate) borrows_ids: bool,
    /// Whether it can be refused although disk and shard are well.
    pub(crate) is_picky: bool,
}

/// What an entry is to be like; the ledger fills in the rest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) key: String,
    pub(crate) expected: Expected,
    pub(crate) events: usize,
    pub(crate) ids: bool,
    pub(crate) row: Option<(usize, u64)>,
    /// Take the ids of this entry, for as many events as it has.
    pub(crate) ids_of: Option<usize>,
}

/// All entries of a trial. Each payload names its entry, so that a stored event tells where it
/// comes from.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<Arc<Entry>>>,
}

const TYPES: [&str; 4] = ["Opened", "Deposited", "Withdrawn", "Transferred"];
/// A payload is filled up to this size at most, so that segments end soon.
const FILL_BYTES: usize = 700;

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn entry(&self, number: usize) -> Option<Arc<Entry>> {
        self.entries().get(number).cloned()
    }

    /// How many entries there are: the number of the next one.
    pub(crate) fn len(&self) -> usize {
        self.entries().len()
    }

    /// Prepares an entry and returns its number.
    pub(crate) fn add(&self, wish: Wish, rng: &mut Rng) -> usize {
        let mut entries = self.entries();
        let number = entries.len();
        let ids_of = wish.ids_of.and_then(|other| entries.get(other).cloned());
        let event = |index: usize| {
            let borrowed = ids_of.as_ref().and_then(|other| other.events.get(index));
            let own = || {
                wish.ids
                    .then(|| EventId::from_name(&format!("{number}.{index}")))
            };
            plan(
                number,
                index,
                &wish.key,
                borrowed.map_or_else(own, |event| event.id),
                rng,
            )
        };
        let events = (0..wish.events).map(event).collect();
        entries.push(Arc::new(Entry {
            key: wish.key,
            expected: wish.expected,
            events,
            row: wish.row,
            borrows_ids: wish.ids_of.is_some(),
            is_picky: wish.expected != Expected::Any || wish.ids_of.is_some(),
        }));
        number
    }
}

fn plan(number: usize, index: usize, key: &str, id: Option<EventId>, rng: &mut Rng) -> Planned {
    let cents = rng.i64(-500..1000);
    let fill = if rng.u32(..4) == 0 {
        rng.usize(..FILL_BYTES)
    } else {
        0
    };
    let fill: String = (0..fill).map(|_| rng.alphanumeric()).collect();
    let payload = format!(
        r#"{{"entry":"{number}.{index}","account":"{key}","cents":{cents},"note":"{fill}"}}"#
    );
    Planned {
        event_type: TYPES[rng.usize(..TYPES.len())],
        payload,
        cents,
        id,
    }
}

impl Planned {
    pub(crate) fn as_new(&self) -> NewEvent<'_> {
        let event = NewEvent::json(self.event_type, self.payload.as_bytes());
        self.id.map_or(event, |id| event.id(id))
    }
}

/// Entry and index that a payload names.
pub(crate) fn named_in(payload: &[u8]) -> Option<(usize, usize)> {
    let text = str::from_utf8(payload).ok()?;
    let (named, _) = text.strip_prefix(r#"{"entry":""#)?.split_once('"')?;
    let (entry, index) = named.split_once('.')?;
    Some((entry.parse().ok()?, index.parse().ok()?))
}
