//! Makes mutated files right again where only checksums and identities stand in the way.
//!
//! Nearly every change of a file fails at a checksum, so without repair a fuzzer only ever
//! tests the checksums. Two strengths: [`Repair::Seal`] computes the checksums of what lies
//! where the bytes say, and leaves everything else; [`Repair::Mend`] also puts magic numbers,
//! versions, identities, chains, and lengths that can not be, in order. The places are those of
//! `docs/FORMAT.md`; the tests hold them against what the real encoders write.

use std::ops::Range;

use crate::bytes::{put, u16_at, u32_at, u64_at};

/// The store that every file of the corpus belongs to, and that repaired ones belong to.
pub const STORE: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
/// Bytes of the header that all files begin with.
pub(crate) const HEADER: usize = 128;
/// Where the first block of a segment is.
pub(crate) const FIRST_BLOCK: usize = 4096;
const FIXED_HEAD: usize = 128;
const ENTRY: usize = 24;
const BLOCK_ALIGN: usize = 64;
const SECTION_ALIGN: usize = 16;
const MAX_SECTION_BYTES: u32 = 16 << 20;
const BLOCK_MAGIC: [u8; 8] = *b"ECASKBLK";

/// How much is put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Checksums only.
    Seal,
    /// Magic numbers, versions, identities, lengths and chains, then the checksums.
    Mend,
}

/// Leaves the bytes as they are: formats without a checksum need no repair.
pub fn nothing(_: &mut Vec<u8>, _: Repair) {}

/// Makes bytes text, for formats that begin with a check for it.
pub fn text(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Mend && str::from_utf8(bytes).is_err() {
        *bytes = String::from_utf8_lossy(bytes).into_owned().into_bytes();
    }
}

/// A manifest.
pub fn manifest(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Mend {
        bytes.resize(HEADER, 0);
        mend_header(bytes, b"ECASKMAN", HEADER as u32);
        put(bytes, 60, 1u32.to_le_bytes());
        bytes[88..124].fill(0);
    }
    seal_header(bytes);
}

/// A definition or a snapshot of a view.
pub fn framed(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Mend {
        bytes.resize(bytes.len().max(HEADER), 0);
        mend_header(bytes, b"ECASKFRM", HEADER as u32);
        // A definition, an origin, or the state of a view.
        let kind = match u32_at(bytes, 56) {
            kind @ (1 | 9) => kind,
            _ => 2,
        };
        put(bytes, 56, kind.to_le_bytes());
        put(bytes, 60, 0u32.to_le_bytes());
        let definition = eventcask_log::Framed::checksum(crate::corpus::definition().as_bytes());
        let definition = if kind == 2 { definition } else { 0 };
        put(bytes, 72, definition.to_le_bytes());
        bytes[88..124].fill(0);
        let length = (bytes.len() - HEADER) as u64;
        put(bytes, 80, length.to_le_bytes());
    }
    if let Some(body) = bytes.get(HEADER..) {
        let checksum = eventcask_log::checksum(body);
        put(bytes, 76, checksum.to_le_bytes());
    }
    seal_header(bytes);
}

/// One block at the start of a segment's blocks.
pub fn block(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Mend {
        let length = bytes.len().max(FIXED_HEAD).next_multiple_of(BLOCK_ALIGN);
        bytes.resize(length, 0);
    }
    one_block(bytes, how, &Chain::default());
}

/// A whole segment: its header, then block after block.
pub fn segment(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Mend {
        bytes.resize(bytes.len().max(FIRST_BLOCK), 0);
        mend_header(bytes, b"ECASKSEG", FIRST_BLOCK as u32);
        bytes[56..64].fill(0);
        put(bytes, 64, 1u64.to_le_bytes());
        bytes[72..124].fill(0);
        bytes[HEADER..FIRST_BLOCK].fill(0);
    }
    seal_header(bytes);
    let mut chain = Chain::default();
    while let Some(length) = block_length(bytes, chain.place, how) {
        let block = &mut bytes[chain.place..chain.place + length];
        one_block(block, how, &chain);
        chain.pass(block);
    }
}

