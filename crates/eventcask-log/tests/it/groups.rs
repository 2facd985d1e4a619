//! The groups that the rows of a block are cut into, and the chunks of its payloads: what is
//! written comes back, and each rule about them broken by itself.

use eventcask_event::NO_POSITION;
use eventcask_log::{
    Block, BlockHead, Codec, Compressor, MAX_BLOCK_TYPES, MemoryStorage, Payloads, Section,
};

use crate::forge::{
    BACK, COMMIT_TIMES, FAR_BACK, Forged, KEYS, PAYLOAD_STARTS, Part, TIMES, TYPE_OF, TYPES,
};
use crate::support::{
    FIRST_SEGMENT, Row, STORE, Seen, Writer, bytes_of, deposits, parts, put_file, read, row,
};

const FIRST_POSITION: u64 = 40;
const GROUP: u8 = 3;
const IDS: u8 = 4;
pub(crate) const PAYLOADS: u8 = 5;
const WRONG: &str = "a block's sections are not those of a block with events";

pub(crate) fn head(rows: usize) -> BlockHead {
    BlockHead {
        store: STORE,
        segment: 1,
        place: 4096,
        durable_place: 4096,
        first_position: FIRST_POSITION,
        rows: rows as u32,
        first_commit: 1_000,
        last_commit: 1_000,
        epoch: 1,
        ..BlockHead::default()
    }
}

/// Rows of two types and a few aggregates.
fn rows(count: usize, has_ids: bool, has_times: bool) -> Vec<Row> {
    let mut rows = deposits(5, count);
    for (at, row) in rows.iter_mut().enumerate() {
        if at % 3 == 1 {
            row.event_type = "Withdrawn".to_owned();
            row.payload = vec![b'w'; at % 7];
        }
        row.id = (has_ids && at % 2 == 0).then_some(1 + at as u128);
        row.time = (has_times && at % 4 == 0).then_some(-(at as i64));
    }
    rows
}

pub(crate) fn block(rows: &[Row]) -> Block {
    let (columns, ids, payloads) = parts(rows);
    Block::new(head(rows.len()), columns, ids, payloads).unwrap()
}

/// A block between whose events some are gone, each with a commit time of its own.
pub(crate) fn block_with_gaps(rows: &[Row]) -> Block {
    let (mut columns, ids, payloads) = parts(rows);
    columns.previous.fill(NO_POSITION);
    let steps = |from: u64, step: u64| (0..rows.len() as u64).map(move |row| from + row * step);
    columns.positions = steps(FIRST_POSITION, 3).collect();
    columns.commit_times = steps(1_000, 10).map(|time| time as i64).collect();
    let head = BlockHead {
        gaps: 2 * (rows.len() as u64 - 1),
        last_commit: *columns.commit_times.last().unwrap(),
        ..head(rows.len())
    };
    Block::new(head, columns, ids, payloads).unwrap()
}

pub(crate) fn encode(block: &Block, codec: Codec) -> (BlockHead, Vec<u8>) {
    let mut bytes = Vec::new();
    let head = block.encode(codec, &mut Compressor::default(), &mut bytes);
    (head, bytes)
}

pub(crate) fn seen(block: &Block) -> Vec<Seen> {
    let events = block.events();
    events.iter().map(|event| Seen::of(&event)).collect()
}

pub(crate) fn of_kind(head: &BlockHead, kind: u8) -> Vec<Section> {
    let sections = head.sections.iter().copied();
    sections.filter(|section| section.kind == kind).collect()
}

