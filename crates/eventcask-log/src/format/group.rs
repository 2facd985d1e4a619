//! The sections of a block that say what its events are: the names of its types, the keys of its
//! aggregates, and its rows in groups.
//!
//! Each is an archive of its own, with a checksum of its own, so that who wants one row reads its
//! group and nothing else. `docs/FORMAT.md` describes the bytes.

use std::ops::Range;

use eventcask_event::{Columns, NO_POSITION, NO_TIME, payload_end, payload_fill};
use rkyv::rancor;
use rkyv::rend::{i64_le, u32_le, u64_le};
use rkyv::util::AlignedVec;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// Rows of a group whose columns are not compressed: small enough that one row is read fast, and
/// large enough that a scan does not notice where a group ends.
const RAW_ROWS: u32 = 256;
/// Rows of a group whose columns are: fewer compress worse.
const COMPRESSED_ROWS: u32 = 1024;
/// Rows that a group can have.
pub(crate) const GROUP_ROWS: Range<u32> = 64..(64 << 10) + 1;
/// Stands for a distance that does not fit its column.
const FAR: u32 = u32::MAX;

/// How many rows a group has.
pub(crate) fn group_rows(is_compressed: bool) -> u32 {
    match is_compressed {
        true => COMPRESSED_ROWS,
        false => RAW_ROWS,
    }
}

/// The types of a block's events.
#[derive(Archive, Serialize)]
struct Types<'a> {
    #[rkyv(with = InlineAsBox)]
    name_ends: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    names: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    schemas: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    encodings: &'a [u8],
    /// Empty where no type has one.
    #[rkyv(with = InlineAsBox)]
    shapes: &'a [u64],
}

/// The keys of a block's aggregates.
#[derive(Archive, Serialize)]
struct Keys<'a> {
    #[rkyv(with = InlineAsBox)]
    ends: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    keys: &'a [u8],
}

/// Some rows of a block. Optional columns are there in all groups of a block or in none.
#[derive(Archive, Serialize)]
struct Group<'a> {
    #[rkyv(with = InlineAsBox)]
    aggregates: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    types: &'a [u16],
    #[rkyv(with = InlineAsBox)]
    versions: &'a [u64],
    #[rkyv(with = InlineAsBox)]
    payload_lengths: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    back: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    far_back: &'a [u64],
    #[rkyv(with = InlineAsBox)]
    payload_starts: &'a [u32],
    #[rkyv(with = InlineAsBox)]
    times: &'a [i64],
    #[rkyv(with = InlineAsBox)]
    positions: &'a [u64],
    #[rkyv(with = InlineAsBox)]
    commit_times: &'a [i64],
}

/// Archives the sections of blocks. It keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(crate) struct GroupWriter {
    archive: AlignedVec<16>,
    /// Position of the newest event of each aggregate before the next row.
    newest: Vec<u64>,
    /// Where the payloads of each type start that come with the next rows.
    payload_starts: Vec<u32>,
    /// One a type: see [`payload_fill`].
    fills: Vec<u32>,
    back: Vec<u32>,
    far_back: Vec<u64>,
}

impl GroupWriter {
    /// Begins with the first row of a block.
    pub(crate) fn begin(&mut self, columns: &Columns) {
        self.newest.clone_from(&columns.previous);
        self.payload_starts.clear();
        self.payload_starts.resize(columns.type_schemas.len(), 0);
        self.fills.clear();
        self.fills.extend(fills(columns));
    }

    /// The section of the types.
    pub(crate) fn types(&mut self, columns: &Columns) -> &[u8] {
        self.archived(&Types {
            name_ends: &columns.type_name_ends,
            names: columns.type_names.as_bytes(),
            schemas: &columns.type_schemas,
            encodings: &columns.type_encodings,
            shapes: &columns.type_shapes,
        })
    }

    /// The section of the keys.
    pub(crate) fn keys(&mut self, columns: &Columns) -> &[u8] {
        self.archived(&Keys {
            ends: &columns.key_ends,
            keys: columns.keys.as_bytes(),
        })
    }