/// A sealed segment: its header, block after block, then its tables.
pub fn sealed(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Mend {
        bytes.resize(bytes.len().max(FIRST_BLOCK), 0);
        mend_header(bytes, b"ECASKSEG", FIRST_BLOCK as u32);
        put(bytes, 16, 1u64.to_le_bytes());
        put(bytes, 56, (1u64 << 32).to_le_bytes());
        put(bytes, 64, 1u64.to_le_bytes());
        bytes[72..124].fill(0);
    }
    let mut chain = Chain {
        is_sealed: true,
        ..Chain::default()
    };
    let blocks_end = usize::try_from(u64_at(bytes, 184)).unwrap_or(usize::MAX);
    let blocks_end = blocks_end.min(bytes.len());
    while chain.place < blocks_end
        && let Some(length) = block_length(&bytes[..blocks_end], chain.place, how)
    {
        let block = &mut bytes[chain.place..chain.place + length];
        one_block(block, how, &chain);
        chain.pass(block);
    }
    if how == Repair::Mend {
        mend_sealed(bytes, &chain);
    }
    seal_tables(bytes);
    if bytes.len() >= FIRST_BLOCK {
        let checksum = eventcask_log::checksum(&bytes[HEADER..FIRST_BLOCK - 4]);
        put(bytes, FIRST_BLOCK - 4, checksum.to_le_bytes());
    }
    seal_header(bytes);
}

const TABLES: usize = 256;
const TABLE: usize = 32;

/// Makes the numbers of a sealed header go together.
fn mend_sealed(bytes: &mut [u8], chain: &Chain) {
    let sum = [144, 216, 224].map(|at| u64_at(bytes, at));
    let sum = sum.into_iter().try_fold(0u64, u64::checked_add);
    if sum != Some(u64_at(bytes, 128)) {
        let events = u64_at(bytes, 144).min(chain.position);
        put(bytes, 128, chain.position.to_le_bytes());
        put(bytes, 144, events.to_le_bytes());
        put(bytes, 216, (chain.position - events).to_le_bytes());
        put(bytes, 224, [0; 8]);
    }
    let first_events = u64_at(bytes, 208).min(u64_at(bytes, 128));
    put(bytes, 208, first_events.to_le_bytes());
    put(bytes, 140, u32_at(bytes, 140).clamp(1, 99).to_le_bytes());
    put(bytes, 184, (chain.place as u64).to_le_bytes());
    put(bytes, 192, (bytes.len() as u64).to_le_bytes());
    let raw_bytes = u64_at(bytes, 200).min(1 << 26);
    put(bytes, 200, raw_bytes.to_le_bytes());
    let count = u32_at(bytes, 232).min(11);
    put(bytes, 232, count.to_le_bytes());
    let end = TABLES + TABLE * count as usize;
    // The highest id is none, or one that rises with time.
    let says = bytes[252] & 1;
    bytes[252..TABLES].copy_from_slice(&u32::from(says).to_le_bytes());
    if says == 0 {
        bytes[236..252].fill(0);
    } else if bytes[236..252].iter().any(|byte| *byte != 0) {
        bytes[245] = 0x70 | (bytes[245] & 0xf);
        bytes[243] = 0x80 | (bytes[243] & 0x3f);
    }
    bytes[end..FIRST_BLOCK].fill(0);
    let mut free = chain.place;
    for entry in (TABLES..end).step_by(TABLE) {
        free = free
            .next_multiple_of(BLOCK_ALIGN)
            .min(bytes.len() / 64 * 64);
        free = usize::try_from(u64_at(bytes, entry + 8))
            .ok()
            .filter(|at| at.is_multiple_of(BLOCK_ALIGN) && (free..=bytes.len()).contains(at))
            .unwrap_or(free);
        put(bytes, entry + 8, (free as u64).to_le_bytes());
        let length = u64_at(bytes, entry + 16).min((bytes.len() - free) as u64);
        put(bytes, entry + 16, length.to_le_bytes());
        put(bytes, entry + 24, [0; 8]);
        free += length as usize;
    }
}

/// Puts the checksums of pages and of tables right.
fn seal_tables(bytes: &mut [u8]) {
    let count = (u32_at(bytes, 232) as usize).min(64);
    let table = |bytes: &[u8], index: usize| {
        let entry = TABLES + TABLE * index;
        let start = usize::try_from(u64_at(bytes, entry + 8)).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(bytes, entry + 16)).ok()?)?;
        let is_there = start >= FIRST_BLOCK && end <= bytes.len();
        is_there.then(|| (entry, u32_at(bytes, entry), start..end))
    };
    let all: Vec<_> = (0..count).filter_map(|index| table(bytes, index)).collect();
    for (entry, kind, place) in &all {
        for (_, pages, place_of_pages) in &all {
            if PAGES.contains(&(*kind, *pages)) {
                seal_pages(bytes, place, place_of_pages);
            }
        }
        if *kind == CLUSTERS {
            seal_clusters(bytes, place);
        }
        let checksum = match kind {
            6 | 12 => 0,
            _ => eventcask_log::checksum(&bytes[place.clone()]),
        };
        put(bytes, entry + 4, checksum.to_le_bytes());
    }
}

