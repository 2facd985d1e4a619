//! A projection and a view as they were, to be asked.

use std::sync::Arc;

use eventcask_event::Routing;
use eventcask_project::{Merge, MergedStates, Projection, SpecError, ViewRow, ViewState};

use crate::Error;
use crate::state::folding::Folding;

/// The states of a projection at a moment of the past. From [`crate::ProjectionHandle::as_of`].
pub struct ProjectionAsOf<P: Projection> {
    projection: Arc<P>,
    routing: Routing,
    shards: Vec<Folding<P::State>>,
}

impl<P: Projection> std::fmt::Debug for ProjectionAsOf<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProjectionAsOf")
            .field("name", &P::NAME)
            .field("positions", &self.positions())
            .finish_non_exhaustive()
    }
}

impl<P: Projection> ProjectionAsOf<P> {
    pub(crate) fn new(
        projection: &Arc<P>,
        routing: Routing,
        shards: Vec<Folding<P::State>>,
    ) -> Self {
        Self {
            projection: Arc::clone(projection),
            routing,
            shards,
        }
    }

    /// The state of a shard.
    ///
    /// # Panics
    /// Where there is no such shard.
    #[must_use]
    pub fn state(&self, shard: u32) -> &P::State {
        &self.shards[shard as usize].state
    }

    /// The state of the shard that an aggregate belongs to.
    #[must_use]
    pub fn state_of(&self, key: &str) -> &P::State {
        self.state(self.routing.shard_of(key))
    }

    /// Position after the last event that each state holds.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.shards.iter().map(|folding| folding.progress).collect()
    }

    /// The states of all shards as one.
    #[must_use]
    pub fn merged(&self) -> P::State
    where
        P: Merge,
    {
        let mut merged = P::State::default();
        for folding in &self.shards {
            self.projection.merge(&mut merged, &folding.state);
        }
        merged
    }
}

/// A view at a moment of the past. From [`View::as_of`](crate::View::as_of).
pub struct ViewAsOf {
    shards: Vec<Folding<ViewState>>,
}

impl std::fmt::Debug for ViewAsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewAsOf")
            .field("positions", &self.positions())
            .finish_non_exhaustive()
    }
}

impl ViewAsOf {
    pub(crate) fn new(shards: Vec<Folding<ViewState>>) -> Self {
        Self { shards }
    }

    /// The row of a key, or one row for each of its windows; none where there was no event.
    #[must_use]
    pub fn get(&self, key: &str) -> Vec<ViewRow> {
        self.merged().get(key)
    }

    /// All rows, by key and window.
    #[must_use]
    pub fn rows(&self) -> Vec<ViewRow> {
        self.merged().rows().collect()
    }

    /// The rows with the highest values of an aggregation, as [`View::top`](crate::View::top).
    ///
    /// # Errors
    /// Where the view has no such aggregation.
    pub fn top(&self, limit: usize, aggregation: &str) -> Result<Vec<ViewRow>, Error> {
        top(&self.merged(), limit, aggregation)
    }

    /// How many rows there were.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.merged().row_count()
    }

    /// Position after the last event that it holds, one a shard.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.shards.iter().map(|folding| folding.progress).collect()
    }

    fn merged(&self) -> MergedStates<'_> {
        MergedStates::new(self.shards.iter().map(|folding| &folding.state))
    }
}

/// The rows with the highest values of an aggregation.
///
/// # Errors
/// Where there is no such aggregation.
pub(crate) fn top(
    states: &MergedStates<'_>,
    limit: usize,
    aggregation: &str,
) -> Result<Vec<ViewRow>, Error> {
    states.top(limit, aggregation).ok_or_else(|| {
        let known: Vec<_> = states.spec().aggregations().collect();
        let (text, known) = (aggregation.to_owned(), known.join(", "));
        SpecError::Absent { text, known }.into()
    })
}
