//! The failover demonstration: nginx, and then HAProxy, serve TLS through two emulated accelerators, which die under load
//! in every way that the emulator knows, and no handshake is lost. Started by `./demo`.
//!
//! The program runs twice: the outer process makes a pid namespace and waits; the inner one is the parent of everything
//! that runs there, so whatever happens to either, nothing stays behind.

mod error;
mod interrupt;
mod judge;
mod load;
mod namespace;
mod options;
mod play;
mod process;
mod progress;
mod recorder;
mod report;
mod snapshot;
mod timeline;
mod watchdog;
mod world;

use std::process::ExitCode;

use clap::Parser;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = if options.inside { play::run(&options) } else { namespace::run_inside(&options) };
    outcome.unwrap_or_else(|error| {
        eprintln!("demo: {error}");
        ExitCode::FAILURE
    })
}
