//! Gathers what events carry beside their payloads into columns.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::{EventId, Metadata, MetadataColumns, NewMetadata};

/// Gathers the metadata of rows; each name is kept once.
#[derive(Debug, Default)]
pub struct MetadataBuilder {
    columns: MetadataColumns,
    /// The words by their hashes.
    known: HashMap<u64, u32>,
    hasher: RandomState,
}

impl MetadataBuilder {
    /// Whether no row has any metadata.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The metadata of a row.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> Metadata<'_> {
        self.columns.row(row)
    }

    /// Adds that of a row, behind all those that have some. It is within the limits.
    pub fn push(&mut self, row: usize, metadata: &NewMetadata<'_>) {
        let columns = &mut self.columns;
        let push_id = |ids: &mut Vec<u8>, id: Option<EventId>| {
            if let Some(id) = id {
                ids.resize(row * 16, 0);
                ids.extend_from_slice(&id.as_u128().to_le_bytes());
            }
        };
        push_id(&mut columns.correlations, metadata.correlation);
        push_id(&mut columns.causations, metadata.causation);
        if !metadata.headers.is_empty() {
            self.push_headers(row, metadata);
        }
        if !metadata.tags.is_empty() {
            self.push_tags(row, metadata);
        }
    }

    fn push_headers(&mut self, row: usize, metadata: &NewMetadata<'_>) {
        let begin = self.columns.header_names.len() as u32;
        self.columns.header_ends.resize(row, begin);
        for (name, value) in metadata.headers.iter() {
            let name = self.word(name);
            let columns = &mut self.columns;
            columns.header_names.push(name);
            columns.header_values.extend_from_slice(value);
            let end = columns.header_values.len() as u32;
            columns.header_value_ends.push(end);
        }
        let end = self.columns.header_names.len() as u32;
        self.columns.header_ends.push(end);
    }

    fn push_tags(&mut self, row: usize, metadata: &NewMetadata<'_>) {
        let begin = self.columns.tag_names.len() as u32;
        self.columns.tag_ends.resize(row, begin);
        for (name, value) in metadata.tags.sorted() {
            let (name, value) = (self.word(name), self.word(value));
            self.columns.tag_names.push(name);
            self.columns.tag_values.push(value);
        }
        let end = self.columns.tag_names.len() as u32;
        self.columns.tag_ends.push(end);
    }

    /// The index of a word, which is added where it is new.
    fn word(&mut self, word: &str) -> u32 {
        let words = &mut self.columns.words;
        let hash = self.hasher.hash_one(word.as_bytes());
        let is_it = |one: u32| words.bytes_of(one) == word.as_bytes();
        match self.known.get(&hash).copied() {
            Some(known) if is_it(known) => known,
            // Two words with one hash: the second is searched for.
            Some(_) => {
                let found = (0..words.len() as u32).find(|one| is_it(*one));
                found.unwrap_or_else(|| words.add(word))
            }
            None => {
                let added = words.add(word);
                self.known.insert(hash, added);
                added
            }
        }
    }

    /// Bytes that the numbers and texts take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    /// Hands over what was gathered of so many rows, and begins anew with the memory of `columns`.
    pub fn swap(&mut self, rows: usize, columns: &mut MetadataColumns) {
        std::mem::swap(&mut self.columns, columns);
        columns.fill(rows);
        self.clear();
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.columns.clear();
        self.known.clear();
    }
}
