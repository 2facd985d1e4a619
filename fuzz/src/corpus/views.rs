//! Views: definitions, states and payloads.

use std::sync::Arc;

use eventcask_log::{Block, Framed, FramedKind, MemoryStorage, Payloads};
use eventcask_project::{Batch, ViewSpec, ViewState};

use super::log::{FIRST_STORE, Log, Row};
use super::{Entry, entry};
use crate::repair::STORE;
use crate::targets::stage;

/// A definition with each kind of aggregation, and with windows.
pub(crate) const SPEC: &str = r#"{"key":"at.airport","type":"Flight","window":"1h:time","aggregations":["count","count:delay","sum:delay","min:delay","max:delay","mean:delay"]}"#;
const PLAIN: &str = r#"{"key":"carrier","aggregations":["count"]}"#;
const NESTED: &str =
    r#"{"key":"a.b.c","type":"T","aggregations":["max:a.b.d","min:a.b","sum:x.y"]}"#;

const FLIGHTS: &[&str] = &[
    r#"{"at":{"airport":"JFK"},"time":"2013-01-01T10:00:00Z","delay":-3,"carrier":"UA"}"#,
    r#"{"at":{"airport":"LGA"},"time":1357034400,"delay":11.25,"carrier":"B6"}"#,
    r#"{"at":{"airport":"JFK","gate":[1,{"x":null}]},"time":"2013-01-01T10:59:59.5+01:00","delay":1e30,"carrier":"UA"}"#,
    r#"{"at":{"airport":7},"time":1357034400000,"delay":null,"carrier":true}"#,
    r#"{"at":{"airport":"\u00e9\n"},"time":"2013-01-02T00:00:00Z","delay":0.00000000000000000000000000000000000001,"carrier":"\"A\""}"#,
];

/// The definition that targets use where the input has none.
pub(crate) fn spec() -> ViewSpec {
    ViewSpec::from_json(SPEC).expect("the definition is right")
}

/// The text of a definition as a store keeps it.
pub(crate) fn definition() -> String {
    format!(r#"{{"name":"delays","spec":{SPEC}}}"#)
}

pub(crate) fn definition_file() -> Vec<u8> {
    file_of(FramedKind::ViewDefinition, 0, definition().into_bytes())
}

/// A segment with flights that the view of [`definition`] counts.
pub(crate) fn segment_for_views() -> Vec<u8> {
    let mut log = Log::new();
    for flights in FLIGHTS.chunks(3) {
        let rows = flights
            .iter()
            .map(|flight| Row::new("N14228", "Flight", flight));
        log.append(&rows.collect::<Vec<_>>());
    }
    log.segment()
}

/// The state of a view after all flights.
fn state_of(spec: &str) -> Vec<u8> {
    let spec = ViewSpec::from_json(spec).expect("the definition is right");
    let mut state = ViewState::new(Arc::new(spec));
    let (_, dir) = stage::store_of(&segment_for_views());
    let verified = dir.verify(&|| false, &mut Vec::new(), &mut |head, bytes, _| {
        let block = Block::decode(head.clone(), bytes, Payloads::All)?;
        state.apply(&Batch::new(block.events(), 0, false));
        Ok(())
    });
    verified.expect("memory can be read");
    state.encode()
}

fn file_of(kind: FramedKind, progress: u64, body: Vec<u8>) -> Vec<u8> {
    let definition = match kind {
        FramedKind::ViewState => Framed::checksum(definition().as_bytes()),
        // Nothing of these is made here but what stands alone.
        _ => 0,
    };
    let framed = Framed {
        store: STORE,
        kind,
        shard: 0,
        progress,
        definition,
        body,
    };
    let storage = MemoryStorage::default();
    framed
        .write(&storage, "", "file")
        .expect("memory can be written");
    stage::bytes_of(&storage, "file")
}

/// What a store knows of the one before: two shards of it, and how far they had consumed a source.
fn origin(source: &str) -> Vec<u8> {
    let mut body = vec![1, 1];
    body.extend(FIRST_STORE.to_le_bytes());
    body.extend(1_u32.to_le_bytes());
    body.extend([2_u64.to_le_bytes(), (-1_i64).to_le_bytes()].concat());
    for (shard, next) in [(0_u32, 12_u64), (1, u64::MAX)] {
        body.extend([2_u32, 2, shard].map(u32::to_le_bytes).concat());
        body.extend([next, 7].map(u64::to_le_bytes).concat());
        body.extend((source.len() as u16).to_le_bytes());
        body.extend(source.as_bytes());
    }
    body
}

pub(super) fn entries() -> Vec<Entry> {
    let other = format!(r#"{{"name":"x","spec":{PLAIN}}}"#).into_bytes();
    let state = |progress, body| file_of(FramedKind::ViewState, progress, body);
    let empty = ViewState::new(Arc::new(spec())).encode();
    let lines = |rows: &[&str]| rows.join("\n").into_bytes();
    vec![
        entry("framed", "definition", definition_file()),
        entry(
            "framed",
            "other-definition",
            file_of(FramedKind::ViewDefinition, 0, other),
        ),
        entry(
            "framed",
            "snapshot",
            state(FLIGHTS.len() as u64, state_of(SPEC)),
        ),
        entry("framed", "empty-snapshot", state(0, empty.clone())),
        entry(
            "framed",
            "body-of-no-use",
            state(1, b"not a state".to_vec()),
        ),
        entry(
            "framed",
            "origin",
            file_of(FramedKind::Origin, 0, origin("flights-2013.csv")),
        ),
        entry(
            "framed",
            "refused-origin-without-a-name",
            file_of(FramedKind::Origin, 0, origin("")),
        ),
        entry("view_state", "windows", state_of(SPEC)),
        entry("view_state", "plain", state_of(PLAIN)),
        entry("view_state", "nested", state_of(NESTED)),
        entry("view_state", "empty", empty),
        entry("view_spec", "all", SPEC.as_bytes().to_vec()),
        entry("view_spec", "plain", PLAIN.as_bytes().to_vec()),
        entry("view_spec", "nested", NESTED.as_bytes().to_vec()),
        entry(
            "view_spec",
            "refused-count",
            br#"{"key":"k","aggregations":[]}"#.to_vec(),
        ),
        entry("payloads", "flights", lines(FLIGHTS)),
        entry("payloads", "one", lines(&FLIGHTS[..1])),
        entry(
            "payloads",
            "twice",
            lines(&[
                FLIGHTS[1],
                r#"{"at":1,"at":{"airport":"A","airport":"B"},"time":"1969-12-31T23:59:59Z","delay":-0.0}"#,
            ]),
        ),
        entry("payloads", "refused-depth", "[".repeat(300).into_bytes()),
    ]
}