/// The numbers of a directory and of its pages.
const PAGES: [(u32, u32); 2] = [(5, 6), (8, 12)];
/// The number of the table of clusters.
const CLUSTERS: u32 = 10;

/// Puts the checksums of clusters right, as far as each says where it ends.
fn seal_clusters(bytes: &mut [u8], table: &Range<usize>) {
    let mut place = table.start;
    while let Some(length) = block_length(&bytes[..table.end], place, Repair::Seal) {
        let cluster = &mut bytes[place..place + length];
        one_block(cluster, Repair::Seal, &Chain::default());
        place += length;
    }
}

fn seal_pages(bytes: &mut [u8], directory: &Range<usize>, pages: &Range<usize>) {
    let mut start = 0;
    for at in directory.clone().step_by(8).take(directory.len() / 8) {
        let end = u32_at(bytes, at) as usize;
        if let Some(page) = bytes[pages.clone()].get(start..end) {
            let checksum = eventcask_log::checksum(page);
            put(bytes, at + 4, checksum.to_le_bytes());
        }
        start = end;
    }
}

/// What all headers have in common. The words `write` and `may` stay: their bits have a meaning.
fn mend_header(bytes: &mut [u8], magic: &[u8; 8], length: u32) {
    put(bytes, 0, *magic);
    put(bytes, 8, 2u32.to_le_bytes());
    put(bytes, 12, length.to_le_bytes());
    put(bytes, 16, [0; 8]);
    put(bytes, 40, STORE.to_le_bytes());
}

fn seal_header(bytes: &mut [u8]) {
    if bytes.len() >= HEADER {
        let checksum = crc32c::crc32c(&bytes[..124]);
        put(bytes, 124, checksum.to_le_bytes());
    }
}

/// What the next block has to follow.
struct Chain {
    place: usize,
    position: u64,
    checksum: u32,
    is_sealed: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            place: FIRST_BLOCK,
            position: 0,
            checksum: 0,
            is_sealed: false,
        }
    }
}

impl Chain {
    fn pass(&mut self, block: &[u8]) {
        self.place += block.len();
        let rows = u64::from(u32_at(block, 44)).wrapping_add(u64_at(block, 112));
        self.position = match self.is_sealed {
            true => u64_at(block, 64).wrapping_add(rows),
            false => self.position.wrapping_add(rows),
        };
        self.checksum = u32_at(block, 12);
    }
}

/// How long the block at `place` is: what it says where that can be, and when mending up to
/// where the next one begins otherwise.
fn block_length(bytes: &[u8], place: usize, how: Repair) -> Option<usize> {
    let rest = bytes.get(place..)?;
    let said = u32_at(rest, 16) as usize;
    if said >= FIXED_HEAD && said.is_multiple_of(BLOCK_ALIGN) && said <= rest.len() {
        return Some(said);
    }
    if how == Repair::Seal || rest.len() < FIXED_HEAD || rest.iter().all(|byte| *byte == 0) {
        return None;
    }
    let borders = (FIXED_HEAD..rest.len()).step_by(BLOCK_ALIGN);
    let next = borders
        .into_iter()
        .find(|at| rest[*at..].starts_with(&BLOCK_MAGIC));
    Some(next.unwrap_or(rest.len() / BLOCK_ALIGN * BLOCK_ALIGN))
}

fn one_block(block: &mut [u8], how: Repair, chain: &Chain) {
    if how == Repair::Mend {
        mend_head(block, chain);
        mend_sections(block);
    }
    for entry in entries(block) {
        let start = u32_at(block, entry + 16) as usize;
        let end = start.saturating_add(u32_at(block, entry + 4) as usize);
        if let Some(stored) = block.get(start..end) {
            let checksum = eventcask_log::checksum(stored);
            put(block, entry + 12, checksum.to_le_bytes());
        }
    }
    let head = block.get(..u32_at(block, 8) as usize);
    if let Some(head) = head.filter(|head| head.len() >= 16) {
        let checksum = eventcask_log::head_checksum(head);
        put(block, 12, checksum.to_le_bytes());
    }
}

/// Where the entries of a block's section table are, as far as they are there.
fn entries(block: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let fit = block.len().saturating_sub(FIXED_HEAD) / ENTRY;
    let count = usize::from(u16_at(block, 108)).min(fit);
    (0..count).map(|index| FIXED_HEAD + ENTRY * index)
}

