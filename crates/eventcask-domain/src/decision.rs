//! A decision that was made.

use std::sync::Arc;

use eventcask::{Place, Versioned};

use crate::decided::Decided;
use crate::decider::{Decider, Deciding};
use crate::decider_fold::Kept;

/// What was decided by a state.
pub(crate) struct Decision<D: Decider> {
    pub(crate) before: Versioned<Kept<D>>,
    pub(crate) reply: D::Reply,
    pub(crate) events: Vec<D::Event>,
    pub(crate) after: Arc<D>,
}

impl<D: Decider> Decision<D> {
    pub(crate) fn by(before: &Versioned<Kept<D>>, command: &D::Command) -> Result<Self, D::Error> {
        let mut deciding = Deciding::by(Arc::clone(&before.state));
        let reply = D::decide(&mut deciding, command)?;
        let (after, events) = deciding.into_parts();
        Ok(Self {
            before: before.clone(),
            reply,
            events,
            after,
        })
    }

    pub(crate) fn decided(self, version: u64, place: Place) -> Decided<D> {
        Decided {
            reply: self.reply,
            events: self.events,
            version,
            place,
            repeated: false,
        }
    }
}
