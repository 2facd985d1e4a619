//! Something else in the place of our files: refused, and what it leads to is left alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::{Place, after, said_in_time, segment, tree};

const PRECIOUS: &str = "nobody may write to this";

fn with_view() -> Place {
    let place = Place::new();
    let file = place.file("rows.ndjson", "{\"k\":1}\n{\"k\":2}\n{\"k\":3}\n");
    place.ok(&["ingest", &file, "--aggregate", "k", "--shards", "1"]);
    place.ok(&["view", "create", "v", "--key", "k", "--agg", "count"]);
    place
}

/// What stands in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Link,
    LinkToNothing,
    Directory,
    Pipe,
    Device,
}

const OTHERS: [Other; 5] = [
    Other::Link,
    Other::LinkToNothing,
    Other::Directory,
    Other::Pipe,
    Other::Device,
];

impl Other {
    /// Puts it there; the file itself, if there is one, goes aside.
    fn put(self, place: &Place, path: &Path) {
        if path.exists() {
            fs::rename(path, place.path("aside")).expect("it can be moved");
        }
        let shown = path.to_str().expect("it is text");
        match self {
            Self::Link => {
                let precious = place.file("precious", PRECIOUS);
                symlink(precious, path).expect("it can be made");
            }
            Self::LinkToNothing => symlink(place.path("nothing"), path).expect("it can be made"),
            Self::Directory => {
                fs::create_dir(path).expect("it can be made");
                fs::write(path.join("letter"), PRECIOUS).expect("it can be written");
            }
            Self::Pipe => run("mkfifo", &[shown]),
            // Only root can make a device; for others a pipe has to do.
            Self::Device => {
                let made = Command::new("mknod").args([shown, "c", "1", "5"]).output();
                if !made.is_ok_and(|made| made.status.success()) {
                    run("mkfifo", &[shown]);
                }
            }
        }
    }

    /// What it leads to is as it was.
    fn check(self, place: &Place) {
        if self == Self::Link {
            let precious = fs::read_to_string(place.path("precious"));
            assert_eq!(precious.expect("it is there"), PRECIOUS);
        }
        assert!(!place.path("nothing").exists());
    }
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status();
    assert!(status.expect("it runs").success());
}

/// Commands that read.
const READERS: [&[&str]; 4] = [
    &["export"],
    &["stats"],
    &["verify"],
    &["view", "get", "v", "--all"],
];

/// Commands that write.
const WRITERS: [&[&str]; 3] = [
    &["view", "rebuild", "v"],
    &["ingest", "MORE", "--aggregate", "k"],
    &["view", "create", "w", "--key", "k", "--agg", "count"],
];

/// Runs all commands with something else in the place of a file; `refuses` says which of them
/// have to refuse that.
fn check_in_place_of(file: &str, refuses: impl Fn(&[&str]) -> bool) {
    let commands = [&READERS[..], &WRITERS[..]].concat();
    check_commands(&commands, file, refuses);
}

fn check_commands(commands: &[&[&str]], file: &str, refuses: impl Fn(&[&str]) -> bool) {
    let store = with_view();
    for other in OTHERS {
        for args in commands {
            let place = store.copy();
            let more = place.file("more.ndjson", "{\"k\":4}\n");
            other.put(&place, &place.path("store").join(file));
            let args: Vec<_> = args
                .iter()
                .map(|&arg| if arg == "MORE" { &more } else { arg })
                .collect();
            let said = said_in_time(place.command(&args));
            other.check(&place);
            let is_error = matches!(said.code, Some(1..=3)) && said.err.starts_with("eventcask: ");
            let is_done = said.code == Some(0) && !refuses(&args);
            assert!(is_error || is_done, "{file}, {other:?}, {args:?}: {said:?}");
            check_restored(&place, file);
        }
    }
}

/// With the file back in its place all is well.
fn check_restored(place: &Place, file: &str) {
    let path = place.path("store").join(file);
    let aside = place.path("aside");
    if aside.exists() {
        // What is no snapshot goes, and one is made again once its view is asked for.
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path).expect("it can be removed");
        } else if path.is_symlink() || path.exists() {
            fs::remove_file(&path).expect("it can be removed");
        }
        fs::rename(aside, &path).expect("it can be moved");
    } else if path.is_symlink() || path.exists() {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
    let report = place.json(&["verify"]);
    assert_eq!(report["ok"], true, "{file}: {report}");
    assert!(place.export(&[]).len() >= 3);
}

#[test]
fn s7_no_other_thing_is_taken_for_the_manifest() {
    check_in_place_of("MANIFEST", |_| true);
}

#[test]
fn s7_no_other_thing_is_taken_for_a_segment() {
    check_in_place_of("shards/0000/0000000001.segment", |_| true);
}

#[test]
fn s7_no_other_thing_is_taken_for_the_definition_of_a_view() {
    check_in_place_of("views/0001/definition", |args| args[0] == "view");
}

