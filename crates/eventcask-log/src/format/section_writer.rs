//! Appends the sections of a block, each with its checksum.

use crate::disk::buffer::Buffer;
use crate::format::checksum::checksum;
use crate::format::head::{SECTION_ALIGN, Section};

/// Appends sections to a block.
pub(super) struct SectionWriter<'w, B> {
    pub(super) base: usize,
    pub(super) sections: &'w mut Vec<Section>,
    pub(super) out: &'w mut B,
}

impl<B: Buffer> SectionWriter<'_, B> {
    /// Adds the section that `append` appends; it says how that is compressed.
    pub(super) fn add(
        &mut self,
        kind: u8,
        event_type: u16,
        raw: usize,
        append: impl FnOnce(&mut B) -> u8,
    ) {
        pad(self.out, self.base, SECTION_ALIGN);
        let start = self.out.len();
        let codec = append(self.out);
        self.sections.push(Section {
            kind,
            codec,
            event_type,
            stored: (self.out.len() - start) as u32,
            raw: raw as u32,
            checksum: checksum(&self.out[start..]),
            start: (start - self.base) as u32,
        });
    }
}

/// Appends zeros up to a border that is counted from `base`.
pub(super) fn pad(out: &mut impl Buffer, base: usize, align: usize) {
    out.resize(base + (out.len() - base).next_multiple_of(align));
}
