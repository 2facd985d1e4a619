//! Where a log ends.

use crate::Tail;
use crate::format::wire::Fields;

/// Bytes that say where one log ends.
pub(crate) const END_BYTES: usize = 24;

/// Where a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogEnd {
    /// Position after the last event.
    pub position: u64,
    /// Number of the last segment; 0 where there is none.
    pub segment: u64,
    /// Place after the last block of that one; 0 where nothing can be added to it, so that it may
    /// be written anew and its length says nothing.
    pub place: u64,
}

impl LogEnd {
    /// The end that a writer or a reader stands at.
    #[must_use]
    pub fn of(tail: &Tail) -> Self {
        Self {
            position: tail.next_position,
            segment: tail.segment,
            place: if tail.ended { 0 } else { tail.place },
        }
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.segment > 0 && self.place == 0
    }

    /// Whether a log that ends here has lost what was known to be there. A block without events,
    /// such as the mark of a clean close, is missed by its place only.
    pub(crate) fn is_before(&self, known: &Self) -> bool {
        let place = if self.is_sealed() {
            u64::MAX
        } else {
            self.place
        };
        self.position < known.position || (self.segment, place) < (known.segment, known.place)
    }

    /// Whether there was a segment behind. A writer seals one only once there is a next one, and
    /// what else leaves a sealed one behind notes that the log ends there.
    pub(crate) fn was_not_last(&self, known: &Self) -> bool {
        self.is_sealed() && (self.segment, 0) != (known.segment, known.place)
    }

    pub(crate) fn encode(&self) -> impl Iterator<Item = u8> + use<> {
        let fields = [self.position, self.segment, self.place];
        fields.into_iter().flat_map(u64::to_le_bytes)
    }

    pub(crate) fn decode(bytes: &[u8; END_BYTES]) -> Self {
        let fields = Fields(bytes);
        Self {
            position: fields.u64(0),
            segment: fields.u64(8),
            place: fields.u64(16),
        }
    }
}
