//! Segments to which nothing is added any more.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::NewSegment;
use crate::format::sealed_header::{Sealed, TableKind};
use crate::sealed::budget::Loan;
use crate::sealed::cluster::Order;
use crate::sealed::filter;
use crate::sealed::index::{IdQuery, Index};

/// A segment to which nothing is added any more.
pub struct ClosedSegment {
    new: NewSegment,
    sealed: Sealed,
    pub(crate) key_filter: OnceLock<KeptFilter>,
    pub(crate) id_filter: OnceLock<KeptFilter>,
    pub(crate) gathered: OnceLock<Arc<Index>>,
    clusters_are_bad: AtomicBool,
}

impl fmt::Debug for ClosedSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosedSegment")
            .field("number", &self.new.number)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}

impl ClosedSegment {
    pub(crate) fn new(new: NewSegment, sealed: Sealed) -> Self {
        Self {
            new,
            sealed,
            key_filter: OnceLock::new(),
            id_filter: OnceLock::new(),
            gathered: OnceLock::new(),
            clusters_are_bad: AtomicBool::new(false),
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.new.number
    }

    /// Position of the first event that was ever in it.
    #[must_use]
    pub fn first_position(&self) -> u64 {
        self.new.first_position
    }

    /// What its header says. Of a segment that is not sealed `rewrite` is 0, and there are no
    /// tables.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Whether its tables could be read whenever they were asked.
    #[must_use]
    pub fn answers_from_tables(&self) -> bool {
        self.gathered.get().is_none()
    }

    /// Whether it has a clustered copy that could be read whenever it was asked.
    #[must_use]
    pub fn has_good_clusters(&self) -> bool {
        // Relaxed: nothing else goes with it.
        self.sealed.is_clustered() && !self.has_bad_clusters()
    }

    /// Whether its clustered copy was found damaged.
    #[must_use]
    pub fn has_bad_clusters(&self) -> bool {
        self.clusters_are_bad.load(Ordering::Relaxed)
    }

    /// Whether it could have a clustered copy, and has none.
    #[must_use]
    pub fn lacks_clusters(&self) -> bool {
        let sealed = &self.sealed;
        let last = sealed.next_position.saturating_sub(1);
        let is_possible = Order::of(0, last, self.first_position()).is_some();
        sealed.events > 0 && is_possible && !sealed.is_clustered()
    }

    pub(crate) fn note_bad_clusters(&self) {
        self.clusters_are_bad.store(true, Ordering::Relaxed);
    }

    /// Whether it certainly holds no event that came with an id.
    #[must_use]
    pub fn has_no_ids(&self) -> bool {
        match self.gathered.get() {
            Some(index) => index.ids.is_empty(),
            None => self.sealed.rewrite > 0 && self.sealed.table(TableKind::IdPages).is_none(),
        }
    }

    /// The bytes of its filter that a question for an id reads, where the filter is in memory: to
    /// be asked for beforehand.
    #[must_use]
    pub fn filter_bytes_of(&self, query: &IdQuery) -> Option<&[u8]> {
        let kept = self.id_filter.get()?;
        Some(filter::block(&kept.filter, query.hash)?)
    }

    /// Whether its filter, where that is in memory, says that it has no id with this hash.
    pub(crate) fn lacks_id(&self, hash: u64) -> bool {
        let kept = self.id_filter.get();
        kept.is_some_and(|kept| !filter::may_hold(&kept.filter, hash))
    }

    /// Bytes of memory that its filters take.
    #[must_use]
    pub fn filter_bytes(&self) -> u64 {
        let filters = [&self.key_filter, &self.id_filter].into_iter();
        let kept = filters.filter_map(OnceLock::get);
        kept.map(|kept| kept.loan.bytes()).sum()
    }

    /// How many blocks with events it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match (self.gathered.get(), self.sealed.table(TableKind::Blocks)) {
            (Some(index), _) => index.blocks.len() as u64,
            (None, Some(table)) => table.length / 48,
            (None, None) => 0,
        }
    }
}

/// The filter of a table and where the pages of the table end, read and checked once.
pub(crate) struct KeptFilter {
    pub(crate) filter: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    pub(crate) loan: Loan,
}
