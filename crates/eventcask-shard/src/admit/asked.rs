//! Ids whose memory is on its way.

use crate::dedup::IdProbe;

/// Rows whose memory is asked for together: many times what a core can wait for at once, and few
/// enough that the lines of a stage stay in its nearest cache.
pub(super) const GROUP: usize = 64;

/// Ids that were asked for: those of the last [`GROUP`] rows before `end`, the one of row n at n
/// modulo the length.
#[derive(Debug)]
pub(crate) struct AskedIds {
    pub(super) probes: [IdProbe; GROUP],
    pub(super) end: usize,
}

impl Default for AskedIds {
    fn default() -> Self {
        Self {
            probes: [IdProbe::default(); GROUP],
            end: 0,
        }
    }
}
