//! The files in `fuzz/corpus`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eventcask_fuzz::corpus::{REFUSED, entries};
use eventcask_fuzz::{MAX_INPUT_BYTES, TARGETS, run_both, target};

fn path_of(target: &str, name: &str) -> PathBuf {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    corpus.join(target).join(name)
}

/// All files, with the names of their targets.
fn files() -> BTreeSet<(String, String)> {
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).expect("the corpus is there");
        let entries = entries.map(|entry| entry.expect("a folder can be listed"));
        entries
            .map(|entry| entry.file_name().into_string().expect("names are texts"))
            .collect()
    };
    let corpus = path_of("", "");
    let targets = names(&corpus).into_iter();
    let in_target = |target: String| {
        let files = names(&corpus.join(&target)).into_iter();
        files
            .map(move |name| (target.clone(), name))
            .collect::<Vec<_>>()
    };
    targets.flat_map(in_target).collect()
}

#[test]
fn the_files_are_what_the_encoders_write() {
    let entries = entries();
    let written = entries
        .iter()
        .map(|entry| (entry.target.to_owned(), entry.name.to_owned()));
    let again = "write them anew: cargo run -p eventcask-fuzz --example corpus";
    assert_eq!(files(), written.collect(), "{again}");
    for entry in &entries {
        let bytes = fs::read(path_of(entry.target, entry.name)).unwrap();
        assert!(
            bytes == entry.bytes,
            "{} {} differs; {again}",
            entry.target,
            entry.name
        );
    }
}

#[test]
fn every_file_is_decoded_or_refused_as_its_name_says() {
    for (target_name, name) in files() {
        let bytes = fs::read(path_of(&target_name, &name)).unwrap();
        let target = target(&target_name).expect("a folder is named after its target");
        let taken = (target.run)(&bytes);
        assert_eq!(taken, !name.starts_with(REFUSED), "{target_name} {name}");
    }
}

#[test]
fn every_file_in_every_target_ends_well() {
    for (from, name) in files() {
        let bytes = fs::read(path_of(&from, &name)).unwrap();
        for target in TARGETS {
            run_both(target.name, &bytes);
        }
    }
}

#[test]
fn every_target_has_files_and_all_are_small() {
    let files = files();
    for target in TARGETS {
        assert!(
            files.iter().any(|(of, _)| of == target.name),
            "{}",
            target.name
        );
    }
    let size = |(target, name): &(String, String)| {
        usize::try_from(fs::metadata(path_of(target, name)).unwrap().len()).unwrap()
    };
    let sizes: Vec<usize> = files.iter().map(size).collect();
    assert!(sizes.iter().all(|bytes| *bytes < MAX_INPUT_BYTES / 4));
    assert!(
        sizes.iter().sum::<usize>() < 300 << 10,
        "the corpus stays small"
    );
}

/// Each target has a binary for libFuzzer, which runs the function of the same name.
#[test]
fn every_target_can_be_run_by_libfuzzer() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        let code = fs::read_to_string(fuzz.join(&path)).unwrap();
        assert!(
            code.contains(&format!("run_both(\"{}\", bytes)", target.name)),
            "{path}"
        );
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{path}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
