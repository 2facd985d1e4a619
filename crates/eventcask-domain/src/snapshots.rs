//! How the state of a decider is kept in snapshots.

use eventcask::projection::Snapshot;

/// How the state of a decider is kept in snapshots, so that an aggregate of many events is not
/// folded from its first one: [`Decider::SNAPSHOTS`](crate::Decider::SNAPSHOTS).
///
/// A snapshot is saved beside the log every so many events, and makes loads faster. One that is lost,
/// damaged or older only costs time. So does one that was saved by another type of decider, by one
/// whose state has another size, or with other event types, schema versions or archives: it is passed
/// over. What nothing but its author can know is that the same events give another state, or that
/// the bytes of the state mean something else: where the version is not raised then, loads go on from
/// the state as it was.
///
/// ```
/// # use eventcask_domain::prelude::*;
/// # #[event("counted")]
/// # struct Counted { by: u64 }
/// # #[derive(EventSet)]
/// # enum CountEvent { Counted(Counted) }
/// use eventcask::projection::Snapshot;
///
/// #[derive(Default, Clone)]
/// struct Count { sum: u64 }
///
/// impl Snapshot for Count {
///     fn encode(&self, bytes: &mut Vec<u8>) { self.sum.encode(bytes); }
///     fn decode(bytes: &mut &[u8]) -> Option<Self> { Some(Self { sum: u64::decode(bytes)? }) }
/// }
///
/// impl Decider for Count {
///     const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::named("count", 1));
///     // ...
/// #   const CATEGORY: &'static str = "count";
/// #   type Event = CountEvent;
/// #   type Command = u64;
/// #   type Reply = u64;
/// #   type Error = std::convert::Infallible;
/// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.sum += event.by(); }
/// #   fn decide(cx: &mut Deciding<Self>, by: &u64) -> Result<u64, Self::Error> {
/// #       cx.emit(Counted { by: *by });
/// #       Ok(cx.state().sum)
/// #   }
/// }
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let counts = store.decider::<Count>().snapshot_every(2);
/// for sum in 1..=5 {
///     assert_eq!(counts.execute("a", &1).wait()?.reply, sum);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Snapshots<D> {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) encode: fn(&D, &mut Vec<u8>),
    pub(crate) decode: fn(&mut &[u8]) -> Option<D>,
}

impl<D: Snapshot> Snapshots<D> {
    /// As [`Snapshot`] has it, under a name of 1 to 120 bytes that no other decider of the category
    /// has: each would overwrite what the other one saved. Raise the version whenever the same events
    /// give another state, by another upcaster also, or the state has another form.
    #[must_use]
    pub const fn named(name: &'static str, version: u32) -> Self {
        Self {
            name,
            version,
            encode: D::encode,
            decode: D::decode,
        }
    }
}
