//! Where the blocks of a segment are that is not sealed, in order.

use eventcask_log::BlockPlace;

/// Blocks around the one that a position is likely in which are looked at first.
const NEAR: usize = 16;

/// The blocks of a segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    places: Vec<BlockPlace>,
    /// Position after the last event of each: a search that looks at nothing else stays in the
    /// processor's cache.
    ends: Vec<u64>,
}

impl Blocks {
    pub(crate) fn push(&mut self, at: &BlockPlace) {
        self.ends.push(at.next_position);
        self.places.push(*at);
    }

    /// All of them.
    pub(crate) fn places(&self) -> &[BlockPlace] {
        &self.places
    }

    /// The one that holds the first event at `position` or after it.
    pub(crate) fn find(&self, position: u64) -> Option<&BlockPlace> {
        let near = self.near(position);
        let ends = &self.ends;
        let is_before = near.start == 0 || ends[near.start - 1] <= position;
        let is_behind = near.end == ends.len() || ends[near.end - 1] > position;
        let within = if is_before && is_behind {
            near
        } else {
            0..ends.len()
        };
        let found = ends[within.clone()].partition_point(|end| *end <= position);
        self.places.get(within.start + found)
    }

    /// The blocks of which one would hold a position if all had as many events.
    fn near(&self, position: u64) -> std::ops::Range<usize> {
        let (Some(first), Some(end)) = (self.places.first(), self.ends.last()) else {
            return 0..0;
        };
        let all = end.saturating_sub(first.first_position).max(1);
        let before = position.saturating_sub(first.first_position).min(all);
        let blocks = self.ends.len();
        let guess = (u128::from(before) * blocks as u128 / u128::from(all)) as usize;
        guess.saturating_sub(NEAR / 2)..(guess + NEAR / 2).min(blocks)
    }
}
