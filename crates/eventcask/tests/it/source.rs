//! Exactly once by how far a source was consumed.

use eventcask::{ErrorKind, SourceMark, Store};

use crate::support::{Bank, all, deposit};

/// Sends rows and returns how many were stored and how many were known.
fn send(store: &Store, rows: std::ops::Range<u64>) -> (u64, u64) {
    let mut producer = store.producer_from("file").expect("the source is free");
    for row in rows {
        let key = format!("account-{}", row % 7);
        producer
            .push_at(row, row * 3, &key, &deposit(&row.to_string()))
            .expect("taken");
    }
    let flushed = producer.flush().expect("open").wait().expect("stored");
    (flushed.stored, flushed.duplicates)
}

#[test]
fn rows_that_were_sent_before_are_stored_once() {
    let bank = Bank::new(4);
    let store = bank.open();
    assert_eq!(send(&store, 0..100), (100, 0));
    assert_eq!(send(&store, 0..150), (50, 100));
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(send(&store, 0..200), (50, 150));
    assert_eq!(all(&store).len(), 200);
}

#[test]
fn the_store_tells_where_a_source_goes_on() {
    let bank = Bank::new(1);
    let store = bank.open();
    assert_eq!(store.source_marks("file"), [None]);
    send(&store, 0..100);
    let mark = SourceMark {
        source: "file".to_owned(),
        next: 100,
        check: 297,
    };
    assert_eq!(store.source_marks("file"), [Some(mark.clone())]);
    assert_eq!(store.source_marks("other"), [None]);
    store.close().unwrap();
    assert_eq!(bank.open_read_only().source_marks("file"), [Some(mark)]);
}

#[test]
fn a_source_has_one_producer_at_a_time() {
    let store = Bank::new(1).open();
    let first = store.producer_from("file").unwrap();
    let second = store.producer_from("file").map(|_| ());
    assert_eq!(second.expect_err("in use").kind(), ErrorKind::InUse);
    drop(first);
    assert!(store.producer_from("file").is_ok());
}

#[test]
fn rows_out_of_order_and_without_a_source_are_refused() {
    let store = Bank::new(1).open();
    let mut producer = store.producer_from("file").unwrap();
    producer.push_at(5, 0, "a", &deposit("5")).unwrap();
    for offset in [5, 0, u64::MAX] {
        let refused = producer.push_at(offset, 0, "a", &deposit("x"));
        assert_eq!(
            refused.expect_err("out of order").kind(),
            ErrorKind::Invalid
        );
    }
    producer.push_at(6, 0, "a", &deposit("6")).unwrap();
    assert_eq!(producer.flush().unwrap().wait().unwrap().stored, 2);
    let refused = store.producer().push_at(0, 0, "a", &deposit("x"));
    assert_eq!(refused.expect_err("no source").kind(), ErrorKind::Invalid);
    assert_eq!(all(&store), ["a@1", "a@2"]);
}

#[test]
fn a_producer_of_a_source_appends_other_events_as_well() {
    let store = Bank::new(1).open();
    let mut producer = store.producer_from("file").unwrap();
    producer.push_at(0, 0, "a", &deposit("0")).unwrap();
    let ticket = producer
        .append("a", eventcask::Expected::Any, &[deposit("x")])
        .unwrap();
    producer.push_at(1, 0, "a", &deposit("1")).unwrap();
    producer.push("a", &deposit("y")).unwrap();
    assert_eq!(producer.flush().unwrap().wait().unwrap().stored, 3);
    assert_eq!(ticket.wait().unwrap().version(), Some(2));
    assert_eq!(all(&store).len(), 4);
}

/// Marks were read while rows of the producer before were on their way, so the next file under the
/// same name was taken for new. A producer waits for the one before it.
#[test]
fn the_next_producer_of_a_source_finds_all_that_the_one_before_handed_over() {
    let store = Bank::new(4).open();
    for round in 1..=50 {
        let mut producer = store.producer_from("file").unwrap();
        let marks = store.source_marks("file");
        let next = marks.iter().flatten().map(|mark| mark.next).max();
        assert_eq!(next.unwrap_or(0), (round - 1) * 20);
        for row in (round - 1) * 20..round * 20 {
            let key = format!("account-{row}");
            producer.push_at(row, row, &key, &deposit("1")).unwrap();
        }
        // Nobody waits for this flush, and the drop flushes what came after it.
        let _ = producer.flush().unwrap();
    }
    store.flush().unwrap();
    assert_eq!(all(&store).len(), 1000);
}
