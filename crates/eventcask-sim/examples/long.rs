//! Trials for as long as one likes: `cargo run --release -p eventcask-sim --example long --
//! --minutes 10 --seed 1`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use eventcask_sim::{Failure, Report, Trial};

/// Crash states of each run of a trial.
const STATES: u64 = 40;
/// Seconds between two lines.
const LINE_SECONDS: u64 = 10;

fn number_after(arguments: &[String], name: &str) -> Option<u64> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let minutes = number_after(&arguments, "--minutes").unwrap_or(1);
    let seed = number_after(&arguments, "--seed").unwrap_or(1);
    match trials(seed, Duration::from_secs(minutes * 60)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.steps.iter().for_each(|step| println!("{step}"));
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the trials of rising seeds until the time is up.
fn trials(mut seed: u64, time: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    let mut report = Report::default();
    let mut line = Duration::ZERO;
    while started.elapsed() < time {
        report += Trial::new(seed).states(STATES).run()?;
        seed += 1;
        if started.elapsed() >= line {
            line += Duration::from_secs(LINE_SECONDS);
            println!(
                "{report}, {} s, next seed {seed}",
                started.elapsed().as_secs()
            );
        }
    }
    println!(
        "{report}, {} s, next seed {seed}",
        started.elapsed().as_secs()
    );
    Ok(())
}
