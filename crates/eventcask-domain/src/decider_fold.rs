//! The state of a decider, as the store folds and keeps it.

use std::any::type_name;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventcask::ApplyError;
use eventcask::event::{Encoding, EventRef};

use crate::decider::Decider;
use crate::error::DecodeError;
use crate::event_set::EventSet;
use crate::moment::Moment;
use crate::shape;

/// A decider as the store folds it.
pub(crate) struct DeciderFold<D>(pub(crate) PhantomData<fn() -> D>);

/// A state that is kept in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept<D> {
    pub(crate) state: Arc<D>,
    pub(crate) confirmed: Confirmed,
}

/// When a state was last known to be the newest one.
#[derive(Debug, Default)]
pub(crate) struct Confirmed(AtomicU64);

impl Confirmed {
    pub(crate) fn at(moment: Moment) -> Self {
        Self(AtomicU64::new(moment.as_nanos()))
    }

    /// It was at that moment.
    pub(crate) fn again(&self, moment: Moment) {
        self.0.fetch_max(moment.as_nanos(), Ordering::Relaxed);
    }

    /// Whether it was, at most so long ago.
    pub(crate) fn is_within(&self, age: Duration) -> bool {
        match self.0.load(Ordering::Relaxed) {
            0 => false,
            confirmed => Moment::now().is_within(age, confirmed),
        }
    }
}

impl Clone for Confirmed {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

const PREFIX: &str = "decider ";
const PART_BYTES: usize = 120;
const NAME_BYTES: usize = PREFIX.len() + PART_BYTES + "-".len() + PART_BYTES;

impl<D: Decider> DeciderFold<D> {
    pub(crate) const NEW: Self = Self(PhantomData);

    /// Another one than any fold of the same name has, or decider whose snapshots have another name.
    const NAMED: &'static ([u8; NAME_BYTES], usize) = &named(
        D::CATEGORY,
        match D::SNAPSHOTS {
            Some(snapshots) => Some(snapshots.name),
            None => None,
        },
    );

    /// What a state comes from, as a number: one that comes from something else is no state of this
    /// decider, even where its bytes can be read as one.
    fn origin() -> u64 {
        let state = (type_name::<D>(), size_of::<D>() as u64);
        let schemas = D::Event::SCHEMAS.iter().flat_map(|newest| newest.chain());
        schemas.fold(shape::of_fields(&[state]), |origin, schema| {
            let is_json = schema.encoding == Encoding::Json;
            shape::of_fields(&[
                (schema.event_type, u64::from(schema.version)),
                ("is JSON", u64::from(is_json)),
                ("shape", schema.shape.map_or(0, NonZeroU64::get)),
                ("those before", origin),
            ])
        })
    }
}

/// The name, and how many bytes it has.
///
/// # Panics
/// Where the category or the name of the snapshots is none: a build fails by it.
const fn named(category: &str, snapshots: Option<&str>) -> ([u8; NAME_BYTES], usize) {
    let name = put(([0; NAME_BYTES], 0), PREFIX);
    assert!(
        !category.is_empty() && category.len() <= PART_BYTES,
        "the category of a decider has 1 to 120 bytes"
    );
    let name = put(name, category);
    let mut at = PREFIX.len();
    while at < name.1 {
        assert!(
            name.0[at] != b'-',
            "the category of a decider has no '-': two categories would share keys"
        );
        at += 1;
    }
    let Some(snapshots) = snapshots else {
        return name;
    };
    assert!(
        !snapshots.is_empty() && snapshots.len() <= PART_BYTES,
        "the name of a decider's snapshots has 1 to 120 bytes"
    );
    put(put(name, "-"), snapshots)
}

const fn put(
    (mut name, start): ([u8; NAME_BYTES], usize),
    text: &str,
) -> ([u8; NAME_BYTES], usize) {
    let mut at = 0;
    while at < text.len() {
        name[start + at] = text.as_bytes()[at];
        at += 1;
    }
    (name, start + at)
}

impl<D: Decider> eventcask::Fold for DeciderFold<D> {
    const NAME: &'static str = match str::from_utf8(Self::NAMED.0.split_at(Self::NAMED.1).0) {
        Ok(name) => name,
        Err(_) => D::CATEGORY,
    };
    const VERSION: u32 = match D::SNAPSHOTS {
        Some(snapshots) => snapshots.version,
        None => 0,
    };
    type State = Kept<D>;

    fn apply(&self, kept: &mut Kept<D>, event: &EventRef<'_>) -> Result<(), ApplyError> {
        let state = Arc::make_mut(&mut kept.state);
        match D::Event::decode(event)? {
            Some(decoded) => decoded.views().for_each(|view| state.evolve(view)),
            None if D::PASSES_OTHERS => {}
            None => return Err(DecodeError::unknown(event.event_type).into()),
        }
        Ok(())
    }

    fn encode(&self, kept: &Kept<D>, out: &mut Vec<u8>) {
        if let Some(snapshots) = D::SNAPSHOTS {
            out.extend_from_slice(&Self::origin().to_le_bytes());
            (snapshots.encode)(&kept.state, out);
        }
    }

    fn decode(&self, bytes: &[u8]) -> Option<Kept<D>> {
        let (origin, mut bytes) = bytes.split_first_chunk()?;
        if u64::from_le_bytes(*origin) != Self::origin() {
            return None;
        }
        let state = (D::SNAPSHOTS?.decode)(&mut bytes)?;
        let kept = Kept {
            state: Arc::new(state),
            confirmed: Confirmed::default(),
        };
        bytes.is_empty().then_some(kept)
    }

    fn bytes(&self, kept: &Kept<D>) -> usize {
        size_of_val(kept) + kept.state.bytes()
    }
}
