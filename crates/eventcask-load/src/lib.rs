//! `eventcask load`: events are made up, sent as fast as they are taken or at a rate, and what
//! the store does with them is measured.
//!
//! This crate has one job: to make load and measure it. Its main function is [`run`], its main type
//! [`generate::Generator`]. Its neighbours are `eventcask-cli`, whose command it is, and
//! `eventcask-console`, by which it prints. It uses the public face of `eventcask` alone.
//!
//! ```
//! use eventcask_load::generate::Random;
//! assert_eq!(Random::new(1).number(), Random::new(1).number());
//! ```
//!
//! 1. `place` finds a directory for the store, and takes it away at the end.
//! 2. `yardsticks` are the machine's own limits, measured before.
//! 3. `measured` opens a store for each run and goes through the phases: filling, warming up,
//!    measuring.
//! 4. In `send` a phase has a thread for each producer. It sends by its `pace` on its `way`:
//!    through a queue, with another thread that takes the answers and counts `latencies`, or as the
//!    owner of a shard.
//! 5. Its `meter` says what the measured phase cost: CPU by thread, memory, disk.
//! 6. Its `sweep` does all this again with other settings.
//! 7. `report` puts the runs together, and its `text` shows them to people.

pub mod args;
pub mod generate;
mod progress;
mod threads;
mod place;
mod yardsticks;
mod send;
mod measured;
mod report;

use eventcask_console::failure::Failure;
use eventcask_console::output::Out;
use eventcask_console::signals;

use crate::args::{Ids, LoadArgs, Sweep};
use crate::generate::Key;
use crate::measured::{Run, sweep};
use crate::place::Place;
use crate::progress::tell;
use crate::report::{Report, text};

pub use place::Directory;

/// Makes the load and prints what was measured: for people, or as JSON.
///
/// # Errors
/// What can not be done, or that the store counted other events than were sent to it.
pub fn run(args: &LoadArgs, directory: Directory<'_>, json: bool) -> Result<(), Failure> {
    check(args)?;
    signals::listen()?;
    let mut place = Place::new(args, directory)?;
    let mut report = Report::new(args, place.store());
    let ended = measure(args, &mut place, &mut report);
    let removed = place.end();
    ended?;
    print(&report, json)?;
    removed?;
    if signals::is_stopped() {
        return Err(Failure::Interrupted);
    }
    report.check()
}

/// What the definitions of the options can not say.
fn check(args: &LoadArgs) -> Result<(), Failure> {
    let wrong = |sentence: &str| Err(Failure::Input(sentence.to_owned()));
    if args.aggregates.0 > u64::from(Key::LIMIT) {
        return wrong("--aggregates: a thousand million is the most");
    }
    if args.ids != Ids::Explicit && (args.duplicates > 0.0 || args.fill_window.is_some()) {
        return wrong("--duplicates and --fill-window are about ids, and need --ids explicit");
    }
    if args.owned && args.ids == Ids::Session {
        return wrong("--ids session: sessions are of producers, which --owned does without");
    }
    if args.into_existing && (args.runs > 1 || args.sweep.is_some()) {
        return wrong(
            "--into-existing: further runs need stores of their own; leave out --runs and --sweep",
        );
    }
    if args.sweep == Some(Sweep::Rate) && (args.rate.is_some() || args.one_by_one) {
        return wrong(
            "--sweep rate goes through rates by itself; leave out --rate and --one-by-one",
        );
    }
    Ok(())
}

fn measure(args: &LoadArgs, place: &mut Place, report: &mut Report) -> Result<(), Failure> {
    if args.yardsticks {
        report.measure_yardsticks(args, place)?;
    }
    if matches!(args.sweep, None | Some(Sweep::Rate)) {
        report.add_runs(runs(args, place, "")?);
    }
    let Some(sweep) = args.sweep else {
        return Ok(());
    };
    let greatest = report.summary.get("events_per_second").copied();
    for (value, args) in sweep::points(args, sweep, greatest) {
        if signals::is_stopped() {
            break;
        }
        report.add_point(value.clone(), runs(&args, place, &value)?);
    }
    Ok(())
}

/// All runs with the same settings, of which `what` is not as it was said.
fn runs(args: &LoadArgs, place: &mut Place, what: &str) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    for number in 1..=args.runs {
        place.make_fresh()?;
        let run = Run::measure(args, place)?;
        let blank = if what.is_empty() { "" } else { " " };
        tell(&format!(
            "{what}{blank}run {number} of {}: {run}",
            args.runs
        ));
        runs.push(run);
        if signals::is_stopped() {
            break;
        }
    }
    Ok(runs)
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
    let mut out = Out::new();
    if json {
        out.line(&report.json()?)?;
    } else {
        out.write(text::shown(report).as_bytes())?;
    }
    out.flush()
}