/// Puts identity, chain, lengths and reserved bytes of a head in order; rows, times, epoch, kind
/// and codec of sections, and marks stay what the mutation made of them.
fn mend_head(block: &mut [u8], chain: &Chain) {
    put(block, 0, BLOCK_MAGIC);
    put(block, 16, (block.len() as u32).to_le_bytes());
    let has_events = u32_at(block, 44) > 0;
    put(
        block,
        20,
        (u32_at(block, 20) & u32::from(!has_events)).to_le_bytes(),
    );
    put(block, 24, STORE.to_le_bytes());
    put(block, 40, 0u32.to_le_bytes());
    put(block, 48, 1u64.to_le_bytes());
    put(block, 56, (chain.place as u64).to_le_bytes());
    let position = match chain.is_sealed {
        true => u64_at(block, 64).clamp(chain.position, chain.position.saturating_add(1 << 20)),
        false => chain.position,
    };
    put(block, 64, position.to_le_bytes());
    let durable = u64_at(block, 72).min(chain.place as u64);
    put(block, 72, durable.to_le_bytes());
    put(block, 104, chain.checksum.to_le_bytes());
    let gaps = match chain.is_sealed {
        true => u64_at(block, 112) & 0xffff,
        false => 0,
    };
    put(block, 112, gaps.to_le_bytes());
    let group_rows = group_rows(u32_at(block, 120), has_events);
    put(block, 120, group_rows.to_le_bytes());
    block[124..128].fill(0);
    let sections = entries(block).count();
    put(block, 108, (sections as u16).to_le_bytes());
    let marks = marks_end(block, FIXED_HEAD + ENTRY * sections);
    let head = marks.unwrap_or_else(|| {
        put(block, 110, [0; 2]);
        FIXED_HEAD + ENTRY * sections
    });
    put(block, 8, (head as u32).to_le_bytes());
}

/// What a head may say of its groups, and this where it is that.
fn group_rows(said: u32, has_events: bool) -> u32 {
    match (has_events, said) {
        (false, _) => 0,
        (true, 64..=65_536) if said.is_power_of_two() => said,
        (true, _) => 64 << (said % 11),
    }
}

/// Where the source marks that begin at `at` end, if they are all there.
fn marks_end(block: &[u8], mut at: usize) -> Option<usize> {
    let count = u16_at(block, 110);
    if count > 16 {
        return None;
    }
    for _ in 0..count {
        let name = usize::from(u16_at(block, at + 16));
        if !(1..=1024).contains(&name) {
            return None;
        }
        at += 18 + name;
    }
    (at <= block.len()).then_some(at)
}

/// Moves sections to where they can be, and clears what lies between them.
fn mend_sections(block: &mut [u8]) {
    let mut free = u32_at(block, 8) as usize;
    for entry in entries(block) {
        let lowest = free.next_multiple_of(SECTION_ALIGN);
        let start = lowest;
        let room = block.len().saturating_sub(start);
        let stored = (u32_at(block, entry + 4) as usize).min(room);
        if start > block.len() {
            return;
        }
        let raw = match block[entry + 1] {
            0 => stored as u32,
            _ => u32_at(block, entry + 8).min(MAX_SECTION_BYTES),
        };
        put(block, entry + 4, (stored as u32).to_le_bytes());
        put(block, entry + 8, raw.to_le_bytes());
        put(block, entry + 16, (start as u32).to_le_bytes());
        block[free..start].fill(0);
        free = start + stored;
    }
    block[free..].fill(0);
}

/// The state of a view: layout, and a definition that it can be read by.
pub fn view_state(bytes: &mut Vec<u8>, how: Repair) {
    if how == Repair::Seal || bytes.is_empty() {
        return;
    }
    bytes[0] = 3;
    let spec = crate::corpus::SPEC.as_bytes();
    // Where rows are kept for a time, the newest time stands before the definition.
    if !is_spec_at(bytes, VIEW_SPEC_AT) && !is_spec_at(bytes, VIEW_SPEC_AT + 8) {
        let text_at = VIEW_SPEC_AT + 4;
        bytes.resize(bytes.len().max(text_at + spec.len()), 0);
        put(bytes, VIEW_SPEC_AT, (spec.len() as u32).to_le_bytes());
        bytes[text_at..text_at + spec.len()].copy_from_slice(spec);
    }
}

/// Behind the layout and the five numbers of events that were left out.
const VIEW_SPEC_AT: usize = 1 + 5 * 8;

fn is_spec_at(bytes: &[u8], at: usize) -> bool {
    let length = u32_at(bytes, at) as usize;
    let json = bytes.get(at + 4..).and_then(|text| text.get(..length));
    json.and_then(|json| str::from_utf8(json).ok())
        .is_some_and(|json| eventcask_project::ViewSpec::from_json(json).is_ok())
}
