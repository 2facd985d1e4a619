//! Sealed segments with a clustered copy.

use std::cell::Cell;
use std::collections::BTreeMap;

use eventcask_log::{
    ClosedSegment, Codec, Error, ErrorKind, Fate, MemoryStorage, Open, Rewriting, SORT_BYTES,
    Storage, TableKind,
};

use crate::carried::Carried;
use crate::support::{
    FIRST_SEGMENT, Row, Seen, Writer, bytes_of, deposits, dump, flipped, problems_of, put_file,
    read, reader_of, seal_clustered, seal_head, seal_header, shard_on,
};

/// Events of some types and aggregates, some with ids and times of their own.
fn rows(seed: u64, count: usize) -> Vec<Row> {
    let mut rows = deposits(seed, count);
    let mut random = fastrand::Rng::with_seed(seed);
    for (at, row) in rows.iter_mut().enumerate() {
        let types = ["Deposited", "Withdrawn", "Noted"];
        row.event_type = types[at % 3].to_owned();
        row.id = (at % 2 == 0).then_some(u128::from(seed) << 32 | (at as u128 + 1));
        row.time = (at % 5 == 0).then_some(at as i64);
        row.carried = Carried::random(&mut random);
        row.shape = [0, 0, 7, 8][random.usize(..4)];
    }
    rows
}

/// A store with a complete segment of so many blocks, and a tail.
fn store(blocks: u64, rows_each: usize) -> MemoryStorage {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for seed in 0..blocks {
        writer.append(&rows(seed, rows_each));
    }
    writer.roll();
    writer.append(&rows(99, 3));
    writer.close();
    storage
}

/// What the clusters of the first segment give for each of its events; `None` for those that have
/// to be read from the blocks.
fn ask(storage: &MemoryStorage, truth: &[Seen]) -> Result<Vec<Option<Seen>>, Error> {
    let dir = shard_on(storage.clone());
    let segment = dir.sealed_segment(1)?;
    let reader = reader_of(&dir);
    let ask = |event: &Seen| {
        let cluster = reader.cluster_of(&segment, &event.aggregate, event.position)?;
        Ok(cluster.map(|block| {
            let events = block.events();
            Seen::of(&events.event(events.row_at(event.position).unwrap()))
        }))
    };
    truth.iter().map(ask).collect()
}

/// The events of the first segment.
fn in_first(storage: &MemoryStorage, segment: &ClosedSegment) -> Vec<Seen> {
    let mut truth = read(storage).unwrap();
    truth.retain(|event| event.position < segment.sealed().next_position);
    truth
}

#[test]
fn clusters_hold_each_event_once_with_those_of_its_aggregate_together() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1)] {
        let storage = store(60, 40);
        let dir = shard_on(storage.clone());
        let segment = seal_clustered(&dir, 1, codec, SORT_BYTES);
        let truth = in_first(&storage, &segment);
        let found = ask(&storage, &truth).unwrap();
        assert!(found.iter().map(Option::as_ref).eq(truth.iter().map(Some)));
        assert_eq!(problems_of(&storage), []);
        let reader = reader_of(&dir);
        let mut places: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for event in &truth {
            let cluster = reader.cluster_of(&segment, &event.aggregate, event.position);
            let cluster = cluster.unwrap().unwrap();
            let keys = places.entry(cluster.head().place).or_default();
            keys.push(event.aggregate.clone());
        }
        assert_eq!(
            reader.blocks_read(),
            places.len() as u64,
            "each is read once"
        );
        assert!(places.len() > 2, "there are some");
        let nobody = reader.cluster_of(&segment, "nobody", 7).unwrap();
        assert!(nobody.is_none());
    }
}

#[test]
fn sorting_in_runs_gives_the_same_bytes() {
    let sealed = |sort_bytes| {
        let storage = store(40, 30);
        let segment = seal_clustered(&shard_on(storage.clone()), 1, Codec::Zstd(1), sort_bytes);
        assert!(segment.sealed().is_clustered());
        let files = storage.files();
        assert!(
            !files.iter().any(|name| name.ends_with(".new")),
            "{files:?}"
        );
        bytes_of(&storage, FIRST_SEGMENT)
    };
    let at_once = sealed(SORT_BYTES);
    for sort_bytes in [1, 10_000, 40_000] {
        assert!(sealed(sort_bytes) == at_once, "{sort_bytes}");
    }
}

/// The runs of a segment were as large as its events without compression: gigabytes.
#[test]
fn runs_take_less_than_the_events_before_compression() {
    let storage = store(40, 300);
    let runs = format!("{FIRST_SEGMENT}.runs.new");
    let largest = Cell::new(0);
    let go_on = || {
        let bytes = bytes_of(&storage, &runs).len() as u64;
        largest.set(bytes.max(largest.get()));
        true
    };
    let how = Rewriting {
        codec: Codec::None,
        clustered: true,
        sort_bytes: 1,
        fate: &|_, _| Fate::Kept,
        go_on: &go_on,
    };
    let segment = shard_on(storage.clone()).seal(1, &how).unwrap().unwrap();
    let (largest, raw) = (largest.get(), segment.sealed().raw_bytes);
    assert!(largest > raw / 10, "{largest} of {raw}");
    assert!(largest < raw * 3 / 4, "{largest} of {raw}");
}

