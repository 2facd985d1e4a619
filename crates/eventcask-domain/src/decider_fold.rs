//! The state of a decider, as the store folds and keeps it.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventcask::ApplyError;
use eventcask::event::EventRef;

use crate::decider::Decider;
use crate::error::DecodeError;
use crate::event_set::EventSet;
use crate::moment::Moment;

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
const NAME_BYTES: usize = 128;

impl<D: Decider> DeciderFold<D> {
    pub(crate) const NEW: Self = Self(PhantomData);

    /// Another one than any fold of the same name has.
    const NAMED: &'static [u8] = &named(D::CATEGORY);
    const NAME_END: usize = PREFIX.len() + D::CATEGORY.len();
}

/// # Panics
/// Where the category is none: a build fails by it.
const fn named(category: &str) -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    assert!(
        !category.is_empty() && category.len() <= NAME_BYTES - PREFIX.len(),
        "the category of a decider has 1 to 120 bytes"
    );
    let mut at = 0;
    while at < PREFIX.len() + category.len() {
        name[at] = if at < PREFIX.len() {
            PREFIX.as_bytes()[at]
        } else {
            category.as_bytes()[at - PREFIX.len()]
        };
        assert!(
            name[at] != b'-',
            "the category of a decider has no '-': two categories would share keys"
        );
        at += 1;
    }
    name
}

impl<D: Decider> eventcask::Fold for DeciderFold<D> {
    const NAME: &'static str = match str::from_utf8(Self::NAMED.split_at(Self::NAME_END).0) {
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
            (snapshots.encode)(&kept.state, out);
        }
    }

    fn decode(&self, mut bytes: &[u8]) -> Option<Kept<D>> {
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
