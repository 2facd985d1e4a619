//! The sections of a block that say what its events carry beside their payloads.
//!
//! They lie behind the groups of rows, and only where an event has any: the words, then of each
//! group one section. Who wants none opens none.

use eventcask_event::MetadataColumns;

use crate::disk::buffer::Buffer;
use crate::format::codec::{Codec, Compressor};
use crate::format::head::{MAX_SECTION_BYTES, Section};
use crate::format::layout::Layout;
use crate::format::metadata;
use crate::format::section::with_archive;
use crate::format::section_writer::SectionWriter;

/// How many sections the metadata of a block of so many groups takes.
pub(super) fn sections(columns: &MetadataColumns, groups: usize) -> usize {
    match columns.is_empty() {
        true => 0,
        false => groups + usize::from(!columns.words.is_empty()),
    }
}

/// What a reader will refuse must not be written. The metadata of a group has less than 5 MiB by
/// the limits of events.
pub(super) fn check_limits(columns: &MetadataColumns) -> Result<(), &'static str> {
    match columns.words.size() > (MAX_SECTION_BYTES - ROOM_BYTES) as usize {
        true => Err("the names and tags of the block would pass 16 MiB"),
        false => Ok(()),
    }
}

/// What the archive of a section takes beside its numbers.
const ROOM_BYTES: u32 = 256;

/// Appends the sections of a block's metadata; none where there is none.
pub(super) fn encode(
    columns: &MetadataColumns,
    all_rows: usize,
    group_rows: usize,
    (codec, compressor): (Codec, &mut Compressor),
    to: &mut SectionWriter<'_, impl Buffer>,
) {
    if columns.is_empty() {
        return;
    }
    let mut writer = std::mem::take(&mut compressor.metadata);
    let mut add = |kind, raw: &[u8]| {
        to.add(kind, 0, raw.len(), |out| compressor.append(codec, raw, out));
    };
    if !columns.words.is_empty() {
        add(Section::WORDS, writer.words(&columns.words));
    }
    for from in (0..all_rows).step_by(group_rows) {
        let rows = from..all_rows.min(from + group_rows);
        add(Section::METADATA, writer.group(columns, &rows));
    }
    compressor.metadata = writer;
}

/// Reads the metadata of a block of so many rows, whose bytes are these.
pub(super) fn read(layout: &Layout<'_>, bytes: &[u8]) -> Result<MetadataColumns, &'static str> {
    let mut all = MetadataColumns::default();
    if let Some(section) = layout.words {
        all.words = with_archive(section, bytes, metadata::read_words)?;
    }
    let (mut rows, mut is_empty) = (0, true);
    for (section, group) in layout.metadata.iter().zip(layout.groups()) {
        let read = with_archive(section, bytes, metadata::read_group)?;
        let checked = read.check(group.rows, &all.words);
        checked.map_err(|malformed| malformed.0)?;
        is_empty &= read.is_empty();
        all.append(rows, &read);
        rows += group.rows;
    }
    all.fill(rows);
    match is_empty && !layout.metadata.is_empty() {
        true => Err("a block has sections of metadata, and no event has any"),
        false => Ok(all),
    }
}
