//! The binary itself: exit codes, and what it says.

use std::process::{Command, Output};

use clap::CommandFactory as _;
use eventcask_cli::args::Cli;

fn eventcask(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventcask"));
    command
        .env_remove("EVENTCASK_STORE")
        .args(args)
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn commands(command: &clap::Command) -> Vec<clap::Command> {
    let mut all = vec![command.clone()];
    for below in command.get_subcommands() {
        all.extend(commands(below));
    }
    all
}

#[test]
fn the_definitions_of_the_commands_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_shows_an_example() {
    for command in commands(&Cli::command()) {
        let help = command.clone().render_long_help().to_string();
        assert!(
            help.contains("Example:\n"),
            "{} has none",
            command.get_name()
        );
    }
}

#[test]
fn every_option_says_what_it_does() {
    for command in commands(&Cli::command()) {
        for argument in command.get_arguments() {
            let name = argument.get_id();
            assert!(
                argument.get_help().is_some(),
                "{} of {}",
                name,
                command.get_name()
            );
        }
    }
}

#[test]
fn help_and_version_are_no_failure() {
    for args in [
        &["--help"][..],
        &["ingest", "--help"],
        &["view", "create", "-h"],
        &["--version"],
    ] {
        let output = eventcask(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn a_command_line_that_does_not_parse_is_said_in_one_sentence() {
    let cases: [&[&str]; 7] = [
        &[],
        &["view"],
        &["ingest", "rows.csv"],
        &["ingest", "rows.csv", "--agregate", "k"],
        &[
            "ingest",
            "rows.csv",
            "--aggregate",
            "k",
            "--on-error",
            "ignore",
        ],
        &["read", "k", "--as-of-time", "yesterday"],
        &["frobnicate"],
    ];
    for args in cases {
        let output = eventcask(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = said(&output);
        assert!(
            said.starts_with("eventcask: ") && said.lines().count() == 1,
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = eventcask(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("aggregate"),
            "{shell}"
        );
    }
}

#[test]
fn manual_pages_are_printed_or_written_one_a_command() {
    let page = eventcask(&["man"]);
    assert!(String::from_utf8_lossy(&page.stdout).contains(".TH eventcask 1"));
    let dir = tempfile::tempdir().expect("there is room for a directory");
    let below = dir.path().join("man1");
    let written = eventcask(&["man", "--dir", below.to_str().expect("it is text")]);
    assert_eq!(written.status.code(), Some(0), "{}", said(&written));
    for name in [
        "eventcask.1",
        "eventcask-ingest.1",
        "eventcask-view-create.1",
    ] {
        assert!(below.join(name).is_file(), "{name}");
    }
}
