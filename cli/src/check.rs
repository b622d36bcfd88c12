//! `hotspare check`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use hotspare_device::Bdf;
use hotspare_device::files::{CheckReply, CheckRequest, CheckResult, CheckTarget, MAX_REPLY, MonitorPaths};

use crate::output::{Outcome, Table, clean, print, print_json};

/// Check devices now, through the heartbeat daemon
///
/// The daemon is asked, since it must be the only one that reads a device's heartbeat/status. The check is made as soon
/// as the device's timer allows. The exit status is 0 if every device passed; those that failed are named.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The PCI address of one device, such as 0000:6b:00.0
    #[arg(value_name = "DEVICE", conflicts_with = "all")]
    device: Option<Bdf>,
    /// Every device that the daemon monitors: the default
    #[arg(long)]
    all: bool,
    /// The run directory of hotspare-hbd
    #[arg(long, value_name = "DIR", env = "HOTSPARE_RUN_DIR", default_value = MonitorPaths::DEFAULT)]
    run_dir: PathBuf,
    /// Print JSON: [{address, passed, health, why}]
    #[arg(long)]
    json: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(
        "no heartbeat daemon answers at {}: start `hotspare-hbd --config FILE`, or give its run_dir with --run-dir \
         ({source})", .path.display()
    )]
    NoDaemon { path: PathBuf, source: io::Error },
    #[error(
        "{} is not for this user: run as root, or set socket_mode in the configuration of hotspare-hbd", .path.display()
    )]
    NotAllowed { path: PathBuf },
    #[error(
        "the heartbeat daemon at {} gave no reply: it has too many clients, or ends; try again ({source})",
        .path.display()
    )]
    NoReply { path: PathBuf, source: io::Error },
    #[error("what answers at {} is no hotspare-hbd of this release: {why}", .path.display())]
    Protocol { path: PathBuf, why: String },
    #[error("{0}")]
    Refused(String),
}

/// The daemon answers within a device's timer and two seconds; timers are some hundred milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Box<dyn std::error::Error>> {
    let target = arguments.device.map_or(CheckTarget::All, CheckTarget::Device);
    let results = ask(&MonitorPaths::new(&arguments.run_dir), target)?;
    if arguments.json {
        print_json(&results)?;
    } else {
        let mut table = Table::new(&["address", "result", "health", "why"]);
        for CheckResult { address, passed, health, why } in &results {
            let result = if *passed { "passed" } else { "FAILED" };
            table.row(vec![address.to_string(), result.into(), health.name().into(), why.clone()]);
        }
        print(&table.text())?;
    }
    let failed: Vec<_> =
        results.iter().filter(|result| !result.passed).map(|result| result.address.to_string()).collect();
    if !failed.is_empty() {
        eprintln!("hotspare: failed: {}", failed.join(", "));
    }
    Ok(Outcome::well_if(failed.is_empty() && !results.is_empty()))
}

fn ask(paths: &MonitorPaths, target: CheckTarget) -> Result<Vec<CheckResult>, CheckError> {
    let path = paths.socket();
    let stream = UnixStream::connect(&path).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => CheckError::NotAllowed { path: path.clone() },
        _ => CheckError::NoDaemon { path: path.clone(), source },
    })?;
    let reply =
        exchange(&stream, target).map_err(|source| CheckError::NoReply { path: path.clone(), source })?;
    match serde_json::from_slice(&reply) {
        Ok(CheckReply::Results(results)) => Ok(results),
        Ok(CheckReply::Error(why)) => Err(CheckError::Refused(clean(&why))),
        Err(error) => Err(CheckError::Protocol { path, why: error.to_string() }),
    }
}

fn exchange(stream: &UnixStream, target: CheckTarget) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = CheckRequest { version: CheckRequest::VERSION, check: target };
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    let mut to = stream;
    to.write_all(&line)?;
    let mut reply = Vec::new();
    let limit = u64::try_from(MAX_REPLY).unwrap_or(u64::MAX);
    BufReader::new(stream.take(limit)).read_until(b'\n', &mut reply)?;
    if reply.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(reply) }
}
