//! Errors are sentences for people and kinds for programs: all of them, in one table.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventcask::event::Invalid;
use eventcask::stats::Named;
use eventcask::{Error, ErrorKind, Expected, Place, ViewSpec};

use crate::support::{Bank, deposit, id, put};

/// The error, its kind, whether the same call may succeed later, and what its sentence has to say.
type Row = (
    &'static str,
    Error,
    ErrorKind,
    bool,
    &'static [&'static str],
);

/// Rows of the variant, its kind, whether the same call may succeed later, and what the sentence
/// says; behind each its error.
macro_rules! rows {
    ($($name:literal, $kind:expr, $retry:literal, $says:expr; $error:expr;)*) => {
        vec![$(($name, $error, $kind, $retry, $says)),*]
    };
}

fn text(text: &str) -> Arc<str> {
    text.into()
}

fn of_appends() -> Vec<Row> {
    let (key, name) = (|| "account-1".to_owned(), || "teller".to_owned());
    let conflict = Error::Conflict {
        key: key(),
        expected: Expected::Exact(2),
        actual: 5,
        missed_from: 3,
    };
    let other = Error::OtherShard {
        key: key(),
        shard: 3,
    };
    let gap = Error::SourceGap {
        source_name: name(),
        next: 7,
    };
    let full = text("could not write SEGMENT: no space left; free some space and try again");
    let known = vec![id(7)];
    let conflicts = vec![conflict.clone()];
    let keys = vec![(key(), 0), (name(), 3)];
    rows![
        "Invalid", ErrorKind::Invalid, false, &[";"];
            Invalid::NoSource.into();
        "Conflict", ErrorKind::Conflict, false, &["\"account-1\"", "5", "2", "from version 3"];
            conflict;
        "Conflicts", ErrorKind::Conflict, false, &["\"account-1\"", "from version 3"];
            Error::Conflicts { conflicts };
        "SeveralShards", ErrorKind::Invalid, false, &["\"account-1\" in shard 0", "one aggregate at a time"];
            Error::SeveralShards { keys };
        "IdConflict", ErrorKind::IdConflict, false, &["id", "give each event"];
            Error::IdConflict { id: id(7) };
        "PartlyKnown", ErrorKind::IdConflict, false, &["stored already"];
            Error::PartlyKnown { known };
        "SourceGap", ErrorKind::Invalid, false, &["\"teller\"", "7", "begin again"];
            gap;
        "StorageFull", ErrorKind::StorageFull, true, &["free some space"];
            Error::StorageFull(full);
        "Poisoned", ErrorKind::Poisoned, false, &["no sync", "open it again"];
            Error::Poisoned(text("no sync"));
        "Damaged", ErrorKind::Damaged, false, &["SEGMENT"];
            Error::Damaged(text("SEGMENT is damaged"));
        "Closed", ErrorKind::Closed, false, &["the store is closed"];
            Error::Closed;
        "Full", ErrorKind::Full, true, &["shard 3", "try again"];
            Error::Full { shard: 3 };
        "OtherShard", ErrorKind::Invalid, false, &["\"account-1\"", "shard 3"];
            other;
        "Owned", ErrorKind::InUse, false, &["drop all of them"];
            Error::Owned;
        "InUse", ErrorKind::InUse, false, &["\"teller\"", "one producer at a time"];
            Error::InUse { what: Named::Source, name: name() };
    ]
}

fn of_followers() -> Vec<Row> {
    let name = || "mailer".to_owned();
    let reason = || "it panicked".to_owned();
    let place = Place::new(1, 7);
    let behind = Error::Behind {
        name: name(),
        place,
        progress: 5,
    };
    let stopped = |what, shard| Error::Stopped {
        what,
        name: name(),
        shard,
        reason: reason(),
    };
    let named = |what| Error::NotFound { what, name: name() };
    let taken = |what| Error::InUse { what, name: name() };
    let parked = Error::TooManyParked {
        name: name(),
        parked: 10_000,
    };
    let bad = Error::BadName {
        what: Named::View,
        name: "a b".to_owned(),
    };
    let spec = ViewSpec::new("", &["sum"], None, None).unwrap_err();
    rows![
        "Spec", ErrorKind::Invalid, false, &["path of a field"];
            spec.into();
        "BadName", ErrorKind::Invalid, false, &["\"a b\" can not name a view", "1 to 64 letters"];
            bad;
        "Unsupported", ErrorKind::Invalid, false, &["until"];
            Error::Unsupported("until");
        "NotFound", ErrorKind::NotFound, false, &["no view named \"mailer\"", "view list"];
            named(Named::View);
        "NotFound", ErrorKind::NotFound, false, &["no aggregate \"mailer\""];
            named(Named::Aggregate);
        "NotFound", ErrorKind::NotFound, false, &["no shard", "Store::shards()"];
            named(Named::Shard);
        "InUse", ErrorKind::InUse, false, &["view \"mailer\"", "drop it first"];
            taken(Named::View);
        "InUse", ErrorKind::InUse, false, &["subscription \"mailer\"", "drop"];
            taken(Named::Subscription);
        "InUse", ErrorKind::InUse, false, &["read model \"mailer\"", "stop its runner"];
            taken(Named::ReadModel);
        "InUse", ErrorKind::InUse, false, &["projection \"mailer\"", "drop them"];
            taken(Named::Projection);
        "Stopped", ErrorKind::Stopped, false, &["\"mailer\" has stopped in shard 1", "it panicked", "rebuild it"];
            stopped(Named::Projection, Some(1));
        "Stopped", ErrorKind::Stopped, false, &["\"mailer\" has stopped: it panicked", "mend it"];
            stopped(Named::ReadModel, None);
        "TooManyParked", ErrorKind::Parked, false, &["10000", "\"mailer\"", "redrive or skip"];
            parked;
        "Behind", ErrorKind::Behind, true, &["\"mailer\"", "position 7 of shard 1", "wait longer"];
            behind;
    ]
}