    /// The section of the rows that come next.
    pub(crate) fn group(
        &mut self,
        columns: &Columns,
        first_position: u64,
        rows: Range<usize>,
    ) -> &[u8] {
        self.look_back(columns, first_position, rows.clone());
        let (back, far_back) = (
            std::mem::take(&mut self.back),
            std::mem::take(&mut self.far_back),
        );
        let payload_starts = std::mem::take(&mut self.payload_starts);
        self.archived(&Group {
            aggregates: &columns.aggregates[rows.clone()],
            types: &columns.types[rows.clone()],
            versions: &columns.versions[rows.clone()],
            payload_lengths: &columns.payload_lengths[rows.clone()],
            back: &back,
            far_back: &far_back,
            payload_starts: &payload_starts,
            times: of_rows(&columns.times, &rows),
            positions: of_rows(&columns.positions, &rows),
            commit_times: of_rows(&columns.commit_times, &rows),
        });
        (self.back, self.far_back) = (back, far_back);
        self.payload_starts = payload_starts;
        for row in rows {
            let event_type = usize::from(columns.types[row]);
            let start = &mut self.payload_starts[event_type];
            let end = payload_end(*start, columns.payload_lengths[row], self.fills[event_type]);
            *start = end.expect("no block has 4 GiB");
        }
        &self.archive
    }

    /// How far each row's position is behind that of its aggregate's event before.
    fn look_back(&mut self, columns: &Columns, first_position: u64, rows: Range<usize>) {
        self.back.clear();
        self.far_back.clear();
        for row in rows {
            let position = position_of(&columns.positions, first_position, row);
            let newest = &mut self.newest[columns.aggregates[row] as usize];
            let before = std::mem::replace(newest, position);
            self.back.push(match position.checked_sub(before) {
                None => 0,
                Some(back) if back < u64::from(FAR) => back as u32,
                Some(_) => {
                    self.far_back.push(before);
                    FAR
                }
            });
        }
    }

    fn archived(&mut self, section: &impl Section) -> &[u8] {
        self.archive.clear();
        let archive = std::mem::take(&mut self.archive);
        self.archive = section.archive_into(archive);
        &self.archive
    }
}

/// What can be archived as a section.
pub(super) trait Section {
    fn archive_into(&self, archive: AlignedVec<16>) -> AlignedVec<16>;
}

macro_rules! section {
    ($($name:ident),*) => {$(
        impl $crate::format::group::Section for $name<'_> {
            fn archive_into(&self, archive: AlignedVec<16>) -> AlignedVec<16> {
                let archived = rkyv::api::high::to_bytes_in::<_, rkyv::rancor::Error>(self, archive);
                archived.expect("numbers and texts can be archived: memory is all they need")
            }
        }
    )*};
}

pub(super) use section;
section!(Types, Keys, Group);

fn of_rows<'a, T>(column: &'a [T], rows: &Range<usize>) -> &'a [T] {
    column.get(rows.clone()).unwrap_or(&[])
}

fn position_of(positions: &[u64], first_position: u64, row: usize) -> u64 {
    let said = positions.get(row).copied();
    said.unwrap_or(first_position + row as u64)
}

const BAD_TYPES: &str = "the types of a block are not a valid archive";
const BAD_KEYS: &str = "the keys of a block are not a valid archive";
const BAD_NAMES: &str = "the event types' names are not texts within the limits";
const BAD_TEXTS: &str = "the aggregates' keys are not texts within the limits";
const BAD_GROUP: &str = "a group of a block's rows is not a valid archive";

/// Reads the section of the types into their columns.
pub(crate) fn read_types(raw: &[u8], columns: &mut Columns) -> Result<(), &'static str> {
    let types = rkyv::access::<ArchivedTypes<'_>, rancor::Failure>(raw).map_err(|_| BAD_TYPES)?;
    extend_u32(&mut columns.type_name_ends, &types.name_ends);
    let names = str::from_utf8(&types.names).map_err(|_| BAD_NAMES)?;
    columns.type_names.push_str(names);
    extend_u32(&mut columns.type_schemas, &types.schemas);
    columns.type_encodings.extend_from_slice(&types.encodings);
    extend_u64(&mut columns.type_shapes, &types.shapes);
    Ok(())
}

/// Reads the section of the keys into their columns.
pub(crate) fn read_keys(raw: &[u8], columns: &mut Columns) -> Result<(), &'static str> {
    let keys = rkyv::access::<ArchivedKeys<'_>, rancor::Failure>(raw).map_err(|_| BAD_KEYS)?;
    extend_u32(&mut columns.key_ends, &keys.ends);
    let keys = str::from_utf8(&keys.keys).map_err(|_| BAD_TEXTS)?;
    columns.keys.push_str(keys);
    Ok(())
}

/// Reads the groups of a block into its columns, one after the other. What they say of each other
/// and of the block is checked row by row on the way.
pub(crate) struct GroupReader {
    /// Rows of all groups, about: who says more gives no reason to make room for them.
    rows: usize,
    first_position: u64,
    /// Position of the newest event of each aggregate so far.
    newest: Vec<u64>,
    /// Aggregates of which a row was read.
    seen: usize,
    /// Bytes that the payloads of each type take so far, and the [fill](payload_fill) of these.
    payload_ends: Vec<(u32, u32)>,
    /// One a row: where its payload starts among those of its type.
    payload_starts: Vec<u32>,
}

