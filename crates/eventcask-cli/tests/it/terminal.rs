//! What comes from files and command lines can not reach the terminal as a command to it.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::binary::{Place, segment};

/// All characters that a terminal may act upon, in one text. A field of JSON can hold them all.
fn hostile() -> String {
    let second_set: String = (0x7f..0xa0).filter_map(char::from_u32).collect();
    format!("{}{second_set}\u{9b}31m-end", first_set())
}

/// Those that JSON never holds as they are.
fn first_set() -> String {
    let controls: String = (0..0x20).filter_map(char::from_u32).collect();
    format!("key-{controls}\u{1b}[2J\u{1b}]0;owned\u{7}")
}

/// The same for arguments of a command, which can not hold a NUL.
fn argument() -> String {
    hostile().replace('\0', "")
}

/// Runs a command and looks at each character that it prints, beside the ends of lines.
fn check_quiet(place: &Place, code: i32, args: &[&str]) -> String {
    let said = place.run(args);
    assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
    for text in [&said.out, &said.err] {
        let loud = text.chars().find(|one| one.is_control() && *one != '\n');
        assert_eq!(loud, None, "{args:?}: {text:?}");
    }
    said.out + &said.err
}

/// A store in which everything that a file can name is hostile, and a view of it.
fn hostile_store() -> Place {
    let place = Place::new();
    let name = first_set();
    let row = |number: u32| json!({"key": name, "type": &name[..200.min(name.len())], "id": format!("{name}{number}"), "v": number});
    let file = place.file("rows.ndjson", format!("{}\n{}\n", row(1), row(2)));
    let source = argument();
    let fields = ["--aggregate", "key", "--type", "type", "--shards", "1"];
    let ingest = [&["ingest", &file, "--source", &source], &fields[..]].concat();
    check_quiet(&place, 0, &ingest);
    check_quiet(&place, 0, &[&ingest, &["--json"][..]].concat());
    let view = ["view", "create", "by-key", "--key", "key", "--agg", "count"];
    check_quiet(&place, 0, &view);
    place
}

#[test]
fn s6_events_and_views_are_printed_without_control_characters() {
    let place = hostile_store();
    for args in [
        &["export"][..],
        &["stats"],
        &["verify"],
        &["view", "list"],
        &["view", "get", "by-key", "--all"],
        &["view", "rebuild", "by-key"],
    ] {
        for json in [&[][..], &["--json"]] {
            let text = check_quiet(&place, 0, &[args, json].concat());
            let shows_key = matches!(args[0], "export") || args.contains(&"get");
            assert!(!shows_key || text.contains("key-"), "{args:?}: {text}");
        }
    }
}

#[test]
fn s6_files_are_inspected_without_control_characters() {
    let place = hostile_store();
    let field = first_set().replace('\0', "");
    let name = field.clone();
    let view = [
        "view", "create", "odd", "--key", &field, "--agg", "count", "--type", &name,
    ];
    check_quiet(&place, 0, &view);
    let store = place.path("store");
    let files = [
        segment(&store, 0),
        store.join("MANIFEST"),
        store.join("views/0001/definition"),
        store.join("views/0002/definition"),
        store.join("views/0001/0000.snapshot"),
    ];
    for file in files {
        let file = file.display().to_string();
        check_quiet(&place, 0, &["inspect", &file]);
        check_quiet(&place, 0, &["inspect", &file, "--json"]);
    }
    for json in [&[][..], &["--json"]] {
        check_quiet(&place, 0, &[&["view", "list"], json].concat());
        check_quiet(
            &place,
            0,
            &[&["view", "get", "odd", "--all"], json].concat(),
        );
    }
}

#[test]
fn s6_rows_that_are_refused_are_told_of_without_control_characters() {
    let place = Place::new();
    let name = hostile();
    let not_json = format!("{}\n", name.replace('\n', ""));
    let no_text = format!("{}\n", json!({"key": {"a": name}}));
    let long = format!("{}\n", json!({"key": name.repeat(30)}));
    for row in [not_json, no_text, long] {
        let file = place.file("rows.ndjson", row);
        check_quiet(&place, 2, &["ingest", &file, "--aggregate", "key"]);
        let skip = ["ingest", &file, "--aggregate", "key", "--on-error", "skip"];
        check_quiet(&place, 0, &skip);
        check_quiet(&place, 0, &[&skip[..], &["--json"]].concat());
    }
    let header = name.replace(['\n', '\r', '"'], "");
    let file = place.file("rows.csv", format!("{header},b\n1,2\n"));
    check_quiet(&place, 2, &["ingest", &file, "--aggregate", "key"]);
}

#[test]
fn s6_bad_arguments_are_told_of_without_control_characters() {
    let place = hostile_store();
    let name = argument();
    let agg = format!("sum:{name}");
    for args in [
        &[name.as_str()][..],
        &["read", "--from", &name],
        &["read", &name, &name],
        &["export", "--since", &name],
        &["export", &name],
        &["inspect", &name],
        &["ingest", &name, "--aggregate", "k"],
        &["ingest", "-", "--aggregate", "k", "--codec", &name],
        &["ingest", "-", "--aggregate", "k", "--on-error", &name],
        &["view", "create", &name, "--key", "k", "--agg", "count"],
        &["view", "create", "v", "--key", "k", "--agg", &name],
        &["view", "get", &name, "--all"],
        &["view", "get", "by-key", "--all", "--by", &agg],
        &["view", "drop", &name],
        &["view", "rebuild", &name],
        &["stats", "--store", &name],
        &["verify", "--store", &name],
    ] {
        check_quiet(&place, 2, args);
    }
    check_quiet(&place, 1, &["read", &name]);
    check_quiet(&place, 1, &["view", "get", "by-key", &name]);
}

