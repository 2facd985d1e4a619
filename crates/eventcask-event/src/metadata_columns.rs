//! The metadata of the events of a block: columns that are empty where no event has any.

use std::ops::Range;

use crate::malformed::Malformed;
use crate::words::Words;
use crate::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_NAME_BYTES, MAX_TAGS};

/// The metadata of a block's events as columns.
///
/// Those that are *one a row* are empty where no row has any. While rows are gathered they may also
/// end before the last one: the rows behind have none. A block has them [filled](Self::fill).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataColumns {
    /// 16 bytes a row, little-endian: the correlation id; 0 where there is none.
    pub correlations: Vec<u8>,
    /// 16 bytes a row, little-endian: the causation id; 0 where there is none.
    pub causations: Vec<u8>,
    /// One a row: where its headers end among all.
    pub header_ends: Vec<u32>,
    /// One a header: which of the words is its name.
    pub header_names: Vec<u32>,
    /// One a header: where its value ends among all.
    pub header_value_ends: Vec<u32>,
    /// The values of the headers end to end.
    pub header_values: Vec<u8>,
    /// One a row: where its tags end among all.
    pub tag_ends: Vec<u32>,
    /// One a tag: which of the words is its name. Those of a row rise by name.
    pub tag_names: Vec<u32>,
    /// One a tag: which of the words is its value.
    pub tag_values: Vec<u32>,
    /// The names, and the values of tags.
    pub words: Words,
}

impl MetadataColumns {
    /// Those of rows without any.
    pub const NONE: Self = Self {
        correlations: Vec::new(),
        causations: Vec::new(),
        header_ends: Vec::new(),
        header_names: Vec::new(),
        header_value_ends: Vec::new(),
        header_values: Vec::new(),
        tag_ends: Vec::new(),
        tag_names: Vec::new(),
        tag_values: Vec::new(),
        words: Words::NONE,
    };

