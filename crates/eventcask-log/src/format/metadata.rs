//! The archives that say what the events of a block carry beside their payloads: the words, which
//! are names and values, and of each group the metadata of its rows. `docs/FORMAT.md` describes the
//! bytes.

use std::ops::Range;

use eventcask_event::{MAX_TAG_BYTES, MetadataColumns, Words};
use rkyv::rancor;
use rkyv::util::AlignedVec;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

use crate::format::group::{Section as _, extend_u32, section};

/// The names of headers and tags, and the values of tags.
#[derive(Archive, Serialize)]
struct WordList<'a> {
    #[rkyv(with = InlineAsBox)]
    ends: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    words: &'a [u8],
}

/// The metadata of some rows. Each column that is one a row may be empty.
#[derive(Archive, Serialize)]
struct MetadataGroup<'a> {
    #[rkyv(with = InlineAsBox)]
    correlations: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    causations: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    header_ends: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    header_names: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    header_value_ends: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    header_values: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    tag_ends: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    tag_names: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    tag_values: &'a [u32],
}

section!(WordList, MetadataGroup);

/// Archives the metadata of blocks. It keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(crate) struct MetadataWriter {
    archive: AlignedVec<16>,
    header_ends: Vec<u32>,
    header_value_ends: Vec<u32>,
    tag_ends: Vec<u32>,
}

impl MetadataWriter {
    /// The section of the words.
    pub(super) fn words(&mut self, words: &Words) -> &[u8] {
        let (ends, words) = (&words.ends, &words.bytes);
        self.archive.clear();
        let archive = std::mem::take(&mut self.archive);
        self.archive = WordList { ends, words }.archive_into(archive);
        &self.archive
    }

    /// The section of some rows.
    pub(super) fn group(&mut self, columns: &MetadataColumns, rows: &Range<usize>) -> &[u8] {
        let headers = cut(&columns.header_ends, rows, &mut self.header_ends);
        let value_ends = &mut self.header_value_ends;
        let values = cut(&columns.header_value_ends, &headers, value_ends);
        let tags = cut(&columns.tag_ends, rows, &mut self.tag_ends);
        if headers.is_empty() {
            self.header_ends.clear();
        }
        if tags.is_empty() {
            self.tag_ends.clear();
        }
        self.archive.clear();
        let archive = std::mem::take(&mut self.archive);
        let group = MetadataGroup {
            correlations: ids_of(&columns.correlations, rows),
            causations: ids_of(&columns.causations, rows),
            header_ends: &self.header_ends,
            header_names: &columns.header_names[headers],
            header_value_ends: &self.header_value_ends,
            header_values: &columns.header_values[values],
            tag_ends: &self.tag_ends,
            tag_names: &columns.tag_names[tags.clone()],
            tag_values: &columns.tag_values[tags],
        };
        self.archive = group.archive_into(archive);
        &self.archive
    }
}

/// The ids of some rows; none where no row has one.
fn ids_of<'c>(ids: &'c [u8], rows: &Range<usize>) -> &'c [u8] {
    let ids = ids.get(rows.start * 16..rows.end * 16).unwrap_or(&[]);
    match ids.iter().all(|byte| *byte == 0) {
        true => &[],
        false => ids,
    }
}

/// Of things that stand end to end those of some rows, whose ends are put into `cut`, counted from
/// the first of them; no end where there is nothing.
fn cut(ends: &[u32], rows: &Range<usize>, cut: &mut Vec<u32>) -> Range<usize> {
    cut.clear();
    let start = rows.start.checked_sub(1).and_then(|row| ends.get(row));
    let start = start.copied().unwrap_or(0);
    let of_rows = ends.get(rows.clone()).unwrap_or(&[]);
    match of_rows.last() {
        Some(end) if *end > start => {
            cut.extend(of_rows.iter().map(|end| end - start));
            start as usize..*end as usize
        }
        // Things without bytes have ends all the same.
        Some(_) => {
            cut.extend(of_rows.iter().map(|_| 0));
            0..0
        }
        None => 0..0,
    }
}

/// Reads the section of the words.
pub(crate) fn read_words(raw: &[u8]) -> Result<Words, &'static str> {
    let list = rkyv::access::<ArchivedWordList<'_>, rancor::Failure>(raw);
    let list = list.map_err(|_| "the words of a block are not a valid archive")?;
    let mut words = Words::default();
    extend_u32(&mut words.ends, &list.ends);
    words.bytes.extend_from_slice(&list.words);
    let checked = words.check(MAX_TAG_BYTES);
    checked.map_err(|malformed| malformed.0)?;
    match words.is_empty() {
        true => Err("a block lists words, and there are none"),
        false => Ok(words),
    }
}

/// Reads the section of a group, which is to be checked yet.
pub(crate) fn read_group(raw: &[u8]) -> Result<MetadataColumns, &'static str> {
    let group = rkyv::access::<ArchivedMetadataGroup<'_>, rancor::Failure>(raw);
    let group = group.map_err(|_| "the metadata of a group is not a valid archive")?;
    let mut columns = MetadataColumns::default();
    columns.correlations.extend_from_slice(&group.correlations);
    columns.causations.extend_from_slice(&group.causations);
    extend_u32(&mut columns.header_ends, &group.header_ends);
    extend_u32(&mut columns.header_names, &group.header_names);
    extend_u32(&mut columns.header_value_ends, &group.header_value_ends);
    columns
        .header_values
        .extend_from_slice(&group.header_values);
    extend_u32(&mut columns.tag_ends, &group.tag_ends);
    extend_u32(&mut columns.tag_names, &group.tag_names);
    extend_u32(&mut columns.tag_values, &group.tag_values);
    Ok(columns)
}
