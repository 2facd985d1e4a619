//! Events that a view left out, counted by why.

use std::fmt;

use serde::Serialize;

/// How many events a view left out, by why: their type was wanted, but they are in none of its
/// groups.
///
/// ```
/// use eventcask_project::LeftOut;
///
/// let mut left_out = LeftOut::default();
/// left_out.no_key = 2;
/// left_out.unreadable_time = 1;
/// assert_eq!(left_out.total(), 3);
/// assert_eq!(left_out.to_string(), "2 without the key, 1 with a time that can not be read");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Those whose payload is not whole JSON.
    pub not_json: u64,
    /// Those whose key field is absent or null.
    pub no_key: u64,
    /// Those whose key is an object or an array.
    pub unusable_key: u64,
    /// Those whose time field is absent or null, of views with windows.
    pub no_time: u64,
    /// Those whose time field holds no time, of views with windows.
    pub unreadable_time: u64,
}

impl LeftOut {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().into_iter().fold(0, u64::saturating_add)
    }

    /// Adds those of another state.
    pub fn add(&mut self, other: &Self) {
        let more = other.counts();
        let all = self.counts_mut().into_iter().zip(more);
        all.for_each(|(count, more)| *count = count.saturating_add(more));
    }

    /// The counts in the order of their bytes.
    pub(crate) fn counts(&self) -> [u64; 5] {
        let mut copy = *self;
        copy.counts_mut().map(|count| *count)
    }

    pub(crate) fn counts_mut(&mut self) -> [&mut u64; 5] {
        [
            &mut self.not_json,
            &mut self.no_key,
            &mut self.unusable_key,
            &mut self.no_time,
            &mut self.unreadable_time,
        ]
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = [
            "that are not whole JSON",
            "without the key",
            "whose key is an object or an array",
            "without the time",
            "with a time that can not be read",
        ];
        let counted = self.counts().into_iter().zip(reasons);
        let mut separator = "";
        for (count, reason) in counted.filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {reason}")?;
            separator = ", ";
        }
        Ok(())
    }
}
