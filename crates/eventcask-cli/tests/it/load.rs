//! `eventcask load`: what is sent, what is counted, what is said. No figure of speed is checked.

use std::collections::HashMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventcask_load::generate::{
    Aggregates, Generator, PayloadKind, Payloads, Random, Recipe, Skew,
};
use flate2::read::ZlibDecoder;
use serde_json::Value;

use crate::binary::Place;

const SMALL: [&str; 8] = [
    "load",
    "--json",
    "--events",
    "5000",
    "--aggregates",
    "300",
    "--shards",
    "2",
];

/// What a load says that does what it should.
fn load(place: &Place, more: &[&str]) -> Value {
    let said = place.run(&[&SMALL, more].concat());
    assert_eq!(said.code, Some(0), "{more:?}: {said:?}");
    serde_json::from_str(&said.out).expect("one document is printed")
}

fn number(run: &Value, name: &str) -> u64 {
    run[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} of {run}"))
}

/// Counts of an encoded histogram, read as its format says: a head of 40 bytes, then ZigZag
/// LEB128, a negative number for that many zeros.
fn histogram_total(encoded: &str) -> u64 {
    let bytes = STANDARD.decode(encoded).expect("base64");
    assert_eq!(bytes[..4], 0x1c84_9314_u32.to_be_bytes());
    let mut plain = Vec::new();
    let mut decoder = ZlibDecoder::new(&bytes[8..]);
    decoder.read_to_end(&mut plain).expect("zlib");
    assert_eq!(plain[..4], 0x1c84_9313_u32.to_be_bytes());
    let (mut total, mut at) = (0, 40);
    while at < plain.len() {
        let (mut bits, mut shift) = (0_u64, 0);
        loop {
            bits |= u64::from(plain[at] & 0x7f) << shift;
            at += 1;
            if plain[at - 1] < 0x80 {
                break;
            }
            shift += 7;
        }
        let count = (bits >> 1) as i64 ^ -((bits & 1) as i64);
        total += count.max(0) as u64;
    }
    total
}

fn check(report: &Value, events: u64, duplicates: u64) {
    for run in report["runs"].as_array().expect("there are runs") {
        assert_eq!(number(run, "events"), events);
        assert_eq!(number(run, "duplicates"), duplicates);
        assert_eq!(number(run, "stored"), events - duplicates);
        assert_eq!(number(run, "refused"), 0);
        assert!(run["mismatch"].is_null());
        let histogram = run["histogram"].as_str().expect("text");
        assert_eq!(histogram_total(histogram), events);
        let latency = &run["latency_us"];
        let points = ["p50", "p90", "p99", "p999", "max"].map(|name| number(latency, name));
        assert!(points.is_sorted() && points[0] > 0, "{points:?}");
        for name in ["events_per_second", "cpu_ns_per_event", "bytes_per_event"] {
            assert!(run[name].as_f64().expect(name) > 0.0, "{name}");
        }
    }
}

#[test]
fn a_closed_loop_stores_every_event_and_counts_its_latency() {
    let report = load(&Place::new(), &[]);
    check(&report, 5000, 0);
    assert_eq!(report["runs"].as_array().map(Vec::len), Some(1));
    for name in ["version", "machine", "parameters", "summary"] {
        assert!(!report[name].is_null(), "{name}");
    }
}

#[test]
fn an_open_loop_stores_every_event_and_counts_its_latency() {
    let report = load(&Place::new(), &["--rate", "50k", "--producers", "3"]);
    check(&report, 5000, 0);
}

#[test]
fn owners_of_shards_store_every_event_and_count_its_latency() {
    for more in [
        &["--ids", "explicit"][..],
        &["--rate", "50k"],
        &["--one-by-one", "--durability", "os"],
    ] {
        let report = load(&Place::new(), &[&["--owned"], more].concat());
        check(&report, 5000, 0);
    }
    let report = load(&Place::new(), &["--owned", "--duplicates", "0.125"]);
    check(&report, 5000, 624);
}

#[test]
fn sessions_go_on_from_phase_to_phase() {
    let more = ["--ids", "session", "--producers", "2", "--warmup", "0.05"];
    check(&load(&Place::new(), &more), 5000, 0);
    check(&load(&Place::new(), &["--ids", "none"]), 5000, 0);
}

