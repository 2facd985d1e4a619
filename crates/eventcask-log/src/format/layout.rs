//! Which section of a block with events is which.

use eventcask_event::{Columns, payload_fill};

use crate::format::head::{BlockHead, MAX_BLOCK_TYPES, Section};

const WRONG: &str = "a block's sections are not those of a block with events";

/// The sections of a block with events.
pub(crate) struct Layout<'a> {
    pub(crate) types: &'a Section,
    pub(crate) keys: &'a Section,
    /// Columns of each group, each followed by its ids where the block has ids.
    rows: &'a [Section],
    /// Names of headers and tags, where an event has any.
    pub(crate) words: Option<&'a Section>,
    /// Metadata of each group; none where no event has any.
    pub(crate) metadata: &'a [Section],
    unknown: usize,
    has_ids: bool,
    group_rows: usize,
    all_rows: usize,
    /// In chunks, those of the first type first.
    pub(crate) payloads: &'a [Section],
}

/// The sections of some rows.
pub(crate) struct GroupSections<'a> {
    pub(crate) columns: &'a Section,
    pub(crate) ids: Option<&'a Section>,
    pub(crate) rows: usize,
}

impl<'a> Layout<'a> {
    pub(crate) fn of(head: &'a BlockHead) -> Result<Self, &'static str> {
        let [types, keys, rest @ ..] = &head.sections[..] else {
            return Err(WRONG);
        };
        let is_row = |section: &&Section| matches!(section.kind, Section::GROUP | Section::IDS);
        let (rows, rest) = rest.split_at(rest.iter().take_while(is_row).count());
        let is_words = |first: &Section| first.kind == Section::WORDS;
        let has_words = rest.first().is_some_and(is_words);
        let (words, rest) = rest.split_at(usize::from(has_words));
        let is_metadata = |section: &&Section| section.kind == Section::METADATA;
        let (metadata, rest) = rest.split_at(rest.iter().take_while(is_metadata).count());
        let is_payload = |section: &&Section| section.kind == Section::PAYLOADS;
        let (payloads, unknown) = rest.split_at(rest.iter().take_while(is_payload).count());
        let layout = Self {
            types,
            keys,
            rows,
            words: words.first(),
            metadata,
            unknown: unknown.len(),
            has_ids: rows
                .get(1)
                .is_some_and(|second| second.kind == Section::IDS),
            group_rows: head.group_rows as usize,
            all_rows: head.rows as usize,
            payloads,
        };
        let kinds = (types.kind, keys.kind) == (Section::TYPES, Section::KEYS);
        let of_no_type = [types, keys].into_iter().chain(rows);
        let mut of_no_type = of_no_type.chain(words).chain(metadata);
        let kinds = kinds && of_no_type.all(|section| section.event_type == 0);
        let others = unknown
            .iter()
            .any(|section| section.kind <= Section::METADATA);
        match kinds && !others && layout.has_all_groups() && layout.has_types_in_order() {
            true => Ok(layout),
            false => Err(WRONG),
        }
    }

    fn has_all_groups(&self) -> bool {
        let a_group = 1 + usize::from(self.has_ids);
        let groups = self.all_rows.div_ceil(self.group_rows.max(1));
        let is_right = |group: GroupSections<'_>| {
            let is_of_ids = |ids: &Section| {
                ids.kind == Section::IDS && ids.codec == 0 && ids.raw as usize == group.rows * 16
            };
            group.columns.kind == Section::GROUP && group.ids.is_none_or(is_of_ids)
        };
        let has_metadata = match self.metadata.len() {
            0 => self.words.is_none(),
            of_groups => of_groups == groups,
        };
        let has_rows = groups > 0 && self.rows.len() == groups * a_group;
        has_rows && has_metadata && self.groups().all(is_right)
    }

    /// The chunks of the first type come first, and each type has one.
    fn has_types_in_order(&self) -> bool {
        let types = || self.payloads.iter().map(|section| section.event_type);
        let follows =
            |(before, next): (u16, u16)| next == before || next == before.saturating_add(1);
        let most = types()
            .max()
            .is_some_and(|last| usize::from(last) < MAX_BLOCK_TYPES);
        most && types().next() == Some(0) && types().zip(types().skip(1)).all(follows)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = GroupSections<'a>> + use<'a> {
        let (group_rows, all_rows) = (self.group_rows, self.all_rows);
        let a_group = 1 + usize::from(self.has_ids);
        let groups = self.rows.chunks_exact(a_group).enumerate();
        groups.map(move |(index, sections)| {
            let first = index * group_rows;
            GroupSections {
                columns: &sections[0],
                ids: sections.get(1),
                rows: group_rows.min(all_rows.saturating_sub(first)),
            }
        })
    }

    pub(crate) fn has_ids(&self) -> bool {
        self.has_ids
    }

    /// How many sections come behind those of the rows.
    pub(crate) fn behind_rows(&self) -> usize {
        self.payloads.len() + self.unknown
    }

    /// Where the sections end that are not payloads, from the beginning of the block on.
    pub(crate) fn envelopes_end(&self) -> usize {
        let last = self.metadata.last().or(self.rows.last());
        last.map_or(0, Section::end)
    }

    /// One a type: the bytes of its payloads.
    pub(crate) fn payload_bytes(&self) -> Vec<usize> {
        let mut bytes = Vec::new();
        for section in self.payloads {
            let event_type = usize::from(section.event_type);
            bytes.resize(bytes.len().max(event_type + 1), 0);
            bytes[event_type] += section.raw as usize;
        }
        bytes
    }

    /// Payloads of these types can start where they have to, in each chunk.
    pub(crate) fn check_chunks(&self, types: &Columns) -> Result<(), &'static str> {
        let is_whole = |section: &Section| {
            let shape = types.type_shape(usize::from(section.event_type));
            section.raw & payload_fill(shape) == 0
        };
        match self.payloads.iter().all(is_whole) {
            true => Ok(()),
            false => Err("a chunk of payloads with a shape is no multiple of 16 bytes long"),
        }
    }
}
