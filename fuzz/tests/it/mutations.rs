//! Mutations of the corpus, in every run of the tests.

use std::time::Instant;

use eventcask_fuzz::corpus::{Entry, entries, inputs_of};
use eventcask_fuzz::{Hunt, Repair, TARGETS, Target, target};

const SEED: u64 = 71;

/// Mutations of each target: many where one is fast. Together they take 10 s on a
/// free core, and half a minute on a busy one.
fn mutations_of(target: &Target) -> u64 {
    match target.name {
        "store" | "sections" | "sealed" => 8_000,
        "segment" => 12_000,
        "block" | "csv" | "packed" => 15_000,
        _ => 30_000,
    }
}

#[test]
fn s1_mutations_never_panic() {
    let mut inputs = 0;
    for target in TARGETS {
        let started = Instant::now();
        let mut hunt = Hunt::new(*target, inputs_of(target.name), SEED);
        let run = hunt.run_many(mutations_of(target));
        let counts = run.unwrap_or_else(|finding| {
            let (name, inputs) = (target.name, hunt.counts().inputs);
            panic!(
                "{name} fails on input {inputs} of seed {SEED}: {}; for the input run scripts/fuzz --seed {SEED} {name}",
                finding.message
            )
        });
        println!(
            "{:>10}: {} inputs, {} repaired, {} taken, {} ms",
            target.name,
            counts.inputs,
            counts.repaired,
            counts.taken,
            started.elapsed().as_millis()
        );
        // A target that takes nothing is not reached; one that takes all checks nothing.
        assert!(
            counts.taken * 100 > counts.inputs,
            "{}: {counts:?}",
            target.name
        );
        assert!(counts.taken < counts.inputs, "{}: {counts:?}", target.name);
        inputs += counts.inputs;
    }
    println!("{inputs} inputs in all, seed {SEED}");
    assert!(inputs >= 120_000, "{inputs}");
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    for target in TARGETS {
        let inputs = |seed| {
            let mut hunt = Hunt::new(*target, inputs_of(target.name), seed);
            (0..20).map(|_| hunt.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1), "{}", target.name);
        assert_ne!(inputs(1), inputs(2), "{}", target.name);
    }
}

/// Random mutations seldom put just the largest number into just the field where one is added.
/// The newest version of an aggregate was such a field: its last events could not be asked for.
#[test]
fn s1_every_field_at_its_extremes_never_panics() {
    let mut inputs = 0;
    for entry in entries().iter().filter(|entry| has_fields(entry.target)) {
        let target = target(entry.target).unwrap();
        for (at, width, value) in extremes(entry) {
            let mut bytes = entry.bytes.clone();
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
            (target.repair)(&mut bytes, Repair::Seal);
            let run = std::panic::catch_unwind(|| (target.run)(&bytes));
            let (name, file) = (target.name, entry.name);
            assert!(
                run.is_ok(),
                "{name} {file}: {width} bytes of {value:#x} at {at}"
            );
            inputs += 1;
        }
    }
    println!("{inputs} inputs");
}

fn has_fields(target: &str) -> bool {
    [
        "block",
        "segment",
        "store",
        "sealed",
        "manifest",
        "framed",
        "view_state",
    ]
    .contains(&target)
}

/// Places, widths and values; the zeros after the header of a segment are no fields.
fn extremes(entry: &Entry) -> impl Iterator<Item = (usize, usize, u64)> {
    let is_segment = ["segment", "store"].contains(&entry.target);
    let places = (0..entry.bytes.len()).step_by(4);
    // So are those behind the tables of a sealed one.
    let zeros = match entry.target {
        "sealed" => 256 + 9 * 32..4096,
        _ if is_segment => 128..4096,
        _ => 0..0,
    };
    let places = places.filter(move |at| !zeros.contains(at));
    let fields = places.flat_map(|at| [4, 8].map(|width| (at, width)));
    let aligned = fields.filter(|(at, width)| at.is_multiple_of(*width));
    aligned.flat_map(|(at, width)| {
        [u64::MAX, u64::MAX - 1, u64::MAX >> 1, 1 << 63].map(|value| (at, width, value))
    })
}