#[test]
fn sealing_stops_where_it_is_told_to_and_leaves_nothing() {
    let storage = store(40, 30);
    let before = dump(&storage);
    let asked = Cell::new(0);
    // It is asked after each block, and at last when the clusters are written.
    let seal = |after: u32| {
        asked.set(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() <= after
        };
        let how = Rewriting {
            codec: Codec::None,
            clustered: true,
            sort_bytes: 1,
            fate: &|_, _| Fate::Kept,
            go_on: &go_on,
        };
        shard_on(storage.clone()).seal(1, &how).unwrap()
    };
    let mut after = 0;
    while seal(after).is_none() {
        assert!(dump(&storage) == before, "after {after}");
        after += 1;
    }
    assert!(after > 2);
}

/// Where the tables of clusters lie in the first segment.
fn tables(segment: &ClosedSegment) -> [std::ops::Range<usize>; 2] {
    [TableKind::Clusters, TableKind::ClusterDirectory].map(|kind| {
        let tables = &segment.sealed().tables;
        let table = tables.iter().find(|table| table.kind == kind).unwrap();
        table.place as usize..(table.place + table.length) as usize
    })
}

#[test]
fn c1_every_flipped_byte_of_clusters_is_found_and_changes_no_answer() {
    let storage = store(2, 12);
    let dir = shard_on(storage.clone());
    let segment = seal_clustered(&dir, 1, Codec::Zstd(1), SORT_BYTES);
    let truth = in_first(&storage, &segment);
    let everything = read(&storage).unwrap();
    let [clusters, directory] = tables(&segment);
    let mut random = fastrand::Rng::with_seed(11);
    for at in clusters.start..directory.end {
        for flip in [1 << random.u8(..8), random.u8(1..)] {
            let what = format!("byte {at}, {flip:#x}");
            let damaged = flipped(&storage, FIRST_SEGMENT, at, flip);
            let problems = problems_of(&damaged);
            assert_eq!(problems.len(), 1, "{what}: {problems:?}");
            assert!(read(&damaged).unwrap() == everything, "{what}");
            let found = ask(&damaged, &truth).unwrap();
            let is_so = found.iter().zip(&truth);
            let mut is_so =
                is_so.map(|(found, event)| found.as_ref().is_none_or(|one| one == event));
            assert!(is_so.all(|is_so| is_so), "{what}");
            if at % 97 == 0 {
                shard_on(damaged.clone()).repair().unwrap();
                assert_eq!(problems_of(&damaged), [], "{what}");
                let found = ask(&damaged, &truth).unwrap();
                assert!(found.iter().all(Option::is_some), "{what}: it is made anew");
            }
        }
    }
}

/// Puts the checksums of the cluster at `place`, of both tables and of the header right.
fn seal_all(bytes: &mut [u8], segment: &ClosedSegment, place: usize) {
    let [clusters, directory] = tables(segment);
    let cluster = &mut bytes[place..clusters.end];
    let field = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    let sections = u16::from_le_bytes(cluster[108..110].try_into().unwrap());
    let entries = (128..).step_by(24).take(usize::from(sections));
    let fit = cluster.len() - 24;
    for entry in entries.take_while(|entry| *entry <= fit) {
        let (start, length) = (field(cluster, entry + 16), field(cluster, entry + 4));
        if let Some(stored) = cluster.get(start..start.saturating_add(length)) {
            let checksum = eventcask_log::checksum(stored);
            cluster[entry + 12..entry + 16].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    if (128..=cluster.len()).contains(&field(cluster, 8)) {
        seal_head(cluster);
    }
    for (index, table) in segment.sealed().tables.iter().enumerate() {
        let range = match table.kind {
            TableKind::Clusters => clusters.clone(),
            TableKind::ClusterDirectory => directory.clone(),
            _ => continue,
        };
        let checksum = eventcask_log::checksum(&bytes[range]);
        bytes[256 + 32 * index + 4..][..4].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = eventcask_log::checksum(&bytes[128..4092]);
    bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
    seal_header(bytes);
}

#[test]
fn s1_changed_clusters_with_right_checksums_never_panic() {
    let storage = store(12, 40);
    let dir = shard_on(storage.clone());
    let segment = seal_clustered(&dir, 1, Codec::None, SORT_BYTES);
    let truth = in_first(&storage, &segment);
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    let [clusters, directory] = tables(&segment);
    let mut random = fastrand::Rng::with_seed(12);
    let mut found_out = 0;
    for round in 0..3_000 {
        let mut bytes = whole.clone();
        let at = match round % 3 {
            0 => random.usize(clusters.start..clusters.start + 600),
            1 => random.usize(clusters.clone()),
            _ => random.usize(directory.clone()),
        };
        let values = [0, 1, 0x7f, 0x80, 0xff, random.u8(..)];
        let value = values[random.usize(..values.len())];
        let end = (at + random.usize(1..5)).min(directory.end);
        bytes[at..end].fill(value);
        seal_all(&mut bytes, &segment, clusters.start);
        let changed = storage.copy();
        put_file(&changed, FIRST_SEGMENT, &bytes);
        match ask(&changed, &truth) {
            Ok(_) => (),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged),
        }
        if round % 5 == 0 && bytes != whole {
            found_out += usize::from(problems_of(&changed).len() == 1);
        }
    }
    assert!(
        found_out > 500,
        "the blocks tell another thing: {found_out}"
    );
}

#[test]
fn clusters_that_are_cut_off_are_damage() {
    let storage = store(12, 40);
    let segment = seal_clustered(&shard_on(storage.clone()), 1, Codec::None, SORT_BYTES);
    let truth = in_first(&storage, &segment);
    for place in tables(&segment).map(|range| range.start + range.len() / 2) {
        let cut = storage.copy();
        let file = cut.open(FIRST_SEGMENT, Open::Write).unwrap();
        file.set_len(place as u64).unwrap();
        assert!(!problems_of(&cut).is_empty());
        assert!(ask(&cut, &truth).unwrap().iter().any(Option::is_none));
    }
}