#[test]
fn blocks_of_all_columns_come_back_over_the_borders_of_groups() {
    for count in [1, 2, 64, 255, 256, 257, 512, 513, 1023, 1024, 1025, 2049] {
        for (has_ids, has_times) in [(false, false), (true, false), (false, true), (true, true)] {
            let rows = rows(count, has_ids, has_times);
            for block in [block(&rows), block_with_gaps(&rows)] {
                for (codec, group_rows) in [
                    (Codec::None, 256),
                    (Codec::Lz4, 1024),
                    (Codec::Zstd(1), 1024),
                ] {
                    let (head, bytes) = encode(&block, codec);
                    assert_eq!(head.group_rows, group_rows);
                    let groups = count.div_ceil(group_rows as usize);
                    assert_eq!(of_kind(&head, GROUP).len(), groups, "{codec} {count}");
                    let of_ids: u32 = of_kind(&head, IDS).iter().map(|ids| ids.raw).sum();
                    assert_eq!(of_ids as usize, if has_ids { 16 * count } else { 0 });
                    let back = Block::decode(head, &bytes, Payloads::All).unwrap();
                    back.check_closely().unwrap();
                    assert_eq!(seen(&back), seen(&block), "{codec} {count}");
                    let (back, block) = (back.into_parts(), block.events());
                    assert_eq!(&back.columns, block.columns(), "{codec} {count}");
                }
            }
        }
    }
}

#[test]
fn the_root_of_each_archive_is_its_last_bytes() {
    let block = block(&rows(300, true, true));
    let mut forged = Forged::of(&encode(&block, Codec::None).1);
    let columns = block.events().columns().clone();
    forged.change(TYPES, |found| {
        assert_eq!(found[0], bytes_of_u32(&columns.type_name_ends));
        assert_eq!(found[1], columns.type_names.as_bytes());
        assert_eq!(found[2], bytes_of_u32(&columns.type_schemas));
        assert_eq!(found[3], columns.type_encodings);
        assert_eq!(found[4], [], "no type has a shape");
    });
    forged.change(KEYS, |found| {
        assert_eq!(found[0], bytes_of_u32(&columns.key_ends));
        assert_eq!(found[1], columns.keys.as_bytes());
    });
    for (group, rows) in [0..256, 256..300].into_iter().enumerate() {
        let part = forged.group(group);
        forged.change(part, |found| {
            assert_eq!(found[0], bytes_of_u32(&columns.aggregates[rows.clone()]));
            let types = columns.types[rows.clone()].iter();
            let types: Vec<u8> = types.flat_map(|one| one.to_le_bytes()).collect();
            assert_eq!(found[TYPE_OF], types);
            assert_eq!(found[2], bytes_of_u64(&columns.versions[rows.clone()]));
            let lengths = &columns.payload_lengths;
            assert_eq!(found[3], bytes_of_u32(&lengths[rows.clone()]));
            assert_eq!(found[BACK].len(), 4 * rows.len());
            assert_eq!(found[FAR_BACK], []);
            let before = |event_type| {
                let rows = 0..rows.start;
                let rows = rows.filter(|row| columns.types[*row] == event_type);
                rows.map(|row| lengths[row]).sum()
            };
            assert_eq!(found[PAYLOAD_STARTS], bytes_of_u32(&[0, 1].map(before)));
            let times = columns.times[rows.clone()].iter();
            let times: Vec<u8> = times.flat_map(|time| time.to_le_bytes()).collect();
            assert_eq!(found[TIMES], times);
            assert_eq!(found[TIMES + 1..], [[], []], "all are as the head says");
        });
    }
    // What was put together as this test says is read as what it was.
    let back = decode(&forged, &encode(&block, Codec::None).0).unwrap();
    assert_eq!(seen(&back), seen(&block));
}

pub(crate) fn bytes_of_u32(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|one| one.to_le_bytes()).collect()
}

pub(crate) fn bytes_of_u64(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|one| one.to_le_bytes()).collect()
}

/// Reads a forged block, of which the head says the rest as this one does.
pub(crate) fn decode(forged: &Forged, like: &BlockHead) -> Result<Block, &'static str> {
    let bytes = forged.block();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let section = |(index, part): (usize, &Part)| Section {
        kind: part.kind,
        codec: 0,
        event_type: part.event_type,
        stored: part.bytes.len() as u32,
        raw: part.bytes.len() as u32,
        checksum: eventcask_log::checksum(&part.bytes),
        start: number(128 + 24 * index + 16),
    };
    let head = BlockHead {
        sections: forged.parts.iter().enumerate().map(section).collect(),
        length: bytes.len() as u32,
        ..like.clone()
    };
    Block::decode(head, &bytes, Payloads::All)
}

