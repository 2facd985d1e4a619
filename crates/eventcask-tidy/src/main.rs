//! Writes anew what the tests of this crate compare.

use std::process::ExitCode;
use std::{env, fs, io};

use eventcask_tidy::{Ratchet, Workspace, file_circles, folder_circles, public_api, root};

const USAGE: &str = "\
usage: cargo run -p eventcask-tidy -- COMMAND

  api       write docs/public-api.txt anew: do it where the public API changes on purpose
  ratchet   take out of ratchet.txt what is no longer needed; it never adds anything
  circles   print the circles between modules, with a path for each arrow";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["api"] => write_api(),
        ["ratchet"] => tighten(),
        ["circles"] => print_circles(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eventcask-tidy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_api() -> io::Result<()> {
    let workspace = Workspace::read(&root().join("crates"))?;
    let api = public_api(&workspace, "eventcask");
    let api = api.ok_or_else(|| io::Error::other("there is no crate eventcask."))?;
    fs::write(root().join("docs/public-api.txt"), api)
}

fn tighten() -> io::Result<()> {
    let now = Ratchet::measured(&root())?;
    let file = root().join("crates/eventcask-tidy/ratchet.txt");
    Ratchet::read(&file)?.tightened(&now).write(&file)
}

fn print_circles() -> io::Result<()> {
    let workspace = Workspace::read(&root().join("crates"))?;
    println!("Files:");
    for circle in file_circles(&workspace) {
        print!("{circle}");
    }
    println!("Files and folders of a folder:");
    for circle in folder_circles(&workspace) {
        print!("{circle}");
    }
    Ok(())
}
