//! Events that are no longer written, and became other ones.

use crate::event::Event;
use crate::event_set::EventSet;

/// What an event, which is no longer written, became: several events of a set, one, or none.
///
/// An event that only changed its shape has `prev` instead. The set names those that it upcasts.
/// What needs more than the event itself is for the fold that is shown the events.
///
/// ```
/// use eventcask::{Expected, NewEvent};
/// use eventcask_domain::TypedEvent;
/// use eventcask_domain::prelude::*;
///
/// #[event("customer.moved")]
/// struct Moved { street: String }
///
/// #[event("customer.renamed")]
/// struct Renamed { name: String }
///
/// /// Until last year both were one.
/// #[event("customer.changed")]
/// struct Changed { name: Option<String>, street: Option<String> }
///
/// impl Upcast<CustomerEvent> for Changed {
///     fn upcast(self) -> Vec<CustomerEvent> {
///         let renamed = self.name.map(|name| Renamed { name }.into());
///         let moved = self.street.map(|street| Moved { street }.into());
///         renamed.into_iter().chain(moved).collect()
///     }
/// }
///
/// #[derive(EventSet)]
/// #[event_set(upcast = [Changed])]
/// enum CustomerEvent { Moved(Moved), Renamed(Renamed) }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let changed = NewEvent::json("customer.changed", br#"{"name":"Ada","street":"Long Lane"}"#);
/// store.append("customer-1", Expected::Any, &[changed])?.wait()?;
/// let events = store.aggregate("customer-1").events()?.typed::<CustomerEvent>();
/// let text = |event: TypedEvent<CustomerEvent>| format!("{:?}", event.view());
/// let seen: Vec<_> = events.map(|event| event.map(text)).collect();
/// assert_eq!(seen[0], Ok("Renamed(Renamed { name: \"Ada\" })".to_owned()));
/// assert_eq!(seen[1], Ok("Moved(Moved { street: \"Long Lane\" })".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says nothing of what it became in `{S}`",
    label = "named by `upcast`",
    note = "implement `Upcast<{S}>` for it"
)]
pub trait Upcast<S: EventSet>: Event {
    /// The events that it became, in their order.
    fn upcast(self) -> Vec<S>;
}