/// Changes a block of three groups with ids and times: it can not be read then, for this reason.
#[track_caller]
fn refuses(reason: &str, change: impl FnOnce(&mut Forged)) {
    refuses_of(&block(&rows(600, true, true)), reason, change);
}

#[track_caller]
pub(crate) fn refuses_of(block: &Block, reason: &str, change: impl FnOnce(&mut Forged)) {
    let (head, bytes) = encode(block, Codec::None);
    let mut forged = Forged::of(&bytes);
    assert!(decode(&forged, &head).is_ok());
    change(&mut forged);
    assert_eq!(decode(&forged, &head).unwrap_err(), reason);
}

/// Changes the columns of a group.
pub(crate) fn in_group(
    group: usize,
    change: impl FnOnce(&mut [Vec<u8>]),
) -> impl FnOnce(&mut Forged) {
    move |forged| forged.change(forged.group(group), change)
}

/// Bytes that are no text, and a text that ends inside of a letter.
#[test]
fn s4_keys_and_names_that_are_no_texts_are_damage() {
    for (part, reason) in [
        (
            TYPES,
            "the event types' names are not texts within the limits",
        ),
        (KEYS, "the aggregates' keys are not texts within the limits"),
    ] {
        refuses(reason, |forged| {
            forged.change(part, |found| found[1][0] = 0xff);
        });
        refuses(reason, |forged| {
            forged.change(part, |found| found[1][..2].copy_from_slice("é".as_bytes()));
            forged.change(part, |found| set_u32(&mut found[0], 0, 1));
        });
    }
}

pub(crate) fn set_u32(column: &mut [u8], index: usize, number: u32) {
    column[4 * index..4 * index + 4].copy_from_slice(&number.to_le_bytes());
}

fn get_u32(column: &[u8], index: usize) -> u32 {
    u32::from_le_bytes(column[4 * index..4 * index + 4].try_into().unwrap())
}

#[test]
fn a_group_whose_payload_starts_lie_is_damage() {
    let reason = "a group says that its payloads start elsewhere";
    for group in 0..3 {
        for event_type in 0..2 {
            refuses(
                reason,
                in_group(group, |columns| {
                    let said = get_u32(&columns[PAYLOAD_STARTS], event_type);
                    set_u32(&mut columns[PAYLOAD_STARTS], event_type, said + 1);
                }),
            );
        }
        let one_more = |columns: &mut [Vec<u8>]| columns[PAYLOAD_STARTS].extend([0; 4]);
        refuses(reason, in_group(group, one_more));
        let one_less = |columns: &mut [Vec<u8>]| columns[PAYLOAD_STARTS].truncate(4);
        refuses(reason, in_group(group, one_less));
    }
}

#[test]
fn a_back_that_contradicts_the_block_is_damage() {
    let reason = "a row names another event before it than the block has";
    for group in 0..3 {
        for other in [0, 1, u32::MAX - 1] {
            // The last row of a group: its aggregate has an event before it in the block.
            let change = in_group(group, |columns| {
                let last = columns[BACK].len() / 4 - 1;
                let said = get_u32(&columns[BACK], last);
                assert_ne!(said, 0);
                let other = if other == 1 { said + 1 } else { other };
                set_u32(&mut columns[BACK], last, other);
            });
            match other {
                u32::MAX.. => unreachable!("that would be far"),
                0 | 1 => refuses(reason, change),
                _ => refuses(
                    "a row leads back to where no event before it can be",
                    change,
                ),
            }
        }
    }
}

#[test]
fn a_first_event_of_an_aggregate_says_what_was_before_the_block() {
    let block = block(&deposits(5, 3));
    let (head, bytes) = encode(&block, Codec::None);
    for (back, previous) in [(0, NO_POSITION), (1, FIRST_POSITION - 1), (40, 0)] {
        let mut forged = Forged::of(&bytes);
        in_group(0, |columns| set_u32(&mut columns[BACK], 0, back))(&mut forged);
        let block = decode(&forged, &head).unwrap();
        let first = block.events().aggregate_index(0);
        assert_eq!(block.into_parts().columns.previous[first], previous);
    }
    let reason = "a row leads back to where no event before it can be";
    let before_all = in_group(0, |columns| set_u32(&mut columns[BACK], 0, 41));
    refuses_of(&block, reason, before_all);
}

