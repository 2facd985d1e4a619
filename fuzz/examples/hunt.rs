//! Mutates the corpus for as long as one likes; `scripts/fuzz` builds and starts it.
//!
//! 1. Before an input runs it is written to a file: a process that is killed, runs out of stack
//!    or never ends can not write it any more.
//! 2. The targets take turns, a second each, until the time is over.
//! 3. The first input that a target can not stand is kept under a name of its own.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use eventcask_fuzz::corpus::inputs_of;
use eventcask_fuzz::{Finding, Hunt, TARGETS, Target, target};

/// How long a target runs before it is the turn of the next.
const TURN: Duration = Duration::from_secs(1);
/// Time between two lines that say how far it is.
const REPORT: Duration = Duration::from_secs(60);

const USAGE: &str =
    "usage: hunt --seconds N --seed S --keep DIR [TARGET...] or hunt --again TARGET FILE";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = match arguments.as_slice() {
        ["--again", target, file] => again(target, Path::new(file)),
        [
            "--seconds",
            seconds,
            "--seed",
            seed,
            "--keep",
            dir,
            targets @ ..,
        ] => hunt(seconds, seed, Path::new(dir), targets),
        _ => Err(USAGE.into()),
    };
    match run {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hunt: {error}");
            ExitCode::from(2)
        }
    }
}

type Ran = Result<bool, Box<dyn Error>>;

fn named(name: &str) -> Result<&'static Target, String> {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    target(name).ok_or_else(|| format!("{name} is no target: {}.", names.join(", ")))
}

/// Runs one target on one file.
fn again(name: &str, file: &Path) -> Ran {
    let taken = (named(name)?.run)(&fs::read(file)?);
    let what = if taken { "takes" } else { "refuses" };
    println!("{name} {what} {} and does not fail.", file.display());
    Ok(true)
}

fn hunt(seconds: &str, seed: &str, dir: &Path, names: &[&str]) -> Ran {
    let (seconds, seed) = (seconds.parse()?, seed.parse()?);
    fs::create_dir_all(dir)?;
    let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let names = if names.is_empty() { &all } else { names };
    let mut turns = Vec::new();
    for name in names {
        turns.push(Turn::new(named(name)?, seed, dir)?);
    }
    let (started, mut reported) = (Instant::now(), Instant::now());
    while started.elapsed() < Duration::from_secs(seconds) {
        for turn in &mut turns {
            if let Err(finding) = turn.run()? {
                return turn.keep(&finding, dir);
            }
        }
        if reported.elapsed() >= REPORT {
            report(&turns);
            reported = Instant::now();
        }
    }
    report(&turns);
    println!(
        "nothing found in {} s with seed {seed}.",
        started.elapsed().as_secs()
    );
    turns
        .iter()
        .try_for_each(|turn| fs::remove_file(&turn.path))?;
    Ok(true)
}

/// A hunt and the file with the input that it is at.
struct Turn {
    target: &'static Target,
    hunt: Hunt,
    path: PathBuf,
    file: File,
}

impl Turn {
    fn new(target: &'static Target, seed: u64, dir: &Path) -> std::io::Result<Self> {
        let path = dir.join(format!("{}-running", target.name));
        Ok(Self {
            target,
            hunt: Hunt::new(*target, inputs_of(target.name), seed),
            file: File::create(&path)?,
            path,
        })
    }

    fn run(&mut self) -> std::io::Result<Result<(), Finding>> {
        let started = Instant::now();
        while started.elapsed() < TURN {
            let input = self.hunt.next_input();
            self.file.set_len(input.len() as u64)?;
            self.file.write_all_at(&input, 0)?;
            if let Err(finding) = self.hunt.run(input) {
                return Ok(Err(finding));
            }
        }
        Ok(Ok(()))
    }

    fn keep(&self, finding: &Finding, dir: &Path) -> Ran {
        let name = self.target.name;
        let path = dir.join(format!("{name}-{}", self.hunt.counts().inputs));
        fs::write(&path, &finding.input)?;
        let path = path.display();
        eprintln!("{name} failed: {}", finding.message);
        eprintln!("the input is in {path}; to run it again: scripts/fuzz --again {name} {path}");
        Ok(false)
    }
}

fn report(turns: &[Turn]) {
    for turn in turns {
        let counts = turn.hunt.counts();
        println!(
            "{:>10}: {} inputs, {} repaired, {} taken",
            turn.target.name, counts.inputs, counts.repaired, counts.taken
        );
    }
}
