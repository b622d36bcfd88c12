//! `hotspare status`.

mod devices;

use std::path::PathBuf;

use hotspare_device::Bdf;
use hotspare_device::files::{MonitorPaths, RecordedEvent, unix_ms};
use serde::Serialize;

use crate::output::{Outcome, OutputError, Table, clean, print, print_json};
use devices::{DeviceStatus, Found};

/// Show the devices: which there are, their state, what happened to them last
///
/// A device is active if it is up and the heartbeat daemon, where one runs, doesn't say that it failed or is being
/// reset. The exit status is 0 if there are devices and all are active.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the devices' files are: the directory of a hotspare-emulator, or / for real devices. May be given several
    /// times [default: /]
    #[arg(long, value_name = "DIR", env = "HOTSPARE_ROOT")]
    root: Vec<PathBuf>,
    /// The run directory of hotspare-hbd
    #[arg(long, value_name = "DIR", env = "HOTSPARE_RUN_DIR", default_value = MonitorPaths::DEFAULT)]
    run_dir: PathBuf,
    /// Print JSON: {version, active, total, devices: [{root, address, number, type, node, engines, instances, state,
    /// epoch, health, active, events: [{unix_ms, event, why}]}], problems: [text]}; what is not known is null
    #[arg(long)]
    json: bool,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    #[error(
        "no device under {0}: for the devices of a hotspare-emulator give its directory with --root; real devices need \
         the kernel's QAT driver, and show as /sys/bus/pci/devices/*/qat"
    )]
    NoDevice(String),
    #[error(transparent)]
    Output(#[from] OutputError),
}

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    active: usize,
    total: usize,
    devices: &'a [DeviceStatus],
    problems: &'a [String],
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Box<dyn std::error::Error>> {
    let default = [PathBuf::from("/")];
    let roots = if arguments.root.is_empty() { &default } else { arguments.root.as_slice() };
    let Found { devices, problems } = devices::find(roots, &MonitorPaths::new(&arguments.run_dir));
    let active = devices.iter().filter(|device| device.active).count();
    let total = devices.len();
    if arguments.json {
        print_json(&Report { version: 1, active, total, devices: &devices, problems: &problems })?;
    } else {
        for problem in &problems {
            eprintln!("hotspare: {}", clean(problem));
        }
        if devices.is_empty() {
            let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
            return Err(StatusError::NoDevice(roots.join(", ")).into());
        }
        print(&text(&devices, active, unix_ms()))?;
    }
    Ok(Outcome::well_if(total > 0 && active == total && problems.is_empty()))
}

fn text(devices: &[DeviceStatus], active: usize, now: u64) -> String {
    let mut table = Table::new(&[
        "address",
        "number",
        "type",
        "node",
        "engines",
        "state",
        "epoch",
        "health",
        "last event",
    ]);
    for device in devices {
        table.row(vec![
            device.address.to_string(),
            or_dash(device.number),
            device.kind.clone().unwrap_or_else(|| "-".into()),
            or_dash(device.node),
            or_dash(device.engines),
            device.state.into(),
            or_dash(device.epoch),
            device.health.map_or("-", hotspare_device::files::Health::name).into(),
            device.events.last().map_or_else(|| "-".into(), |event| tell(event, now)),
        ]);
    }
    format!("{}active {active} of {}\n", table.text(), devices.len())
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn tell(event: &RecordedEvent, now: u64) -> String {
    let seconds = now.saturating_sub(event.unix_ms) / 1000;
    let age = match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    };
    format!("{} {age} ago: {}", event.event, event.why)
}

/// An address as JSON has it.
fn address<S: serde::Serializer>(address: &Bdf, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(address)
}
