//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::page::MAX_ENGINES;
use crate::settings::{Generation, MAX_DEVICES, Settings};
use crate::{faults, supervisor};

/// An emulated accelerator: devices in processes of their own, with the files, events and faults of real ones.
#[derive(Debug, Parser)]
#[command(name = "hotspare-emulator", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run devices in the foreground; says `ready` when they accept users
    Run(RunArgs),
    /// Bring a fault about
    #[command(after_help = faults::help())]
    Inject {
        #[command(flatten)]
        target: Target,
        /// Which fault
        fault: String,
    },
    /// Reset a device, and wait until that is over
    Reset {
        #[command(flatten)]
        target: Target,
    },
    /// One device; started by `run`
    #[command(name = supervisor::DEVICE_SUBCOMMAND, hide = true)]
    Device,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The root directory of the emulator
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// The device: its PCI address (0000:6b:00.0) or its number
    pub(crate) device: String,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Where the devices' files and sockets are made
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// How many devices
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DEVICES)))]
    devices: u32,
    /// Engines (threads) of each device
    #[arg(long, value_name = "M", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ENGINES)))]
    engines: u32,
    /// Instances of each device: users that may be attached at once
    #[arg(long, value_name = "K", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    instances: u32,
    /// Generation of the hardware: 4 (timer of the heartbeat fixed at 200 ms) or 2 (default 500 ms, can be set)
    #[arg(long = "gen", value_name = "2|4", default_value = "4", hide_possible_values = true)]
    generation: GenerationArg,
    /// Seconds until a device whose process was killed is back
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    respawn: Duration,
    /// Milliseconds that a reset takes
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    reset_ms: u32,
    /// Number (accelid) of the first device
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    number_base: u32,
    /// Microseconds that an engine looks for work before it sleeps
    #[arg(long, value_name = "US", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    spin_us: u32,
    /// Permissions of the sockets at which users attach, octal
    #[arg(long, value_name = "MODE", default_value = "666", value_parser = mode)]
    socket_mode: u32,
    /// Send no uevents: users are told by their rings only
    #[arg(long)]
    no_uevents: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GenerationArg {
    #[value(name = "2")]
    Two,
    #[value(name = "4")]
    Four,
}

impl RunArgs {
    pub(crate) fn settings(self) -> std::io::Result<Settings> {
        Ok(Settings {
            root: std::path::absolute(self.root)?,
            devices: self.devices,
            engines: self.engines,
            instances: self.instances,
            generation: match self.generation {
                GenerationArg::Two => Generation::Two,
                GenerationArg::Four => Generation::Four,
            },
            respawn: self.respawn,
            reset_time: Duration::from_millis(self.reset_ms.into()),
            number_base: self.number_base,
            spin: Duration::from_micros(self.spin_us.into()),
            socket_mode: self.socket_mode,
            uevents: !self.no_uevents,
        })
    }
}

/// Longest time that makes sense until a device is back: a day.
const LONGEST_RESPAWN: f64 = 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=LONGEST_RESPAWN).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "wanted seconds, 0 to 86400, such as 2 or 0.5".to_owned())
}

fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "wanted octal permissions such as 666 or 660".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_lists_the_faults() {
        use clap::CommandFactory;
        let mut command = Cli::command();
        command.clone().debug_assert();
        let inject = command.find_subcommand_mut("inject").unwrap();
        let help = inject.render_help().to_string();
        for fault in faults::catalogue() {
            assert!(help.contains(fault.name), "{help}");
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        let parse = |extra: &[&str]| {
            Cli::try_parse_from(["x", "run", "--root", "/r", "--devices", "1"].iter().chain(extra)).is_ok()
        };
        assert!(parse(&[]));
        assert!(parse(&["--gen", "2", "--respawn", "0.25", "--socket-mode", "660"]));
        for wrong in [
            ["--gen", "3"],
            ["--respawn", "-1"],
            ["--respawn", "nan"],
            ["--socket-mode", "999"],
            ["--engines", "0"],
            ["--instances", "257"],
        ] {
            assert!(!parse(&wrong), "{wrong:?}");
        }
    }
}