#[test]
fn a_projection_counts_what_is_stored() {
    for more in [&["--producers", "2"][..], &["--owned"]] {
        let more = [&["--project", "sum", "--duplicates", "0.125"], more].concat();
        let report = load(&Place::new(), &more);
        let run = &report["runs"][0];
        assert_eq!(number(run, "projected"), number(run, "stored"));
    }
}

#[test]
fn batches_are_as_large_as_they_are_said_to_be() {
    let of_size = |bytes| {
        let more = [
            "--batch-bytes",
            bytes,
            "--linger-us",
            "1000",
            "--dedup-window",
            "ids:1000",
        ];
        let report = load(&Place::new(), &more);
        check(&report, 5000, 0);
        number(&report["runs"][0], "batches")
    };
    assert!(of_size("4096") > 2 * of_size("65536"));
}

#[test]
fn one_event_at_a_time_counts_each_latency() {
    check(
        &load(&Place::new(), &["--one-by-one", "--durability", "os"]),
        5000,
        0,
    );
}

#[test]
fn duplicates_are_sent_and_counted_exactly() {
    for more in [
        &["--producers", "1"][..],
        &["--one-by-one", "--durability", "os"],
    ] {
        let report = load(&Place::new(), &[more, &["--duplicates", "0.125"]].concat());
        check(&report, 5000, 625);
    }
}

#[test]
fn the_same_seed_makes_the_same_events() {
    let generated = |more: &[&str]| {
        let report = load(&Place::new(), &[&["--runs", "2"], more].concat());
        check(&report, 5000, 0);
        let runs = report["runs"].as_array().cloned().expect("there are runs");
        assert_eq!(runs[0]["generated"], runs[1]["generated"]);
        runs[0]["generated"].clone()
    };
    assert_eq!(generated(&[]), generated(&[]));
    assert_ne!(generated(&[]), generated(&["--seed", "2"]));
}

#[test]
fn filling_and_warming_up_are_not_counted() {
    let more = ["--fill-window", "3000", "--warmup", "0.05", "--keep"];
    let place = Place::new();
    check(&load(&place, &more), 5000, 0);
    let events = place.json(&["stats"])["events"].as_u64();
    assert!(events > Some(8000), "{events:?}");
    assert_eq!(place.json(&["verify"])["ok"], true);
}

#[test]
fn the_store_is_removed_unless_it_is_to_stay() {
    let place = Place::new();
    load(&place, &[]);
    assert!(!place.path("store").exists());
    load(&place, &["--keep", "--runs", "2"]);
    assert_eq!(
        place.json(&["stats"])["events"],
        5000,
        "the second run began afresh"
    );
}

#[test]
fn without_a_name_the_store_is_made_beside_the_default_and_removed() {
    let place = Place::new();
    let mut command = place.command(&SMALL);
    let directory = place.path("");
    command
        .env_remove("EVENTCASK_STORE")
        .current_dir(&directory);
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0));
    let left = std::fs::read_dir(&directory).expect("it is there").count();
    assert_eq!(left, 0);
}

#[test]
fn a_store_that_exists_is_left_alone_unless_it_is_named_on_purpose() {
    let place = Place::new();
    load(&place, &["--keep"]);
    let sentence = place.fails(2, &SMALL);
    assert!(sentence.contains("--into-existing"), "{sentence}");
    assert_eq!(place.json(&["stats"])["events"], 5000);
    check(&load(&place, &["--into-existing"]), 5000, 0);
    assert_eq!(place.json(&["stats"])["events"], 10_000);
}

#[test]
fn yardsticks_come_with_ratios() {
    let report = load(&Place::new(), &["--yardsticks", "--codec", "zstd:3"]);
    check(&report, 5000, 0);
    let yardsticks = &report["yardsticks"];
    for name in [
        "copy_gb_per_second",
        "crc32c_gb_per_second",
        "append_mb_per_second",
    ] {
        assert!(yardsticks[name].as_f64() > Some(0.0), "{name}");
    }
    assert_eq!(yardsticks["zstd_level"], 3);
    assert!(report["ratios"]["log_one_thread"].as_f64() > Some(0.0));
}

