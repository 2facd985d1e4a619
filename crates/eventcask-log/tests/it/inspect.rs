//! One file of a store by itself.

use std::fs;
use std::path::Path;

use eventcask_log::{
    Error, ErrorKind, FileStorage, Framed, FramedKind, Inspection, Manifest, SegmentInspection,
    inspect,
};

use crate::support::{FIRST_SEGMENT, SECOND_SEGMENT, STORE, Writer, damage, deposits, seal_header};

fn store(root: &Path) {
    let storage = FileStorage::new(root);
    let mut writer = Writer::new(&storage);
    for seed in 0..4 {
        if seed == 2 {
            writer.roll();
        }
        writer.append(&deposits(seed, 5));
    }
    writer.close();
    let framed = Framed {
        store: STORE,
        kind: FramedKind::ViewDefinition,
        shard: 0,
        progress: 0,
        definition: 0,
        body: b"{}".to_vec(),
    };
    framed.write(&storage, "", "definition").unwrap();
}

fn segment(result: Result<Inspection, Error>) -> SegmentInspection {
    match result.unwrap() {
        Inspection::Segment(segment) => segment,
        other => panic!("{other:?} is no segment"),
    }
}

#[test]
fn each_kind_of_file_is_known_by_its_bytes_and_not_by_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    store(root);
    for name in ["MANIFEST", "definition", SECOND_SEGMENT] {
        fs::copy(root.join(name), root.join("any name")).unwrap();
        match inspect(&root.join("any name")).unwrap() {
            Inspection::Manifest(manifest) => {
                assert_eq!(manifest, Manifest::new(STORE, 1, 0).unwrap());
            }
            Inspection::Framed(framed) => assert_eq!(framed.body, b"{}"),
            Inspection::Segment(segment) => {
                assert_eq!((segment.store, segment.shard), (STORE, 0));
                assert_eq!(segment.header.number, 2);
                assert_eq!(segment.header.first_position, 10);
                let rows: Vec<u32> = segment.blocks.iter().map(|head| head.rows).collect();
                assert_eq!(rows, [5, 5, 0]);
                assert!(segment.blocks[2].close);
                assert_eq!(segment.problem, None);
            }
            other => panic!("{name} is not {other:?}"),
        }
    }
}

#[test]
fn a_segment_is_shown_up_to_its_damage() {
    let scratch = tempfile::tempdir().unwrap();
    store(scratch.path());
    let path = scratch.path().join(FIRST_SEGMENT);
    let second = segment(inspect(&path)).blocks[1].place;
    let whole = fs::read(&path).unwrap();
    for at in second as usize..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let shown = segment(inspect(&path));
        assert_eq!(shown.blocks.len(), 1, "byte {at}");
        let problem = shown.problem.unwrap();
        assert_eq!(
            (problem.file, problem.place),
            (path.display().to_string(), second)
        );
    }
    fs::write(&path, &whole[..4000]).unwrap();
    damage(inspect(&path));
}

#[test]
fn s1_a_file_that_is_none_of_ours_is_said_to_be_that() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    for bytes in [&b""[..], b"ECASK", b"ECASKBLK and more", &[0; 9000]] {
        fs::write(&path, bytes).unwrap();
        let error = inspect(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAStore, "{bytes:?}");
    }
    for path in [Path::new("/"), Path::new(""), scratch.path()] {
        assert!(inspect(path).is_err(), "{}", path.display());
    }
}

#[test]
fn s1_a_file_that_ends_anywhere_is_damaged_and_no_more() {
    let scratch = tempfile::tempdir().unwrap();
    store(scratch.path());
    let path = scratch.path().join("cut");
    for name in ["MANIFEST", "definition"] {
        let whole = fs::read(scratch.path().join(name)).unwrap();
        for length in 8..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            damage(inspect(&path));
        }
    }
}

#[test]
fn s11_a_file_of_a_newer_or_an_older_format_is_said_to_be_that() {
    let scratch = tempfile::tempdir().unwrap();
    store(scratch.path());
    for name in ["MANIFEST", "definition", FIRST_SEGMENT] {
        let path = scratch.path().join(name);
        let mut other = fs::read(&path).unwrap();
        for (version, kind) in [(3, ErrorKind::NewerFormat), (1, ErrorKind::OlderFormat)] {
            other[8] = version;
            seal_header(&mut other);
            fs::write(&path, &other).unwrap();
            assert_eq!(inspect(&path).unwrap_err().kind(), kind, "{name}");
        }
    }
}