    /// Whether no row has any metadata.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.correlations.is_empty()
            && self.causations.is_empty()
            && self.header_ends.is_empty()
            && self.tag_ends.is_empty()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.correlations.clear();
        self.causations.clear();
        self.header_ends.clear();
        self.header_names.clear();
        self.header_value_ends.clear();
        self.header_values.clear();
        self.tag_ends.clear();
        self.tag_names.clear();
        self.tag_values.clear();
        self.words.clear();
    }

    /// Bytes that the numbers and texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let ids = self.correlations.len() + self.causations.len();
        let ends = self.header_ends.len() + self.tag_ends.len();
        let headers = self.header_names.len() * 8 + self.header_values.len();
        ids + ends * 4 + headers + self.tag_names.len() * 8 + self.words.size()
    }

    /// Which of all headers are those of a row.
    pub(crate) fn headers_of(&self, row: usize) -> Range<usize> {
        of_row(&self.header_ends, row)
    }

    /// Name and value of a header.
    pub(crate) fn header(&self, header: usize) -> (u32, &[u8]) {
        let value = of_row(&self.header_value_ends, header);
        (self.header_names[header], &self.header_values[value])
    }

    /// Which of all tags are those of a row.
    pub(crate) fn tags_of(&self, row: usize) -> Range<usize> {
        of_row(&self.tag_ends, row)
    }

    /// Name and value of a tag.
    pub(crate) fn tag(&self, tag: usize) -> (u32, u32) {
        (self.tag_names[tag], self.tag_values[tag])
    }

    /// Lets each column that is there have so many rows.
    pub fn fill(&mut self, rows: usize) {
        for ids in [&mut self.correlations, &mut self.causations] {
            if !ids.is_empty() {
                ids.resize(rows * 16, 0);
            }
        }
        for ends in [&mut self.header_ends, &mut self.tag_ends] {
            if let Some(end) = ends.last().copied() {
                ends.resize(rows, end);
            }
        }
    }

    /// Adds the rows of another block, or of the next group of one, behind the first `rows`; the
    /// words are the same.
    pub fn append(&mut self, rows: usize, more: &Self) {
        let append_ids = |ids: &mut Vec<u8>, more: &[u8]| {
            if !more.is_empty() {
                ids.resize(rows * 16, 0);
                ids.extend_from_slice(more);
            }
        };
        append_ids(&mut self.correlations, &more.correlations);
        append_ids(&mut self.causations, &more.causations);
        let append_ends = |ends: &mut Vec<u32>, begin: usize, more: &[u32]| {
            if !more.is_empty() {
                ends.resize(rows, begin as u32);
                ends.extend(more.iter().map(|end| begin as u32 + end));
            }
        };
        append_ends(
            &mut self.header_ends,
            self.header_names.len(),
            &more.header_ends,
        );
        append_ends(&mut self.tag_ends, self.tag_names.len(), &more.tag_ends);
        let begin = self.header_values.len() as u32;
        let ends = more.header_value_ends.iter().map(|end| begin + end);
        self.header_value_ends.extend(ends);
        self.header_names.extend_from_slice(&more.header_names);
        self.header_values.extend_from_slice(&more.header_values);
        self.tag_names.extend_from_slice(&more.tag_names);
        self.tag_values.extend_from_slice(&more.tag_values);
    }

    /// Checks that the columns of so many rows agree with each other and with the words, and are
    /// within the limits of events.
    ///
    /// # Errors
    /// The first disagreement found. Bytes of any content get an answer, never a panic.
    pub fn check(&self, rows: usize, words: &Words) -> Result<(), Malformed> {
        let fits = |ids: &[u8]| ids.is_empty() || ids.len() == rows * 16;
        if !fits(&self.correlations) || !fits(&self.causations) {
            return Err(LENGTHS);
        }
        if self.has_empty_column() {
            return Err(Malformed("a column of metadata is there for no event"));
        }
        self.check_headers(rows, words)?;
        self.check_tags(rows, words)
    }

    /// Whether a column that is one a row is there, though no row has anything in it.
    fn has_empty_column(&self) -> bool {
        let no_id = |ids: &[u8]| !ids.is_empty() && ids.iter().all(|byte| *byte == 0);
        no_id(&self.correlations)
            || no_id(&self.causations)
            || (!self.header_ends.is_empty() && self.header_names.is_empty())
            || (!self.tag_ends.is_empty() && self.tag_names.is_empty())
    }

    fn check_headers(&self, rows: usize, words: &Words) -> Result<(), Malformed> {
        let headers = self.header_names.len();
        if self.header_value_ends.len() != headers {
            return Err(LENGTHS);
        }
        check_ends(&self.header_ends, rows, headers, MAX_HEADERS)?;
        check_ends(
            &self.header_value_ends,
            headers,
            self.header_values.len(),
            MAX_HEADER_BYTES,
        )?;
        check_names(&self.header_names, words)?;
        for row in 0..self.header_ends.len() {
            let of_row = self.headers_of(row);
            let names = &self.header_names[of_row.clone()];
            let is_twice = |index: usize| names[..index].contains(&names[index]);
            if (0..names.len()).any(is_twice) {
                return Err(Malformed("an event has a header twice"));
            }
            let bytes = of_row.map(|header| self.header(header).1.len());
            if bytes.sum::<usize>() > MAX_HEADER_BYTES {
                return Err(Malformed("the headers of an event pass their limit"));
            }
        }
        Ok(())
    }

    fn check_tags(&self, rows: usize, words: &Words) -> Result<(), Malformed> {
        let tags = self.tag_names.len();
        if self.tag_values.len() != tags {
            return Err(LENGTHS);
        }
        check_ends(&self.tag_ends, rows, tags, MAX_TAGS)?;
        check_names(&self.tag_names, words)?;
        if self
            .tag_values
            .iter()
            .any(|value| *value as usize >= words.len())
        {
            return Err(NO_WORD);
        }
        let name = |tag: usize| words.bytes_of(self.tag_names[tag]);
        for row in 0..self.tag_ends.len() {
            let of_row = self.tags_of(row);
            let mut pairs = of_row.clone().zip(of_row.skip(1));
            if pairs.any(|(before, next)| name(before) >= name(next)) {
                return Err(Malformed("the tags of an event do not rise by their names"));
            }
        }
        Ok(())
    }
}

const LENGTHS: Malformed = Malformed("the columns of metadata have different lengths");
const NO_WORD: Malformed = Malformed("a header or tag has a name or value that is not listed");

/// Of things that stand end to end: those of a row.
fn of_row(ends: &[u32], row: usize) -> Range<usize> {
    let Some(end) = ends.get(row) else {
        return 0..0;
    };
    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
    start as usize..*end as usize
}

/// There is an end for each row, or none at all; they rise, by no more than `limit`, up to `all`.
fn check_ends(ends: &[u32], rows: usize, all: usize, limit: usize) -> Result<(), Malformed> {
    if !ends.is_empty() && ends.len() != rows {
        return Err(LENGTHS);
    }
    let mut start = 0;
    for end in ends {
        let end = *end as usize;
        if end < start || end - start > limit {
            return Err(Malformed("headers or tags do not end where they can"));
        }
        start = end;
    }
    match start == all {
        true => Ok(()),
        false => Err(LENGTHS),
    }
}

fn check_names(names: &[u32], words: &Words) -> Result<(), Malformed> {
    let is_name = |name: &u32| (1..=MAX_NAME_BYTES).contains(&words.bytes_of(*name).len());
    match names.iter().all(is_name) {
        true => Ok(()),
        false => Err(NO_WORD),
    }
}
