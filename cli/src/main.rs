//! The command `hotspare`: what the devices do, what work ran where, and checks by hand.

mod check;
mod output;
mod stats;
mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Outcome;

/// Shows and checks accelerators and the work that they do.
///
/// Exit status, of every subcommand: 0 if all is well; 1 if something is not (a device is not active, a check failed,
/// something can't be read); 2 for a wrong command line.
#[derive(Parser)]
#[command(name = "hotspare", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Status(status::Arguments),
    Stats(stats::Arguments),
    Check(check::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Status(arguments) => status::run(&arguments),
        Command::Stats(arguments) => stats::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
    };
    match result {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Unwell) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hotspare: {error}");
            ExitCode::FAILURE
        }
    }
}
