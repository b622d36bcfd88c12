//! The command line.

use std::path::PathBuf;

use crate::play::Subject;

/// How quick Hotspare is: see `./bench --help`.
#[derive(Debug, clap::Parser)]
#[command(name = "bench")]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Measures, and reports.
    Run(RunOptions),
    /// Measures one subject, for the process that runs all.
    #[command(hide = true)]
    Play(PlayOptions),
}

/// How to run the benchmarks.
#[derive(Debug, Clone, clap::Args)]
pub struct RunOptions {
    /// Measure shortly: the numbers are rough.
    #[arg(long)]
    pub quick: bool,
    /// Run this benchmark alone; may be given again.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Where the programs and the provider are.
    #[arg(long, value_name = "DIR")]
    pub programs: PathBuf,
    /// Where the report goes.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where criterion leaves what it measures.
    #[arg(long, value_name = "DIR")]
    pub criterion: PathBuf,
}

/// How to measure one subject.
#[derive(Debug, Clone, clap::Args)]
pub struct PlayOptions {
    /// What to measure.
    #[arg(value_enum)]
    pub subject: Subject,
    /// For about so long, in seconds.
    #[arg(long, default_value_t = 0.5)]
    pub seconds: f64,
    /// How many devices there are.
    #[arg(long, default_value_t = 1)]
    pub devices: u8,
    /// The provider's module.
    #[arg(long)]
    pub module: Option<PathBuf>,
    /// The emulator.
    #[arg(long)]
    pub emulator: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
        let run = [
            "bench",
            "run",
            "--programs",
            "p",
            "--out",
            "o",
            "--criterion",
            "c",
            "--only",
            "a",
            "--only",
            "b",
        ];
        let Command::Run(run) = Options::parse_from(run).command else { panic!("not a run") };
        assert_eq!(run.only, ["a", "b"]);
    }
}