/// Stands for an aggregate of which no row was read yet: no event has that position.
const UNSEEN: u64 = NO_POSITION;
/// A row takes at least so many bytes of its group.
const ROW_BYTES: usize = 4 + 2 + 8 + 4 + 4;

impl GroupReader {
    /// Begins with the first group of a block whose types and keys were read; the groups take so
    /// many bytes.
    pub(crate) fn begin(
        rows: usize,
        bytes: usize,
        first_position: u64,
        columns: &mut Columns,
    ) -> Self {
        let rows = rows.min(bytes / ROW_BYTES);
        let aggregates = columns.key_ends.len();
        columns.previous.resize(aggregates, NO_POSITION);
        columns.aggregates.reserve_exact(rows);
        columns.types.reserve_exact(rows);
        columns.versions.reserve_exact(rows);
        columns.payload_lengths.reserve_exact(rows);
        Self {
            rows,
            first_position,
            newest: vec![UNSEEN; aggregates],
            seen: 0,
            payload_ends: fills(columns).map(|fill| (0, fill)).collect(),
            payload_starts: Vec::with_capacity(rows),
        }
    }

    /// Reads the next group, which has so many rows.
    pub(crate) fn read(
        &mut self,
        raw: &[u8],
        rows: usize,
        columns: &mut Columns,
    ) -> Result<(), &'static str> {
        let group = checked(raw, rows)?;
        let ends = self.payload_ends.iter().map(|(end, _)| *end);
        if !ends.eq(group.payload_starts.iter().map(|start| start.to_native())) {
            return Err("a group says that its payloads start elsewhere");
        }
        let from = columns.rows();
        extend_u32(&mut columns.aggregates, &group.aggregates);
        columns
            .types
            .extend(group.types.iter().map(|one| one.to_native()));
        extend_u64(&mut columns.versions, &group.versions);
        extend_u32(&mut columns.payload_lengths, &group.payload_lengths);
        self.extend_optional(&mut columns.times, &group.times, from, i64_le::to_native)?;
        self.extend_optional(
            &mut columns.positions,
            &group.positions,
            from,
            u64_le::to_native,
        )?;
        self.extend_optional(
            &mut columns.commit_times,
            &group.commit_times,
            from,
            i64_le::to_native,
        )?;
        self.add_payloads(from, columns)?;
        self.follow_back(&group.back, &group.far_back, from, columns)
    }

    /// Optional columns are there in all groups or in none.
    fn extend_optional<S: Copy, T>(
        &self,
        column: &mut Vec<T>,
        more: &[S],
        from: usize,
        to_native: impl Fn(S) -> T,
    ) -> Result<(), &'static str> {
        if column.len() != from && !more.is_empty()
            || column.len() == from && more.is_empty() && from > 0
        {
            return Err("the groups of a block have different columns");
        }
        if from == 0 && !more.is_empty() {
            column.reserve_exact(self.rows);
        }
        column.extend(more.iter().map(|one| to_native(*one)));
        Ok(())
    }

    fn add_payloads(&mut self, from: usize, columns: &Columns) -> Result<(), &'static str> {
        let rows = columns.types[from..]
            .iter()
            .zip(&columns.payload_lengths[from..]);
        let (mut are_listed, mut do_fit) = (true, true);
        let ends = &mut self.payload_ends;
        // One loop without a way out, so that no row waits for what is asked of the one before.
        self.payload_starts.extend(rows.map(|(event_type, length)| {
            let Some((end, fill)) = ends.get_mut(usize::from(*event_type)) else {
                are_listed = false;
                return 0;
            };
            let start = *end;
            match payload_end(start, *length, *fill) {
                Some(after) => *end = after,
                None => do_fit = false,
            }
            start
        }));
        match (are_listed, do_fit) {
            (true, true) => Ok(()),
            (false, _) => Err("a row names an event type that the block does not list"),
            (true, false) => Err("the payloads of a type pass 4 GiB"),
        }
    }

    /// Each row says where its aggregate's event before is: the first one of an aggregate says what
    /// was before the block, the others what the columns say as well.
    fn follow_back(
        &mut self,
        back: &[u32_le],
        far_back: &[u64_le],
        from: usize,
        columns: &mut Columns,
    ) -> Result<(), &'static str> {
        let mut far_back = far_back.iter();
        let rows = columns.aggregates[from..].iter().zip(back);
        for (within, (aggregate, back)) in rows.enumerate() {
            let position = position_of(&columns.positions, self.first_position, from + within);
            let before = before(position, back.to_native(), || far_back.next())?;
            let aggregate = *aggregate as usize;
            let newest = self.newest.get_mut(aggregate);
            let newest = newest.ok_or("a row names an aggregate that the block does not list")?;
            match *newest {
                UNSEEN => {
                    columns.previous[aggregate] = before;
                    self.seen += 1;
                }
                known if known == before => {}
                _ => return Err("a row names another event before it than the block has"),
            }
            *newest = position;
        }
        match far_back.next() {
            None => Ok(()),
            Some(_) => Err("a group lists a place that no row leads to"),
        }
    }

    /// Ends with the last group: says where the payload of each row starts, if there are so many
    /// bytes of each type and there is a row of each aggregate.
    pub(crate) fn end(self, payload_bytes: &[usize]) -> Result<Vec<u32>, &'static str> {
        let ends = self.payload_ends.iter().map(|(end, _)| *end as usize);
        if !ends.eq(payload_bytes.iter().copied()) {
            return Err("the payloads do not fill the sections of their types");
        }
        match self.seen == self.newest.len() {
            true => Ok(self.payload_starts),
            false => Err("the block lists an aggregate of which it has no event"),
        }
    }
}