/// A block whose only event comes so long after the one before that the distance has 33 bits.
fn far_block(position: u64, previous: u64) -> Block {
    let (mut columns, ids, payloads) = parts(&deposits(5, 1));
    columns.previous[0] = previous;
    let head = BlockHead {
        first_position: position,
        ..head(1)
    };
    Block::new(head, columns, ids, payloads).unwrap()
}

#[test]
fn an_event_before_that_is_far_is_named_by_its_position() {
    let near = u64::from(u32::MAX - 1);
    for (position, previous, is_far) in [
        (near, 0, false),
        (near + 1, 0, true),
        (near + 8, 8, false),
        (near + 9, 8, true),
        (u64::MAX - 1, 3, true),
    ] {
        let block = far_block(position, previous);
        let (head, bytes) = encode(&block, Codec::None);
        let mut forged = Forged::of(&bytes);
        in_group(0, |columns| {
            assert_eq!(get_u32(&columns[BACK], 0) == u32::MAX, is_far);
            let listed: &[u64] = if is_far { &[previous] } else { &[] };
            assert_eq!(columns[FAR_BACK], bytes_of_u64(listed));
        })(&mut forged);
        let back = decode(&forged, &head).unwrap();
        assert_eq!(back.into_parts().columns.previous, [previous]);
    }
}

#[test]
fn a_far_back_that_is_missing_or_that_nobody_uses_is_damage() {
    let missing = "a row leads to a place that its group does not list";
    let unused = "a group lists a place that no row leads to";
    let far = far_block(1 << 40, 7);
    refuses_of(
        &far,
        missing,
        in_group(0, |columns| columns[FAR_BACK].clear()),
    );
    let twice = |columns: &mut [Vec<u8>]| columns[FAR_BACK].extend(7u64.to_le_bytes());
    refuses_of(&far, unused, in_group(0, twice));
    for group in 0..3 {
        refuses(unused, in_group(group, twice));
        let is_far = |columns: &mut [Vec<u8>]| set_u32(&mut columns[BACK], 9, u32::MAX);
        refuses(missing, in_group(group, is_far));
    }
    // What is near must not be said as if it were far, nor what comes later.
    let wrong = "a row leads back to where no event before it can be";
    let nearest = (1 << 40) - u64::from(u32::MAX);
    for place in [nearest + 1, (1 << 40) - 1, 1 << 40, NO_POSITION] {
        let names = |columns: &mut [Vec<u8>]| columns[FAR_BACK] = bytes_of_u64(&[place]);
        refuses_of(&far, wrong, in_group(0, names));
    }
}

#[test]
fn optional_columns_are_there_in_all_groups_or_in_none() {
    let differ = "the groups of a block have different columns";
    // Without positions, or with others, the first group's rows lead to other places.
    let positions = TIMES + 1;
    let reason_of = |group, column, reason| match (group, column) {
        (0, column) if column == positions => reason,
        _ => differ,
    };
    for group in 0..3 {
        refuses(differ, in_group(group, |columns| columns[TIMES].clear()));
        let gaps = block_with_gaps(&rows(600, true, true));
        for column in [positions, COMMIT_TIMES] {
            let other = "a row names another event before it than the block has";
            let reason = reason_of(group, column, other);
            refuses_of(
                &gaps,
                reason,
                in_group(group, |columns| columns[column].clear()),
            );
        }
        // Where the others have none.
        for column in [TIMES, positions, COMMIT_TIMES] {
            let without = block(&rows(600, false, false));
            let change = in_group(group, |columns| {
                columns[column] = vec![0; 2 * columns[BACK].len()];
            });
            let nowhere = "a row leads back to where no event before it can be";
            refuses_of(&without, reason_of(group, column, nowhere), change);
        }
    }
    let lengths = "the columns of a group have different lengths";
    for column in [0, TYPE_OF, 2, 3, BACK, TIMES] {
        let short = |columns: &mut [Vec<u8>]| {
            let bytes = columns[column].len() - if column == TYPE_OF { 2 } else { 8 };
            columns[column].truncate(bytes);
        };
        refuses(lengths, in_group(1, short));
    }
    refuses(WRONG, |forged| forged.cut_ids(Some(1)));
    // Without any ids it is a block whose ids were made by the engine.
    let (head, bytes) = encode(&block(&rows(600, true, true)), Codec::None);
    let mut forged = Forged::of(&bytes);
    forged.cut_ids(None);
    let made = decode(&forged, &head).unwrap();
    assert_eq!(made.events().given_id(0), None);
}

