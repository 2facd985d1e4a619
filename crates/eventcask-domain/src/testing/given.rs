//! What happened before.

use std::fmt::Debug;
use std::sync::Arc;

use crate::decider::{Decider, Deciding};
use crate::event_set::EventSet;
use crate::testing::when::When;

/// An aggregate that these events happened to.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    let mut state = D::default();
    for event in events {
        state.evolve(event.view());
    }
    Given { state }
}

/// An aggregate to which something happened: from [`given`].
#[must_use = "nothing is tried yet: `when`"]
pub struct Given<D> {
    state: D,
}

impl<D: Decider> Given<D> {
    /// The state that it is in.
    pub fn state(&self) -> &D {
        &self.state
    }

    /// Asks for something.
    pub fn when(self, command: &D::Command) -> When<D> {
        let mut deciding = Deciding::by(Arc::new(self.state));
        let answer = D::decide(&mut deciding, command);
        let (state, events) = deciding.into_parts();
        When {
            answer,
            state,
            events,
        }
    }
}

impl<D: Debug> Debug for Given<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Given").field(&self.state).finish()
    }
}
