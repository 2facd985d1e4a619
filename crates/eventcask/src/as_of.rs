//! A moment of the past.

use eventcask_event::Timestamp;

/// A moment up to which events count, with the one that it names.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::{AsOf, Expected, NewEvent};
/// let mut producer = store.producer();
/// let steps: Vec<_> = (0..3).map(|_| NewEvent::json("Step", b"{}")).collect();
/// producer.append("walk", Expected::Any, &steps)?.wait()?;
///
/// let then = store.aggregate("walk").as_of(AsOf::Version(2));
/// assert_eq!(then.events()?.count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsOf {
    /// The event of this version is the last one of its aggregate; only aggregates have versions.
    Version(u64),
    /// The event at this position is the last one of its shard, such as the one of which an append
    /// was answered the position.
    Position(u64),
    /// All that was committed up to this time, and nothing later. What is asked of a time that has
    /// not passed yet may be answered otherwise later.
    Time(Timestamp),
}
