//! `hotspare-hbd`, the heartbeat daemon: checks accelerators, says when one fails, and has it reset.

mod announce;
mod board;
mod config;
mod control;
mod lock;
mod log;
mod machine;
mod publisher;
mod service;
mod worker;

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::config::Config;
use crate::service::Service;

/// Monitors the heartbeat of accelerators, announces failures and resets what failed.
///
/// Each device is checked by reading its heartbeat/status, never faster than its timer allows. A device that fails is
/// reset through qat/state, or by its driver. What happens is announced by device events (uevents), in the log on
/// standard error, and in the state file hbd.json in the run directory; `hotspare status` and `hotspare check` show it.
/// The daemon stays in the foreground and ends on SIGTERM or SIGINT.
///
/// Exit status: 0 after SIGTERM or SIGINT; 1 if it could not start or go on; 2 for a wrong command line.
#[derive(Parser)]
#[command(name = "hotspare-hbd", version)]
struct Arguments {
    /// The configuration file (TOML). All keys and their defaults are in the example hotspare-hbd.toml; an empty file
    /// monitors all real devices.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hotspare-hbd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // The state file is for everybody to read; the socket gets its mode from the configuration.
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    let config = Config::read(&arguments.config)?;
    let signals = signals()?;
    let _log = log::start(config.log)?;
    let service = Service::start(config)?;
    let result = service.run(&signals);
    service.stop();
    Ok(result?)
}

/// Readable once the daemon is to end.
fn signals() -> std::io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(read)
}
