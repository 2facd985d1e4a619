//! A decision that is being made.

use std::fmt::Debug;
use std::sync::Arc;

use crate::decider::Decider;
use crate::event_set::EventSet;

/// What [`Decider::decide`] decides by, and where it puts the events: a state to look at, in which
/// what was emitted has been applied already.
///
/// ```
/// # use eventcask_domain::prelude::*;
/// # #[event("counted")]
/// # struct Counted { by: u64 }
/// # #[derive(EventSet)]
/// # enum CountEvent { Counted(Counted) }
/// #[derive(Default, Clone)]
/// struct Count(u64);
///
/// impl Decider for Count {
/// #   const CATEGORY: &'static str = "count";
/// #   type Event = CountEvent;
/// #   type Command = u64;
/// #   type Reply = u64;
/// #   type Error = std::convert::Infallible;
/// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.0 += event.by(); }
///     // ...
///     fn decide(cx: &mut Deciding<Self>, to: &u64) -> Result<u64, Self::Error> {
///         while cx.state().0 < *to {
///             cx.emit(Counted { by: 1 });
///         }
///         Ok(cx.state().0)
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let counts = store.decider::<Count>();
/// assert_eq!(counts.execute("a", &3).wait()?.events.len(), 3);
/// assert_eq!(counts.execute("a", &2).wait()?.events.len(), 0); // it is 3 already
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Deciding<D: Decider> {
    /// Copied when the first event is applied, so that a command without events copies nothing.
    state: Arc<D>,
    events: Vec<D::Event>,
}

impl<D: Decider> Deciding<D> {
    pub(crate) fn by(state: Arc<D>) -> Self {
        Self {
            state,
            events: Vec::new(),
        }
    }

    /// The state, with all that was emitted so far.
    #[must_use]
    pub fn state(&self) -> &D {
        &self.state
    }

    /// Says that something happens: the event is applied to the state at once, and stored with the
    /// others of this decision, all or none.
    pub fn emit(&mut self, event: impl Into<D::Event>) {
        let event = event.into();
        Arc::make_mut(&mut self.state).evolve(event.view());
        self.events.push(event);
    }

    pub(crate) fn into_parts(self) -> (Arc<D>, Vec<D::Event>) {
        (self.state, self.events)
    }
}

impl<D: Decider> Debug for Deciding<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events = self.events.iter().map(EventSet::view);
        f.debug_list().entries(events).finish()
    }
}
