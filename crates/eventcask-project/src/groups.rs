//! The groups of a view: what is remembered by key and window.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::cell::{Cell, Cells};

/// Cells by key and window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    by_key: HashMap<String, Group, RandomState>,
    /// How many keys and windows there are.
    rows: usize,
}

/// What is remembered of one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// Of views without windows.
    whole: Option<Cells>,
    /// Of views with windows, by the start of the window.
    windows: BTreeMap<i64, Cells>,
}

impl Group {
    fn cells_mut(&mut self, window: Option<i64>, empty: impl FnOnce() -> Cells) -> &mut [Cell] {
        match window {
            None => self.whole.get_or_insert_with(empty),
            Some(start) => self.windows.entry(start).or_insert_with(empty),
        }
    }

    /// All windows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<i64>, &[Cell])> {
        let whole = self.whole.iter().map(|cells| (None, &**cells));
        whole.chain(
            self.windows
                .iter()
                .map(|(start, cells)| (Some(*start), &**cells)),
        )
    }

    fn is_empty(&self) -> bool {
        self.whole.is_none() && self.windows.is_empty()
    }

    /// Adds all that `other` remembers; both are of the same aggregations.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (window, cells) in other.iter() {
            let mut new = false;
            let kept = self.cells_mut(window, || {
                new = true;
                cells.into()
            });
            if !new {
                kept.iter_mut()
                    .zip(cells)
                    .for_each(|(cell, other)| cell.merge(*other));
            }
        }
    }
}

impl Groups {
    /// The cells of a key and window; they come from `empty` where there are none.
    pub(crate) fn cells_mut(
        &mut self,
        key: &str,
        window: Option<i64>,
        empty: impl FnOnce() -> Cells,
    ) -> &mut [Cell] {
        let group = self.by_key.entry_ref(key).or_default();
        let rows = &mut self.rows;
        group.cells_mut(window, || {
            *rows += 1;
            empty()
        })
    }

    /// Drops the rows of all windows that `is_over` is true of.
    pub(crate) fn drop_windows(&mut self, is_over: impl Fn(i64) -> bool) {
        self.by_key.retain(|_, group| {
            let before = group.windows.len();
            group.windows.retain(|start, _| !is_over(*start));
            self.rows -= before - group.windows.len();
            !group.is_empty()
        });
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Group> {
        self.by_key.get(key)
    }

    /// All keys, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.by_key.keys().map(String::as_str)
    }

    /// All keys in order.
    pub(crate) fn sorted(&self) -> Vec<(&str, &Group)> {
        let mut groups: Vec<_> = self
            .by_key
            .iter()
            .map(|(key, group)| (key.as_str(), group))
            .collect();
        groups.sort_unstable_by_key(|(key, _)| *key);
        groups
    }

    /// How many keys and windows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }
}