/// A snapshot can always be made again; the note in LOCK is for people.
#[test]
fn s7_nothing_is_written_through_what_stands_for_a_snapshot_or_the_lock() {
    check_in_place_of("views/0001/0000.snapshot", |_| false);
    check_in_place_of("LOCK", |_| false);
}

/// Files are written beside those that they replace; those names may be taken as well.
#[test]
fn s7_nothing_is_written_through_what_stands_for_a_file_to_be() {
    for file in [
        "MANIFEST.new",
        "views/0001/0000.snapshot.new",
        "views/0001/definition.new",
        "views/0002",
        "shards/0000/0000000002.segment",
        "shards/0000/0000000002.segment.new",
    ] {
        check_commands(&WRITERS, file, |_| false);
    }
}

/// Links in place of directories were followed, read and written through.
#[test]
fn s7_a_link_in_place_of_a_directory_is_refused_by_all_who_need_it() {
    let store = with_view();
    for (dir, needs) in [
        ("shards", ""),
        ("shards/0000", ""),
        ("views", "view"),
        ("views/0001", "view"),
    ] {
        for args in [&READERS[..], &WRITERS[..]].concat() {
            let place = store.copy();
            let more = place.file("more.ndjson", "{\"k\":4}\n");
            let (path, aside) = (place.path("store").join(dir), place.path("aside"));
            fs::rename(&path, &aside).expect("it can be moved");
            symlink(&aside, &path).expect("it can be made");
            let before = tree(&aside);
            let args: Vec<_> = args
                .iter()
                .map(|&arg| if arg == "MORE" { &more } else { arg })
                .collect();
            let said = said_in_time(place.command(&args));
            assert_eq!(tree(&aside), before, "{dir}, {args:?}");
            if args[0].starts_with(needs) {
                assert_eq!(said.code, Some(3), "{dir}, {args:?}: {said:?}");
                assert!(said.err.contains("is a link, not a directory"), "{said:?}");
            }
        }
    }
}

/// A new store in a directory where somebody was before.
#[test]
fn s7_a_store_is_not_made_through_links() {
    for file in [
        "MANIFEST",
        "MANIFEST.new",
        "LOCK",
        "shards",
        "shards/0000/0000000001.segment.new",
    ] {
        for other in OTHERS {
            let place = Place::new();
            let path = place.path("store").join(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            other.put(&place, &path);
            let more = place.file("more.ndjson", "{\"k\":4}\n");
            let args = ["ingest", &more, "--aggregate", "k", "--shards", "1"];
            let said = said_in_time(place.command(&args));
            other.check(&place);
            assert!(
                said.code.is_some_and(|code| code < 4),
                "{file}, {other:?}: {said:?}"
            );
        }
    }
}

/// The umask of the user does not open the store to others, nor do the commands that write.
#[test]
fn s7_files_are_for_the_owner_alone_whatever_the_umask() {
    for umask in ["0", "0222"] {
        let place = Place::new();
        let file = place.file("rows.ndjson", "{\"k\":1}\n{\"k\":2}\n");
        for args in [
            &["ingest", file.as_str(), "--aggregate", "k", "--shards", "2"][..],
            &["view", "create", "v", "--key", "k", "--agg", "count"],
            &["view", "rebuild", "v"],
        ] {
            let line = format!("umask {umask}");
            let said = said_in_time(after(&line, &place.command(args)));
            // Without the right to write, even the owner may fail; root does not.
            assert!(said.code == Some(0) || umask != "0", "{args:?}: {said:?}");
        }
        check_modes(&place.path("store"), umask == "0");
    }
}

fn check_modes(store: &Path, exact: bool) {
    let all = tree(store);
    let files: Vec<&PathBuf> = all.keys().filter(|path| path.is_file()).collect();
    assert!(!exact || files.len() >= 6, "{files:?}");
    for path in all.keys() {
        let mode = fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777;
        let most = if path.is_dir() { 0o700 } else { 0o600 };
        let fits = if exact {
            mode == most
        } else {
            mode & !most == 0
        };
        assert!(fits, "{}: {mode:o}", path.display());
    }
}

/// What is set aside of a torn end holds events as well.
#[test]
fn s7_what_is_set_aside_is_for_the_owner_alone() {
    let place = with_view();
    let path = segment(&place.path("store"), 0);
    let bytes = fs::read(&path).expect("it is there");
    fs::write(&path, &bytes[..bytes.len() - 10]).expect("it can be written");
    // One that was not closed: of one that was, the missing end would be told.
    fs::remove_file(place.path("store").join("ENDS")).expect("it is there");
    let more = place.file("more.ndjson", "{\"k\":4}\n");
    let command = place.command(&["ingest", &more, "--aggregate", "k"]);
    assert_eq!(said_in_time(after("umask 0", &command)).code, Some(0));
    let names = tree(&place.path("store")).into_keys();
    assert!(
        names
            .filter(|path| path.display().to_string().contains(".cut-"))
            .count()
            == 1
    );
    check_modes(&place.path("store"), true);
}