#[test]
fn s6_names_of_files_of_rows_are_shown_without_control_characters() {
    let place = Place::new();
    let name = argument().replace('/', "");
    let name: String = name.chars().take(70).collect();
    let file = place.file(&format!("{name}.ndjson"), "{\"k\":1}\nno\n{\"k\":1}\n");
    for json in [&[][..], &["--json"]] {
        let ingest = [&["ingest", &file, "--aggregate", "k"], json].concat();
        check_quiet(&place, 2, &ingest);
        check_quiet(&place, 0, &[&ingest[..], &["--on-error", "skip"]].concat());
    }
    check_quiet(&place, 2, &["inspect", &file]);
    let store = place.path("store").join(&name).display().to_string();
    check_quiet(&place, 2, &["stats", "--store", &store]);
}

/// A store may be named by others as well.
#[test]
fn s6_names_of_stores_are_shown_without_control_characters() {
    let place = Place::new();
    let name = argument()
        .replace('/', "")
        .chars()
        .take(60)
        .collect::<String>();
    let store = place.path(&name).display().to_string();
    let file = place.file(&format!("{name}.ndjson"), "{\"k\":1}\nno\n{\"k\":1}\n");
    let at = |args: &[&str]| {
        let args = [args, &["--store", &store]].concat();
        args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>()
    };
    let check = |code, args: &[&str]| {
        for json in [&[][..], &["--json"]] {
            let args = at(&[args, json].concat());
            check_quiet(
                &place,
                code,
                &args.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    };
    check(2, &["ingest", &file, "--aggregate", "k", "--shards", "1"]);
    check(
        0,
        &["ingest", &file, "--aggregate", "k", "--on-error", "skip"],
    );
    check(0, &["stats"]);
    check(0, &["verify"]);
    check(1, &["read", "nobody"]);
    let path = segment(store.as_ref(), 0);
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[4096 + 100] ^= 1;
    std::fs::write(&path, bytes).expect("it can be written");
    check(1, &["verify"]);
    check(1, &["inspect", &path.display().to_string()]);
}

/// A store whose payloads, keys of a view and definition hold the second set of controls.
fn loud_store() -> (Place, String) {
    let place = Place::new();
    let loud: String = (0x7f..0xa0).filter_map(char::from_u32).collect();
    let loud = loud + TURNING;
    let row = format!("{{\"k\":1,\"text\":\"{loud}\"}}\n");
    let file = place.file("rows.ndjson", row);
    place.ok(&["ingest", &file, "--aggregate", "k", "--shards", "1"]);
    let view = ["view", "create", "v", "--key", "text", "--agg", "count"];
    place.ok(&[&view[..], &["--type", &loud]].concat());
    let view = ["view", "create", "w", "--key", "text", "--agg", "count"];
    place.ok(&view);
    (place, loud)
}

/// Characters that turn the direction of the text around them.
const TURNING: &str = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}";

/// What comes through a pipe may be shown by the next program, so control characters were let
/// through to the terminal all the same. They are escaped; the JSON says the same.
#[test]
fn s6_payloads_are_piped_without_control_characters() {
    let (place, loud) = loud_store();
    for args in [
        &["export"][..],
        &["read", "1"],
        &["view", "get", "w", "--all"],
        &["view", "get", "w", "--all", "--json"],
        &["diff", "1", "--from", "0"],
        &["diff", "1", "--from", "0", "--json"],
    ] {
        check_quiet(&place, 0, args);
    }
    assert!(place.ok(&["export"]).contains(TURNING), "else as stored");
    assert_eq!(place.payloads()["1"], [json!({"k": 1, "text": loud})]);
}

/// A terminal acts on them: there they are escaped, and the JSON says the same.
#[test]
fn s6_payloads_are_shown_at_a_terminal_without_control_characters() {
    let (place, loud) = loud_store();
    let definition = place.path("store/views/0001/definition");
    let definition = definition.display().to_string();
    for args in [
        &["export"][..],
        &["export", "--json"],
        &["read", "1"],
        &["view", "list", "--json"],
        &["view", "get", "w", "--all", "--json"],
        &["inspect", &definition],
        &["inspect", &definition, "--json"],
    ] {
        let Some(shown) = at_terminal(&place, args) else {
            return;
        };
        let acts = |one: &char| (one.is_control() && *one != '\n') || TURNING.contains(*one);
        assert_eq!(shown.chars().find(acts), None, "{args:?}: {shown:?}");
        assert!(shown.contains("\\u007f\\u0080"), "{args:?}: {shown}");
        assert!(shown.contains("\\u202e"), "{args:?}: {shown}");
        assert!(shown.contains("\\u009f"), "{args:?}: {shown}");
    }
    let shown = at_terminal(&place, &["export"]).expect("it was there before");
    let event: Value = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(event["payload"]["text"], loud);
}

/// What a command prints at a terminal; where there is no tool that makes one, it says so.
fn at_terminal(place: &Place, args: &[&str]) -> Option<String> {
    let command = place.command(args);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| format!("'{}'", word.display()));
    let line = quoted.collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]);
    script.env("EVENTCASK_STORE", place.path("store"));
    match script.stdin(Stdio::null()).output() {
        Err(error) => {
            println!("nothing was tried: there is no terminal to be had: {error}");
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{args:?}: {output:?}");
            let shown = String::from_utf8(output.stdout).expect("it is text");
            Some(shown.replace("\r\n", "\n"))
        }
    }
}
