//! The loop that looks for an input that a target can not stand.
//!
//! 1. A corpus entry is chosen and changed; every other mutant is repaired, weakly or fully.
//! 2. The target runs on it; a panic ends the hunt with the input that caused it.
//! 3. A mutant that was taken joins the pool for a while, so that changes add up.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

use crate::mutator::mutate;
use crate::{Repair, Target};

/// Mutants that were taken and are mutated further; the oldest goes when another comes.
const POOL_MAX: usize = 64;

/// What a hunt did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs that ran.
    pub inputs: u64,
    /// Those that were repaired.
    pub repaired: u64,
    /// Those that the decoder took as good.
    pub taken: u64,
}

/// An input that made its target panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// What the panic said.
    pub message: String,
}

/// One target, its corpus and a seed: the same three give the same inputs.
#[derive(Debug)]
pub struct Hunt {
    target: Target,
    corpus: Vec<Vec<u8>>,
    pool: Vec<Vec<u8>>,
    random: Rng,
    repairs: bool,
    counts: Counts,
}

impl Hunt {
    /// A hunt that mutates these inputs.
    ///
    /// # Panics
    /// When the corpus is empty.
    #[must_use]
    pub fn new(target: Target, corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        assert!(
            !corpus.is_empty(),
            "the target {} has no corpus",
            target.name
        );
        Self {
            target,
            corpus,
            pool: Vec::new(),
            random: Rng::with_seed(seed),
            repairs: true,
            counts: Counts::default(),
        }
    }

    /// Leaves every mutant as it is, to show what repair is good for.
    #[must_use]
    pub fn without_repair(mut self) -> Self {
        self.repairs = false;
        self
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next input. The caller may keep it, in case the process does not outlive it.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut bytes = mutate_one(&mut self.random, &self.corpus, &self.pool);
        if self.repairs && self.random.bool() {
            let how = if self.random.bool() {
                Repair::Seal
            } else {
                Repair::Mend
            };
            (self.target.repair)(&mut bytes, how);
            self.counts.repaired += 1;
        }
        bytes
    }

    /// Runs the target on an input.
    ///
    /// # Errors
    /// The input and what the panic said.
    pub fn run(&mut self, input: Vec<u8>) -> Result<(), Finding> {
        self.counts.inputs += 1;
        let run = AssertUnwindSafe(|| (self.target.run)(&input));
        match catch_unwind(run) {
            Ok(true) => self.keep(input),
            Ok(false) => {}
            Err(panic) => {
                let message = message_of(&*panic);
                return Err(Finding { input, message });
            }
        }
        Ok(())
    }

    /// Makes and runs this many inputs.
    ///
    /// # Errors
    /// The first input that made the target panic.
    pub fn run_many(&mut self, inputs: u64) -> Result<Counts, Finding> {
        for _ in 0..inputs {
            let input = self.next_input();
            self.run(input)?;
        }
        Ok(self.counts)
    }

    fn keep(&mut self, input: Vec<u8>) {
        self.counts.taken += 1;
        if self.pool.len() < POOL_MAX {
            self.pool.push(input);
        } else {
            let at = self.random.usize(..POOL_MAX);
            self.pool[at] = input;
        }
    }
}

/// Mostly of the corpus: the pool drifts away from what a real encoder writes.
fn mutate_one(random: &mut Rng, corpus: &[Vec<u8>], pool: &[Vec<u8>]) -> Vec<u8> {
    let from = if pool.is_empty() || random.u8(..4) > 0 {
        corpus
    } else {
        pool
    };
    let input = &from[random.usize(..from.len())];
    let other = &corpus[random.usize(..corpus.len())];
    mutate(random, input, other)
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text").to_owned()
}
