//! One answer of the states that a view has in several shards.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::cell::Cell;
use crate::groups::Group;
use crate::{LeftOut, Value, ViewRow, ViewSpec, ViewState};

/// The states that a view has in several shards, asked as one.
///
/// Nothing is copied but what an answer holds. Where sums are no longer exact (see
/// [`Number`](crate::Number)), their last digits depend on the order of the states.
///
/// ```
/// use std::sync::Arc;
/// use eventcask_project::{MergedStates, ViewSpec, ViewState};
///
/// let spec = Arc::new(ViewSpec::new("carrier", &["count"], None, None)?);
/// let shards = [ViewState::new(Arc::clone(&spec)), ViewState::new(spec)];
/// let merged = MergedStates::new(&shards);
/// assert_eq!((merged.row_count(), merged.get("UA")), (0, vec![]));
/// # Ok::<(), eventcask_project::SpecError>(())
/// ```
#[derive(Debug)]
pub struct MergedStates<'a> {
    states: Vec<&'a ViewState>,
    /// The newest time of an event in all of them.
    newest: i64,
}

/// A row that may be among the highest. Of equal values the one that comes first in order counts as
/// higher.
struct Ranked<'a> {
    rank: (Value, Reverse<(&'a str, Option<i64>)>),
    row: ViewRow,
}

impl<'a> MergedStates<'a> {
    /// States of one view; there is at least one.
    ///
    /// # Panics
    /// When there is none, or they are of different definitions.
    #[must_use]
    pub fn new(states: impl IntoIterator<Item = &'a ViewState>) -> Self {
        let states: Vec<_> = states.into_iter().collect();
        assert!(
            states.windows(2).all(|two| two[0].spec() == two[1].spec()),
            "states of different views do not merge"
        );
        let newest = states.iter().map(|state| state.newest()).max();
        let newest = newest.expect("a view has a state in each shard");
        Self { states, newest }
    }

    /// The definition of the view.
    #[must_use]
    pub fn spec(&self) -> &'a ViewSpec {
        self.states[0].spec()
    }

    /// The rows of one key: one without windows, one a window with them, none where no event
    /// had the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Vec<ViewRow> {
        let group = self.groups_of(key).next().map(|_| self.merged(key));
        let rows = |group: &Group| self.rows_of(key, group).collect();
        group.as_deref().map_or_else(Vec::new, rows)
    }

    /// All rows, ordered by key (byte by byte), then by window.
    pub fn rows(&self) -> impl Iterator<Item = ViewRow> {
        let mut keys: Vec<_> = self.keys().collect();
        keys.sort_unstable();
        keys.into_iter().flat_map(|key| {
            let group = self.merged(key);
            self.rows_of(key, &group).collect::<Vec<_>>()
        })
    }

    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.keys()
            .map(|key| self.windows(&self.merged(key)).count())
            .sum()
    }

    /// The events of the wanted type that are in no group, by why.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        let mut all = LeftOut::default();
        self.states
            .iter()
            .for_each(|state| all.add(&state.left_out()));
        all
    }

    /// The rows with the highest values of an aggregation, highest first: at most `limit`. Rows of
    /// equal values come in the order of [`rows`](Self::rows), and those without a value last.
    ///
    /// None where the view has no such aggregation.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use eventcask_project::{MergedStates, ViewSpec, ViewState};
    /// let spec = Arc::new(ViewSpec::new("carrier", &["count"], None, None)?);
    /// let state = ViewState::new(spec);
    /// let merged = MergedStates::new([&state]);
    /// assert_eq!(merged.top(3, "count"), Some(vec![]));
    /// assert_eq!(merged.top(3, "sum:dep_delay"), None);
    /// # Ok::<(), eventcask_project::SpecError>(())
    /// ```
    #[must_use]
    pub fn top(&self, limit: usize, aggregation: &str) -> Option<Vec<ViewRow>> {
        let by = self
            .spec()
            .aggregations()
            .position(|text| text == aggregation)?;
        let mut highest = BinaryHeap::new();
        for key in self.keys() {
            for (window, cells) in self.windows(&self.merged(key)) {
                let rank = (cells[by].value(), Reverse((key, window)));
                if highest.len() == limit {
                    // The lowest of those that are kept makes room, if this one is higher.
                    match highest.peek() {
                        Some(Reverse(Ranked { rank: lowest, .. })) if *lowest < rank => {
                            highest.pop()
                        }
                        _ => continue,
                    };
                }
                let row = self.row(key, window, cells);
                highest.push(Reverse(Ranked { rank, row }));
            }
        }
        let sorted = highest.into_sorted_vec().into_iter();
        Some(sorted.map(|Reverse(ranked)| ranked.row).collect())
    }

    /// Each key once, in no order.
    fn keys(&self) -> impl Iterator<Item = &'a str> {
        let states = self.states.iter().enumerate();
        states.flat_map(|(index, state)| {
            let before = &self.states[..index];
            let is_new = |key: &&str| before.iter().all(|state| state.groups().get(key).is_none());
            state.groups().keys().filter(is_new)
        })
    }

    fn groups_of<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a Group> + use<'a, '_, 'k> {
        let states = self.states.iter();
        states.filter_map(move |state| state.groups().get(key))
    }

    /// What all states hold of a key; copied only where several do.
    fn merged(&self, key: &str) -> Cow<'a, Group> {
        let mut groups = self.groups_of(key);
        let first = groups.next().map_or_else(Cow::default, Cow::Borrowed);
        groups.fold(first, |mut merged, group| {
            merged.to_mut().merge(group);
            merged
        })
    }

    fn rows_of(&self, key: &str, group: &Group) -> impl Iterator<Item = ViewRow> {
        self.windows(group)
            .map(move |(window, cells)| self.row(key, window, cells))
    }

    /// The windows of a group that are not over: what one shard still has may be over for another.
    fn windows<'g>(&self, group: &'g Group) -> impl Iterator<Item = (Option<i64>, &'g [Cell])> {
        let is_over = |window| self.spec().is_over(window, self.newest);
        group
            .iter()
            .filter(move |(window, _)| !window.is_some_and(is_over))
    }

    fn row(&self, key: &str, window: Option<i64>, cells: &[Cell]) -> ViewRow {
        ViewRow::new(self.spec(), key, window, cells)
    }
}

impl ViewState {
    /// The rows of one key: one without windows, one a window with them, none where no event
    /// had the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Vec<ViewRow> {
        MergedStates::new([self]).get(key)
    }

    /// All rows, ordered by key (byte by byte), then by window.
    #[must_use]
    pub fn rows(&self) -> Vec<ViewRow> {
        MergedStates::new([self]).rows().collect()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        MergedStates::new([self]).row_count()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}