/// The one that is left comes from the disk.
fn of_the_log() -> Row {
    let empty = tempfile::tempdir().unwrap();
    let options = eventcask::Store::options().create(false);
    let error = options.open(empty.path()).unwrap_err();
    (
        "Storage",
        error,
        ErrorKind::NotAStore,
        false,
        &["event store"],
    )
}

#[test]
fn each_error_is_a_sentence_with_a_kind() {
    let rows = of_appends().into_iter().chain(of_followers());
    let mut met = BTreeSet::new();
    for (variant, error, kind, is_retryable, parts) in rows.chain([of_the_log()]) {
        let sentence = error.to_string();
        assert!(format!("{error:?}").starts_with(variant), "{error:?}");
        assert_eq!(error.kind(), kind, "{sentence}");
        assert_eq!(error.is_retryable(), is_retryable, "{sentence}");
        for part in parts {
            assert!(
                sentence.contains(part),
                "{sentence:?} says nothing of {part:?}"
            );
        }
        met.insert(variant);
    }
    assert_eq!(met, variants(), "the table has all of them");
}

/// The variants that the source lists.
fn variants() -> BTreeSet<&'static str> {
    let source = include_str!("../../src/error.rs");
    let (_, listed) = source.split_once("pub enum Error {\n").unwrap();
    let (listed, _) = listed.split_once("\n}\n").unwrap();
    let names = listed.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let is_name = |letter: char| letter.is_ascii_alphanumeric();
    names
        .filter_map(|line| line.split(|letter| !is_name(letter)).next())
        .collect()
}

/// An append was refused by `Error::AppendError(AppendError::Conflict { .. })`, and its ticket by
/// `AppendError::Conflict { .. }`: two types, at two depths. Both are `eventcask::Error` now.
#[test]
fn a_conflict_says_from_where_a_retry_reads() {
    let store = Bank::new(1).open();
    for _ in 0..5 {
        put(&store, "a", "{}");
    }
    let mut producer = store.producer();
    let mut retry = |expected| -> Result<u64, Error> {
        let ticket = producer.append("a", expected, &[deposit("1")])?;
        Ok(ticket.wait()?.place().position)
    };
    let read_from = |error| match error {
        Error::Conflict { missed_from, .. } => missed_from,
        other => panic!("{other}"),
    };
    assert_eq!(read_from(retry(Expected::Exact(2)).unwrap_err()), 3);
    assert_eq!(read_from(retry(Expected::NoStream).unwrap_err()), 1);
    // A version that never was: it said to read from there on, where there is nothing.
    assert_eq!(read_from(retry(Expected::Exact(9)).unwrap_err()), 1);
    let missed = store.aggregate("a").from_version(3).events().unwrap();
    assert_eq!(missed.count(), 3);
    assert_eq!(retry(Expected::Exact(5)), Ok(5));
}

/// "and no events was expected", it said.
#[test]
fn a_conflict_is_a_sentence_whatever_was_expected() {
    let bank = Bank::new(1);
    let store = bank.open();
    put(&store, "a", "{}");
    let said = |key, expected| {
        let ticket = store.producer().append(key, expected, &[deposit("{}")]);
        let conflict = ticket.unwrap().wait().expect_err("it is not so");
        conflict.to_string()
    };
    let again = |from| format!("; read it again from version {from} and decide anew");
    assert_eq!(
        said("a", Expected::NoStream),
        format!(
            "aggregate \"a\" has version 1, and no events were expected{}",
            again(1)
        )
    );
    assert_eq!(
        said("a", Expected::Exact(7)),
        format!(
            "aggregate \"a\" has version 1, and version 7 was expected{}",
            again(1)
        )
    );
    assert_eq!(
        said("b", Expected::Exists),
        format!(
            "aggregate \"b\" has no events, and at least one event was expected{}",
            again(1)
        )
    );
}