/// Position of the event before one at `position`, or [`NO_POSITION`].
fn before<'a>(
    position: u64,
    back: u32,
    mut far: impl FnMut() -> Option<&'a u64_le>,
) -> Result<u64, &'static str> {
    let before = match back {
        0 => Some(NO_POSITION),
        FAR => {
            let before = far().ok_or("a row leads to a place that its group does not list")?;
            let before = before.to_native();
            // What is not so far must be said by the distance: there is one way to say it.
            let is_far = before.checked_add(u64::from(FAR));
            let is_far = is_far.is_some_and(|nearest| nearest <= position);
            is_far.then_some(before)
        }
        back => position.checked_sub(u64::from(back)),
    };
    before.ok_or("a row leads back to where no event before it can be")
}

/// The group that a section holds, if it has so many rows.
fn checked(raw: &[u8], rows: usize) -> Result<&ArchivedGroup<'_>, &'static str> {
    let group = rkyv::access::<ArchivedGroup<'_>, rancor::Failure>(raw).map_err(|_| BAD_GROUP)?;
    let one_a_row = [
        group.aggregates.len(),
        group.types.len(),
        group.versions.len(),
        group.payload_lengths.len(),
        group.back.len(),
    ];
    let optional = [
        group.times.len(),
        group.positions.len(),
        group.commit_times.len(),
    ];
    let fits = one_a_row.iter().all(|length| *length == rows)
        && optional
            .iter()
            .all(|length| *length == rows || *length == 0);
    match fits {
        true => Ok(group),
        false => Err("the columns of a group have different lengths"),
    }
}

/// A group by itself, for who wants some of its rows. What a row says lies together, so that one
/// row is one look at memory.
#[derive(Debug, Default)]
pub(crate) struct GroupRows {
    rows: Vec<GroupRow>,
    /// Empty where they follow each other.
    positions: Vec<u64>,
    first_position: u64,
    /// Empty where all rows have the same one.
    commit_times: Vec<i64>,
    commit_time: i64,
}

/// What a block says of one event, but for names, key and payload. It fills a line of the
/// processor's cache: to fetch a second one would be most of what a look at a row costs.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct GroupRow {
    /// 0 where the engine makes it.
    pub(crate) id: u128,
    pub(crate) version: u64,
    /// Position of the aggregate's event before, or [`NO_POSITION`].
    pub(crate) previous: u64,
    /// As the columns have it.
    pub(crate) time: i64,
    /// Where its payload starts among those of its type; once its chunk is known, in that.
    pub(crate) payload_start: u32,
    pub(crate) payload_length: u32,
    /// Index of its aggregate in the block.
    pub(crate) aggregate: u32,
    pub(crate) event_type: u16,
    /// Index of the section that is its chunk, once that is known.
    pub(crate) section: u16,
}

const _: () = assert!(size_of::<GroupRow>() == 64);

/// What a group has to go with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupFrame<'a> {
    pub(crate) rows: usize,
    /// The columns of the block's types.
    pub(crate) types: &'a Columns,
    /// Position of the first row where positions follow each other.
    pub(crate) first_position: u64,
    /// Commit time of the rows where they have none of their own.
    pub(crate) commit_time: i64,
}

