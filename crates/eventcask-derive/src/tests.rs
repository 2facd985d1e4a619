//! What the macros refuse, and how they say it. They are asked as functions: to have a compiler
//! refuse a program takes seconds for each, and its words change from version to version.

use proc_macro2::TokenStream;

use crate::{event, event_set};

fn parse(text: &str) -> TokenStream {
    text.parse().expect("the text is made of tokens")
}

/// What is said of an event, where it is refused.
fn event_error(arguments: &str, item: &str) -> String {
    match event::try_expand(parse(arguments), parse(item)) {
        Ok(expanded) => panic!("it is an event: {expanded}"),
        Err(error) => error.to_string(),
    }
}

fn set_error(item: &str) -> String {
    match event_set::try_expand(parse(item)) {
        Ok(expanded) => panic!("it is a set: {expanded}"),
        Err(error) => error.to_string(),
    }
}

const OPENED: &str = "struct Opened { owner: String }";

#[test]
fn arguments_that_are_none_are_named() {
    let named = "an event begins with the name of its type, such as `#[event(\"account.opened\")]`";
    let version = "a schema version is a number from 1 on that 32 bits hold";
    let long = format!("{:?}", "x".repeat(256));
    for (arguments, expected) in [
        ("", named),
        ("version = 2", named),
        ("\"\"", "the name of an event type has at least one byte"),
        (&*long, "the name of an event type has 255 bytes at most"),
        ("\"$a\"", "names that begin with `$` are the engine's own"),
        ("\"a\", version = 0", version),
        ("\"a\", version = 4294967296", version),
        ("\"a\", version = 1, version = 2", "`version` is said twice"),
        (
            "\"a\", schema = 2",
            "`schema` is no argument of an event: there are `version`, `prev`, `encoding` \
             and `tags`",
        ),
        (
            "\"a\", encoding = avro",
            "`avro` is no encoding: there are `json` and `archive`",
        ),
        ("\"a\", tags = [email]", "`email` is no field of `Opened`"),
        ("\"a\", tags = [owner, owner]", "`owner` is a tag already"),
        ("\"a\" version = 2", "expected `,`"),
    ] {
        assert_eq!(event_error(arguments, OPENED), expected, "{arguments}");
    }
}

#[test]
fn items_that_are_no_events_are_named() {
    let generic = "an event has no type parameters and no lifetimes: it is stored as it is";
    for (item, expected) in [
        (
            "enum Opened { A }",
            "an event is a struct; several of them make a set: `#[derive(EventSet)]`",
        ),
        (
            "struct Opened(String);",
            "the fields of an event have names: they are what is stored",
        ),
        ("struct Opened<T> { owner: T }", generic),
        ("struct Opened<'a> { owner: &'a str }", generic),
        (
            "struct Opened { #[event(skip)] owner: String }",
            "a field has `#[event(plain)]`",
        ),
        (
            "struct Opened { #[cfg(unix)] owner: String }",
            "a field has no `#[cfg]`: what is stored does not depend on the build",
        ),
    ] {
        assert_eq!(event_error("\"a\"", item), expected, "{item}");
    }
    let plain = "struct Opened { #[event(plain)] owner: String }";
    assert_eq!(
        event_error("\"a\", encoding = archive", plain),
        "an archive has no plain fields: say `encoding = json`"
    );
}

#[test]
fn items_that_are_no_sets_are_named() {
    let variant = "a variant holds one event, such as `A(A)`";
    for (item, expected) in [
        (
            "struct Events;",
            "a set of events is an enum; a single event is a struct with `#[event]`",
        ),
        ("enum Events {}", "a set has at least one event"),
        ("enum Events { A }", variant),
        ("enum Events { A(A, B) }", variant),
        ("enum Events { A { a: A } }", variant),
        (
            "enum Events<T> { A(T) }",
            "a set of events has no type parameters and no lifetimes",
        ),
        (
            "#[event_set(retired = [B])] enum Events { A(A) }",
            "`retired` is no argument of a set: there is `upcast = [..]`",
        ),
    ] {
        assert_eq!(set_error(item), expected, "{item}");
    }
}

#[test]
fn a_struct_that_is_refused_is_left_as_it_is() {
    let expanded = event::expand(parse("\"\""), parse(OPENED)).to_string();
    assert!(
        expanded.starts_with(&parse(OPENED).to_string()),
        "{expanded}"
    );
    assert!(expanded.contains("compile_error"), "{expanded}");
}

/// An attribute that nobody takes off is an error of its own, which hides the one that matters.
#[test]
fn attributes_of_fields_are_taken_off_a_struct_that_is_refused() {
    let marked =
        "#[serde(default)] struct Opened { #[event(plain)] #[serde(default)] owner: String }";
    for arguments in ["\"\"", "\"a\", tags = [email]"] {
        let expanded = event::expand(parse(arguments), parse(marked)).to_string();
        assert!(
            expanded.starts_with(&parse(OPENED).to_string()),
            "{expanded}"
        );
        assert!(expanded.contains("compile_error"), "{expanded}");
    }
    let no_item = event::expand(parse("\"a\""), parse("fn opened() {}")).to_string();
    assert!(no_item.starts_with("fn opened"), "{no_item}");
}
