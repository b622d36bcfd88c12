//! An accelerator in processes of its own: `hotspare-emulator`.
//!
//! A supervisor stands for the kernel's driver: it owns the devices' files, checks their heartbeats, resets them, sends
//! uevents and obeys commands ([`supervisor`](self)). Each device is a child process of it, with engines that serve the
//! rings of the device's users. Everything that users and devices share is laid out by `hotspare-device`.

mod channel;
mod cli;
mod control;
mod crypto;
mod device;
mod faults;
mod orders;
mod page;
mod settings;
mod signals;
mod supervisor;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

/// Runs the program by its command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HOTSPARE_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    match carry_out(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hotspare-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Run(args) => supervisor::run(args.settings()?)?,
        Command::Inject { target, fault } => {
            if faults::find(&fault).is_none() {
                return Err(format!("there is no fault `{fault}`: there are {}", faults::names()).into());
            }
            control::send(&target.root, &control::Command::Inject { device: target.device, fault })?;
        }
        Command::Reset { target } => {
            control::send(&target.root, &control::Command::Reset { device: target.device })?;
        }
        Command::Device => device::run()?,
    }
    Ok(())
}
