//! How quick Hotspare is. Started by `./bench`; `docs/benchmarks.md` says what is measured, and how.
//!
//! A benchmark ([`suite`]) has several subjects, measured in turn, again and again, in one run (A B A B), so that whatever
//! happens to the machine happens to all of them. A subject ([`play`]) is a process of its own, pinned to a processor, that
//! measures for a fraction of a second and says its samples. Medians are held against the bars ([`bars`]); everything goes
//! into one report ([`report`]): a table, a JSON file with every sample, a picture.

pub mod bars;
pub mod child;
pub mod engine;
pub mod error;
pub mod options;
pub mod play;
pub mod processor;
pub mod report;
pub mod samples;
pub mod scratch;
pub mod suite;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

/// Runs the program by its command line.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Options::parse().command {
        Command::Run(options) => suite::run(&options),
        Command::Play(options) => play::run(&options).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bench: {error}");
        ExitCode::FAILURE
    })
}
