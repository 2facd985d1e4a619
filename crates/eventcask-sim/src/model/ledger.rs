//! What was ever prepared for submission, by number.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventcask::event::{Headers, Metadata, NewMetadata, Tags};
use eventcask::{AppendSet, EventId, Expected, NewEvent, RouteBy};
use fastrand::Rng;

/// One event of an entry.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Key of its account.
    pub(crate) key: String,
    pub(crate) event_type: &'static str,
    pub(crate) payload: String,
    pub(crate) cents: i64,
    /// Of an event whose payload is not known to be JSON.
    pub(crate) shape: Option<NonZeroU64>,
    pub(crate) id: Option<EventId>,
    pub(crate) metadata: Option<NewMetadata<'static>>,
}

/// Events that are submitted together.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Key of the account, of the first event where they are of several.
    pub(crate) key: String,
    pub(crate) expected: Expected,
    /// What is expected of each account, where they are of several; nothing otherwise.
    pub(crate) each: Vec<(String, Expected)>,
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
    /// The account of each event, and what is expected of each account, where they are of several.
    pub(crate) accounts: Vec<String>,
    pub(crate) each: Vec<(String, Expected)>,
}

/// All entries of a trial. Each payload names its entry, so that a stored event tells where it
/// comes from.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By what the store of the trial is routed.
    pub(crate) route_by: RouteBy,
    entries: Mutex<Vec<Arc<Entry>>>,
}

const TYPES: [&str; 4] = ["Opened", "Deposited", "Withdrawn", "Transferred"];
/// A payload is filled up to this size at most, so that segments end soon.
const FILL_BYTES: usize = 700;

/// Categories of a store that is routed by them: each of its shards has some.
const CATEGORIES: u32 = 16;

impl Ledger {
    /// The ledger of a store with this routing.
    pub(crate) fn of(route_by: RouteBy) -> Self {
        Self {
            route_by,
            ..Self::default()
        }
    }

    /// The key of an account.
    pub(crate) fn account(&self, number: u32) -> String {
        match self.route_by {
            RouteBy::Category => format!("bank{}-account-{number}", number % CATEGORIES),
            _ => format!("account-{number}"),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn entry(&self, number: usize) -> Option<Arc<Entry>> {
        self.entries().get(number).cloned()
    }

    /// The account of a stored event.
    pub(crate) fn key_of(&self, entry: usize, index: usize) -> String {
        let entry = self.entry(entry);
        entry.map_or(String::new(), |entry| entry.events[index].key.clone())
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
                wish.accounts.get(index).unwrap_or(&wish.key),
                borrowed.map_or_else(own, |event| event.id),
                rng,
            )
        };
        let events = (0..wish.events).map(event).collect();
        entries.push(Arc::new(Entry {
            is_picky: wish.expected != Expected::Any
                || wish.each.iter().any(|(_, one)| *one != Expected::Any)
                || wish.ids_of.is_some(),
            key: wish.key,
            expected: wish.expected,
            each: wish.each,
            events,
            row: wish.row,
            borrows_ids: wish.ids_of.is_some(),
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
    // From numbers of its own, so that seeds that once failed mostly do what they did.
    let mut other = Rng::with_seed(!rng.clone().u64(..));
    Planned {
        key: key.to_owned(),
        shape: NonZeroU64::new(SHAPES[other.usize(..SHAPES.len())]),
        event_type: TYPES[rng.usize(..TYPES.len())],
        payload,
        cents,
        id,
        metadata: (rng.u32(..3) > 0).then(|| metadata(number, index, rng)),
    }
}

/// Two shapes, and none.
const SHAPES: [u64; 5] = [0, 0, 0, 7, u64::MAX];
const HEADERS: [&[(&str, &[u8])]; 4] = [
    &[],
    &[("trace", b"00-4bf92f")],
    &[("by", b""), ("raw", &[0xff, 0])],
    &[("raw", &[0xff, 0]), ("by", b"teller 7")],
];
const TAGS: [&[(&str, &str)]; 4] = [
    &[],
    &[("branch", "Z\u{fc}rich")],
    &[("teller", "7"), ("branch", "")],
    &[("teller", "8")],
];

/// What an event carries beside its payload: mostly what no other one does.
fn metadata(number: usize, index: usize, rng: &mut Rng) -> NewMetadata<'static> {
    let id = |what: &str| EventId::from_name(&format!("{what} {number}.{index}"));
    NewMetadata {
        correlation: (rng.u32(..4) > 0).then(|| id("request")),
        causation: rng.bool().then(|| id("cause")),
        headers: Headers::new(HEADERS[rng.usize(..HEADERS.len())]),
        tags: Tags::new(TAGS[rng.usize(..TAGS.len())]),
    }
}

impl Entry {
    /// Whether its events are of several accounts.
    pub(crate) fn is_set(&self) -> bool {
        !self.each.is_empty()
    }

    /// Whether it is to be stored whatever there is.
    pub(crate) fn expects_nothing(&self) -> bool {
        self.expectations().all(|(_, one)| one == Expected::Any)
    }

    /// What is expected of each account.
    pub(crate) fn expectations(&self) -> impl Iterator<Item = (&str, Expected)> {
        let one = (!self.is_set()).then_some((self.key.as_str(), self.expected));
        let each = self.each.iter().map(|(key, one)| (key.as_str(), *one));
        one.into_iter().chain(each)
    }

    /// The append of its events, of which there may be fewer, to several accounts that are to be
    /// like this.
    pub(crate) fn as_set<'e>(
        &'e self,
        events: &[NewEvent<'e>],
        each: &'e [(String, Expected)],
    ) -> AppendSet<'e> {
        let planned = self.events.iter().zip(events);
        let set = planned.fold(AppendSet::new(), |set, (planned, event)| {
            set.append(&planned.key, Expected::Any, &[*event])
        });
        each.iter()
            .fold(set, |set, (key, expected)| set.check(key, *expected))
    }
}

impl Planned {
    /// By what the store knows it again.
    pub(crate) fn identity(&self) -> Option<(String, EventId)> {
        Some((self.key.clone(), self.id?))
    }

    /// Whether what a stored event carries is what it came with.
    pub(crate) fn carries(&self, metadata: Metadata<'_>) -> bool {
        let stored = metadata.to_new().unwrap_or_default();
        self.metadata.unwrap_or_default().is_same(&stored)
    }

    pub(crate) fn as_new(&self) -> NewEvent<'_> {
        let payload = self.payload.as_bytes();
        let mut event = match self.shape {
            Some(shape) => NewEvent::bytes(self.event_type, payload).shape(shape.get()),
            None => NewEvent::json(self.event_type, payload),
        };
        event.metadata = self.metadata;
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