#[test]
fn there_are_as_many_groups_as_the_rows_need() {
    for group in 0..3 {
        refuses(WRONG, |forged| {
            let at = forged.group(group);
            forged.parts.drain(at..at + 2);
        });
        refuses(WRONG, |forged| {
            let at = forged.group(group);
            let twice = forged.parts[at..at + 2].to_vec();
            forged.parts.splice(at..at, twice);
        });
    }
    let (head, bytes) = encode(&block(&rows(600, false, false)), Codec::None);
    for group_rows in [0, 64, 128, 512, 1024, 1 << 16] {
        let head = BlockHead {
            group_rows,
            ..head.clone()
        };
        // Two groups of 512 rows, or one: there are three.
        assert_eq!(decode(&Forged::of(&bytes), &head).unwrap_err(), WRONG);
    }
}

#[test]
fn groups_of_other_sizes_than_the_writer_makes_are_read() {
    let block = block(&rows(64, true, true));
    let (head, bytes) = encode(&block, Codec::None);
    for power in 6..=16 {
        let head = BlockHead {
            group_rows: 1 << power,
            ..head.clone()
        };
        let back = Block::decode(head, &bytes, Payloads::All).unwrap();
        assert_eq!(seen(&back), seen(&block));
    }
}

#[test]
fn a_block_lists_4096_types_and_no_more() {
    let of_types = |types: usize| -> Vec<Row> {
        let row = |at| row("a", &format!("Type{at}"), "");
        (0..types).map(row).collect()
    };
    let most = block(&of_types(MAX_BLOCK_TYPES));
    let (columns, ids, payloads) = parts(&of_types(MAX_BLOCK_TYPES + 1));
    assert!(Block::new(head(MAX_BLOCK_TYPES + 1), columns, ids, payloads).is_err());
    refuses_of(&most, WRONG, |forged| {
        forged.parts.push(Part {
            kind: PAYLOADS,
            event_type: MAX_BLOCK_TYPES as u16,
            bytes: Vec::new(),
        });
    });
}

/// Rows of three types with payloads of all sizes, one of them always empty.
fn large_rows() -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut sizes: Vec<usize> = (0..700).map(|_| random.usize(..900)).collect();
    for (at, size) in [
        (100, 16 << 10),
        (200, 20_000),
        (300, 70_000),
        (400, 100_000),
    ] {
        sizes[at] = size;
    }
    let row = |(at, size): (usize, &usize)| match at % 4 {
        3 => row("b", "Empty", ""),
        kind => row(
            "a",
            ["Opened", "Scanned"][kind % 2],
            vec![b'0' + (at % 10) as u8; *size],
        ),
    };
    sizes.iter().enumerate().map(row).collect()
}

