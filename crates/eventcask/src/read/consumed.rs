//! How far a store has consumed a source.

use std::sync::Arc;

use eventcask_event::Routing;
use eventcask_log::SourceMark;
use eventcask_shard::{CarriedSource, ShardReader};

use crate::StoreReader;

/// How far a store has durably consumed a source, as of when it was asked: from
/// [`StoreReader::consumed`].
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// use eventcask::NewEvent;
/// let mut producer = store.producer_from("readings.csv")?;
/// producer.push_at(0, 0, "sensor-7", &NewEvent::json("Measured", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// let consumed = store.consumed("readings.csv");
/// assert!(consumed.has(0, "sensor-7"));
/// assert!(!consumed.has(1, "sensor-7"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Consumed {
    routing: Routing,
    own: Vec<Option<SourceMark>>,
    carried: Option<CarriedSource>,
}

impl Consumed {
    /// Whether the row of an aggregate at an offset is stored.
    #[must_use]
    pub fn has(&self, offset: u64, key: &str) -> bool {
        let mark = &self.own[self.routing.shard_of(key) as usize];
        let is_passed = mark.as_ref().is_some_and(|mark| offset < mark.next);
        is_passed
            || self
                .carried
                .as_ref()
                .is_some_and(|carried| carried.has(offset, key))
    }

    /// All marks that there are, in no order: those of the shards, and those that a store that was
    /// [resharded](crate::upkeep::reshard) has of the shards before.
    pub fn marks(&self) -> impl Iterator<Item = &SourceMark> {
        let carried = self.carried.iter().flat_map(CarriedSource::marks);
        self.own.iter().flatten().chain(carried)
    }
}

impl StoreReader {
    /// How far the store has durably consumed a source.
    #[must_use]
    pub fn consumed(&self, source: &str) -> Consumed {
        let readers = self.inner.readers.iter();
        Consumed {
            routing: self.inner.manifest.routing(),
            own: readers.map(|reader| mark_in(reader, source)).collect(),
            carried: self.inner.carried.of(source).cloned(),
        }
    }

    /// How far each shard has durably consumed a source: it has all rows before that are its own.
    /// `None` where that is said of none. What else there is of the source, where the store was
    /// resharded, [`consumed`](Self::consumed) knows.
    #[must_use]
    pub fn source_marks(&self, source: &str) -> Vec<Option<SourceMark>> {
        let routing = self.inner.manifest.routing();
        let carried = self.inner.carried.of(source);
        let mark_of = |reader: &Arc<ShardReader>| {
            let carried = carried.and_then(|marks| marks.of_shard(reader.shard(), routing));
            let marks = mark_in(reader, source).into_iter().chain(carried.cloned());
            marks.max_by_key(|mark| mark.next)
        };
        self.inner.readers.iter().map(mark_of).collect()
    }
}

fn mark_in(reader: &Arc<ShardReader>, source: &str) -> Option<SourceMark> {
    let published = reader.published();
    let mut marks = published.marks.iter();
    marks.find(|mark| mark.source == source).cloned()
}