#[test]
fn a_sweep_measures_each_of_its_points() {
    let report = load(&Place::new(), &["--sweep", "codec"]);
    let points = report["points"].as_array().expect("there are points");
    let values: Vec<_> = points.iter().map(|point| point["value"].as_str()).collect();
    let expected = [
        "none",
        "lz4",
        "zstd:1",
        "zstd:3",
        "text-lz4",
        "text-zstd:1",
        "auto",
    ]
    .map(Some);
    assert_eq!(values, expected);
    for point in points {
        check(point, 5000, 0);
    }
}

#[test]
fn what_is_sealed_is_counted_until_it_is() {
    let more = ["--sealed", "--segment-bytes", "65536", "--codec", "none"];
    let report = load(&Place::new(), &more);
    check(&report, 5000, 0);
    let sealed = &report["runs"][0]["sealed"];
    assert!(number(sealed, "sealed_segments") > 0, "{sealed}");
}

#[test]
fn what_can_not_be_meant_is_bad_usage() {
    let cases: [&[&str]; 11] = [
        &["--owned", "--producers", "2"],
        &["--owned", "--ids", "session"],
        &["--skew", "zipf:0"],
        &["--events", "0"],
        &["--rate", "fast"],
        &["--duplicates", "0.9"],
        &["--duplicates", "0.1", "--ids", "none"],
        &["--rate", "1k", "--one-by-one"],
        &["--sweep", "rate", "--rate", "1k"],
        &["--no-seal", "--sealed"],
        &["--into-existing", "--runs", "2"],
    ];
    for more in cases {
        Place::new().fails(2, &[&["load"], more].concat());
    }
}

/// How often each of `aggregates` is drawn in `events` events, the most frequent first.
fn drawn(skew: &str, aggregates: u32, events: u64) -> Vec<u64> {
    let skew: Skew = skew.parse().expect("it is a skew");
    let mut random = Random::new(7);
    let mut ring = Aggregates::draw(skew, aggregates, events, &mut random, |_| true);
    let places: Vec<usize> = (0..events).map(|_| ring.take()).collect();
    let mut by_key = HashMap::new();
    for place in places {
        *by_key.entry(ring.key(place)).or_insert(0) += 1;
    }
    let mut counts: Vec<u64> = by_key.into_values().collect();
    counts.resize(aggregates as usize, 0);
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}

#[test]
fn aggregates_are_as_frequent_as_the_skew_says() {
    const EVENTS: u64 = 200_000;
    for exponent in [0.5, 0.99, 1.0, 1.5] {
        let counts = drawn(&format!("zipf:{exponent}"), 1000, EVENTS);
        let weight = |rank: u32| f64::from(rank).powf(-exponent);
        let all: f64 = (1..=1000).map(weight).sum();
        for rank in [1, 2, 3, 10, 50] {
            let expected = EVENTS as f64 * weight(rank) / all;
            let drawn = counts[rank as usize - 1] as f64;
            // Five times the deviation of a count, and what sorting by it adds.
            let tolerance = 5.0 * expected.sqrt() + 0.02 * expected;
            assert!(
                (drawn - expected).abs() < tolerance,
                "{exponent}, rank {rank}: {drawn}, not {expected}"
            );
        }
    }
    let hot = drawn("hot:0.5", 1000, EVENTS);
    assert!(
        (98_000..102_000).contains(&hot[0]) && hot[1] < 200,
        "{hot:?}"
    );
    let uniform = drawn("uniform", 1000, EVENTS);
    assert!(uniform[0] < 300 && uniform[999] > 100, "{uniform:?}");
}

#[test]
fn only_the_aggregates_that_are_taken_are_drawn() {
    let payloads = Payloads::make(PayloadKind::Mixed, 12, 100, &mut Random::new(1));
    let recipe = Recipe {
        skew: Skew::Zipf(0.99),
        aggregates: 1000,
        events: 5000,
        seed: 1,
        with_ids: true,
        duplicates: 0.0,
    };
    let mut generator = Generator::new(&recipe, payloads.into(), 0, |aggregate| aggregate % 2 == 1);
    for _ in 0..5000 {
        let key = generator.make().key.to_owned();
        assert!(key.ends_with(['1', '3', '5', '7', '9']), "{key}");
    }
}