#[test]
fn chunks_of_payloads_hold_whole_payloads_up_to_their_size_or_one_larger() {
    let block = block(&large_rows());
    let events = block.events();
    for (codec, limit) in [(Codec::None, 16 << 10), (Codec::Lz4, 64 << 10)] {
        let (head, bytes) = encode(&block, codec);
        let chunks = of_kind(&head, PAYLOADS);
        for event_type in 0..events.types() {
            let lengths = (0..events.len()).filter(|row| events.type_index(*row) == event_type);
            let mut lengths = lengths.map(|row| events.payload_len(row)).peekable();
            let mut of_type = 0;
            for chunk in chunks
                .iter()
                .filter(|one| usize::from(one.event_type) == event_type)
            {
                let (mut bytes, mut payloads) = (0, 0);
                while bytes < chunk.raw as usize {
                    bytes += lengths.next().unwrap();
                    payloads += 1;
                }
                assert_eq!(
                    bytes, chunk.raw as usize,
                    "a payload would lie in two chunks"
                );
                assert!(
                    bytes <= limit || payloads == 1,
                    "{codec} {bytes} {payloads}"
                );
                of_type += 1;
            }
            assert!(lengths.all(|length| length == 0) && of_type >= 1);
            assert_eq!(of_type == 1, events.type_name(event_type) == "Empty");
        }
        let back = Block::decode(head, &bytes, Payloads::All).unwrap();
        back.check_closely().unwrap();
        assert_eq!(seen(&back), seen(&block));
    }
}

/// Cuts the payloads of the first type after so many bytes.
fn cut_payloads(forged: &mut Forged, after: usize) {
    let first = forged.parts.iter().position(|part| part.kind == PAYLOADS);
    let first = first.unwrap();
    let rest = forged.parts[first].bytes.split_off(after);
    let rest = Part {
        bytes: rest,
        ..forged.parts[first].clone()
    };
    forged.parts.insert(first + 1, rest);
}

#[test]
fn a_payload_in_two_chunks_is_found_by_who_reads_the_block_for_good() {
    let block = block(&rows(20, false, false));
    let (head, bytes) = encode(&block, Codec::None);
    let length = block.events().payload_len(0);
    for cut in 0..2 * length {
        let mut forged = Forged::of(&bytes);
        cut_payloads(&mut forged, cut);
        let back = decode(&forged, &head).unwrap();
        assert_eq!(seen(&back), seen(&block));
        let is_between = cut == 0 || cut == length;
        let checked = back.check_closely();
        assert_eq!(checked.is_ok(), is_between, "{cut}: {checked:?}");
        if !is_between {
            assert_eq!(checked, Err("a payload lies in two chunks"));
        }
    }
}

#[test]
fn a_store_with_a_payload_in_two_chunks_is_damaged() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(1, 3));
    let second = writer.append(&deposits(2, 5)).place as usize;
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let seen = read(&storage).unwrap();
    let length = seen[3].payload.len();
    for (cut, is_damaged) in [(length, false), (length - 1, true), (length + 1, true)] {
        let mut forged = Forged::of(&whole[second..]);
        cut_payloads(&mut forged, cut);
        put_file(
            &storage,
            FIRST_SEGMENT,
            &[&whole[..second], &forged.block()].concat(),
        );
        match read(&storage) {
            Ok(found) => assert!(!is_damaged && found == seen),
            Err(error) => {
                let problem = error.into_problem().unwrap();
                assert!(is_damaged);
                assert_eq!(problem.reason, "a payload lies in two chunks");
                assert_eq!(problem.place, second as u64);
            }
        }
    }
}

#[test]
fn a_row_of_a_type_or_an_aggregate_that_is_not_listed_is_damage() {
    let types = "a row names an event type that the block does not list";
    let aggregates = "a row names an aggregate that the block does not list";
    for group in 0..3 {
        refuses(types, in_group(group, |columns| columns[TYPE_OF][0] = 2));
        refuses(aggregates, in_group(group, |columns| columns[0][0] = 99));
    }
    let one_less = |forged: &mut Forged| {
        forged.change(KEYS, |columns| {
            let fewer = columns[0].len() - 4;
            columns[0].truncate(fewer);
        });
    };
    refuses(aggregates, one_less);
}

#[test]
fn payloads_of_a_type_beyond_the_numbers_are_damage() {
    let reason = "the payloads of a type pass 4 GiB";
    let huge = |columns: &mut [Vec<u8>]| {
        set_u32(&mut columns[3], 0, u32::MAX);
        set_u32(&mut columns[3], 3, u32::MAX);
    };
    refuses(reason, in_group(0, huge));
}
