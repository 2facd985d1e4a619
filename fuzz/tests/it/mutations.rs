//! Mutations of the corpus, in every run of the tests.

use std::time::Instant;

use eventcask_fuzz::corpus::inputs_of;
use eventcask_fuzz::{Hunt, TARGETS, Target};

const SEED: u64 = 71;

/// Mutations of each target: many where one is fast. Together they take 10 s on a
/// free core, and half a minute on a busy one.
fn mutations_of(target: &Target) -> u64 {
    match target.name {
        "store" | "sections" => 8_000,
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