impl GroupRows {
    /// Reads a group; `ids` has 16 bytes a row, or none.
    pub(crate) fn read(raw: &[u8], of: &GroupFrame<'_>, ids: &[u8]) -> Result<Self, &'static str> {
        let group = checked(raw, of.rows)?;
        let mut read = Self::default();
        extend_u64(&mut read.positions, &group.positions);
        read.first_position = read.positions.first().copied().unwrap_or(of.first_position);
        let mut starts = starts_of(group, of.types)?;
        let (ids, _) = ids.as_chunks::<16>();
        let times: &[i64_le] = &group.times;
        let commits = group.commit_times.iter().map(|time| time.to_native());
        (read.commit_times, read.commit_time) = (commits.collect(), of.commit_time);
        let mut far_back = group.far_back.iter();
        read.rows.reserve_exact(of.rows);
        for row in 0..of.rows {
            let event_type = group.types[row].to_native();
            let start = starts.get_mut(usize::from(event_type));
            let (start, fill) =
                start.ok_or("a row names an event type that the block does not list")?;
            let (payload_start, payload_length) = (*start, group.payload_lengths[row].to_native());
            let end = payload_end(payload_start, payload_length, *fill);
            *start = end.ok_or("the payloads of a type pass 4 GiB")?;
            let back = group.back[row].to_native();
            let previous = before(read.position(row), back, || far_back.next())?;
            read.rows.push(GroupRow {
                id: ids.get(row).map_or(0, |id| u128::from_le_bytes(*id)),
                version: group.versions[row].to_native(),
                previous,
                time: times.get(row).map_or(NO_TIME, |time| time.to_native()),
                payload_start,
                payload_length,
                aggregate: group.aggregates[row].to_native(),
                event_type,
                section: 0,
            });
        }
        match far_back.next() {
            None => Ok(read),
            Some(_) => Err("a group lists a place that no row leads to"),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn row(&self, row: usize) -> &GroupRow {
        &self.rows[row]
    }

    /// Says of each row which section its payload is in, and where that starts there.
    pub(crate) fn place_payloads(
        &mut self,
        place: impl Fn(&GroupRow) -> Result<(u16, u32), &'static str>,
    ) -> Result<(), &'static str> {
        for row in &mut self.rows {
            (row.section, row.payload_start) = place(row)?;
        }
        Ok(())
    }

    pub(crate) fn commit_time(&self, row: usize) -> i64 {
        let own = self.commit_times.get(row);
        own.copied().unwrap_or(self.commit_time)
    }

    pub(crate) fn position(&self, row: usize) -> u64 {
        match self.positions.get(row) {
            Some(position) => *position,
            None => self.first_position.saturating_add(row as u64),
        }
    }

    /// Position of the first row.
    pub(crate) fn first_position(&self) -> u64 {
        self.first_position
    }

    /// The row at a position.
    pub(crate) fn row_at(&self, position: u64) -> Option<usize> {
        let guess = usize::try_from(position.checked_sub(self.first_position)?).ok()?;
        match self.positions.is_empty() {
            true => (guess < self.rows.len()).then_some(guess),
            // Where events are gone the others have moved up.
            false => self.positions.binary_search(&position).ok(),
        }
    }

    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let optional = self.positions.len() + self.commit_times.len();
        self.rows.len() * size_of::<GroupRow>() + optional * 8
    }
}

/// One a type: see [`payload_fill`].
fn fills(types: &Columns) -> impl Iterator<Item = u32> {
    let shapes = (0..types.type_schemas.len()).map(|index| types.type_shape(index));
    shapes.map(payload_fill)
}

/// Where the payloads of a group's types start, and the [fill](payload_fill) of these.
fn starts_of(group: &ArchivedGroup<'_>, types: &Columns) -> Result<Vec<(u32, u32)>, &'static str> {
    let starts = group.payload_starts.iter().map(|start| start.to_native());
    let starts: Vec<_> = starts.zip(fills(types)).collect();
    if starts.len() != types.type_schemas.len() || starts.len() != group.payload_starts.len() {
        return Err("a group has other types than its block");
    }
    match starts.iter().all(|(start, fill)| start & fill == 0) {
        true => Ok(starts),
        false => Err("a group says that payloads with a shape start where none does"),
    }
}

pub(super) fn extend_u32(column: &mut Vec<u32>, more: &[u32_le]) {
    column.extend(more.iter().map(|one| one.to_native()));
}

fn extend_u64(column: &mut Vec<u64>, more: &[u64_le]) {
    column.extend(more.iter().map(|one| one.to_native()));
}
