//! Finding out how the devices fare: from the driver's files, the emulator's, and the daemon's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hotspare_device::Bdf;
use hotspare_device::State;
use hotspare_device::files::{
    AdminState, DeviceFiles, DeviceInfo, EmulatorPaths, Health, InfoError, MonitorPaths, MonitorState,
    MonitoredDevice, RecordedEvent,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Serialize;

/// One device. What is not known is none.
#[derive(Debug, Serialize)]
pub(super) struct DeviceStatus {
    pub(super) root: PathBuf,
    #[serde(serialize_with = "super::address")]
    pub(super) address: Bdf,
    pub(super) number: Option<u32>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) node: Option<u32>,
    pub(super) engines: Option<u32>,
    pub(super) instances: Option<u32>,
    pub(super) state: &'static str,
    pub(super) epoch: Option<u64>,
    pub(super) health: Option<Health>,
    pub(super) active: bool,
    pub(super) events: Vec<RecordedEvent>,
}

/// All devices in the order of roots and addresses, and what could not be found out.
pub(super) struct Found {
    pub(super) devices: Vec<DeviceStatus>,
    pub(super) problems: Vec<String>,
}

pub(super) fn find(roots: &[PathBuf], monitor: &MonitorPaths) -> Found {
    let mut found = Found { devices: Vec::new(), problems: Vec::new() };
    let monitor = read_monitor(monitor, &mut found.problems);
    for root in roots {
        let monitored = monitor.as_ref().filter(|state| same(&state.root, root));
        find_under(root, monitored, &mut found);
    }
    found
}

/// What the daemon says, if one runs.
fn read_monitor(paths: &MonitorPaths, problems: &mut Vec<String>) -> Option<MonitorState> {
    match MonitorState::read(paths) {
        Ok(state) if state.is_current() => Some(state),
        Ok(state) => {
            problems.push(format!(
                "{} was left by a hotspare-hbd (pid {}) that no longer writes it: start it again",
                paths.state().display(),
                state.pid
            ));
            None
        }
        // No daemon is no problem.
        Err(InfoError::Absent(_)) => None,
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    resolved(one) == resolved(other)
}

fn find_under(root: &Path, monitor: Option<&MonitorState>, found: &mut Found) {
    let paths = EmulatorPaths::new(root);
    let mut addresses = BTreeSet::new();
    let mut described = Vec::new();
    match DeviceInfo::read_all(&paths) {
        Ok(all) => {
            for one in all {
                match one {
                    Ok(info) => described.push(info),
                    Err(error) => found.problems.push(error.to_string()),
                }
            }
        }
        Err(InfoError::Absent(_)) => {}
        Err(error) => found.problems.push(error.to_string()),
    }
    let runs = described.is_empty() || listens(&paths.control_socket());
    if !runs {
        let why = "no hotspare-emulator runs under it any more: start it again";
        found.problems.push(format!("{}: {why}", root.display()));
    }
    let files = DeviceFiles::discover(root).unwrap_or_else(|error| {
        found.problems.push(error.to_string());
        Vec::new()
    });
    addresses.extend(described.iter().map(|info| info.address));
    addresses.extend(files.iter().map(DeviceFiles::address));
    for address in addresses {
        let info = described.iter().find(|info| info.address == address);
        let files = files.iter().find(|files| files.address() == address);
        let monitored =
            monitor.and_then(|state| state.devices.iter().find(|device| device.address == address));
        found.devices.push(status(root, address, info, files, monitored, runs));
    }
}

fn status(
    root: &Path,
    address: Bdf,
    info: Option<&DeviceInfo>,
    files: Option<&DeviceFiles>,
    monitored: Option<&MonitoredDevice>,
    emulator_runs: bool,
) -> DeviceStatus {
    let state = match info {
        Some(_) if !emulator_runs => State::Removed.name(),
        Some(info) => info.state.name(),
        None => match files.map(DeviceFiles::state) {
            Some(Ok(AdminState::Up)) => State::Up.name(),
            Some(Ok(AdminState::Down)) => State::Down.name(),
            Some(Err(error)) if !error.is_absent() => "unreadable",
            _ => State::Removed.name(),
        },
    };
    let failed = monitored.is_some_and(|device| matches!(device.health, Health::Failed | Health::Resetting));
    let mut events = info.map(|info| info.events.clone()).unwrap_or_default();
    events.extend(monitored.map(|device| device.events.clone()).unwrap_or_default());
    events.sort_by_key(|event| event.unix_ms);
    DeviceStatus {
        root: root.to_owned(),
        address,
        number: info.map(|info| info.number).or(monitored.map(|device| device.number)),
        kind: info.map(|info| info.kind.clone()).or_else(|| files?.kind().map(str::to_owned)),
        node: info.map(|info| info.node).or_else(|| files?.numa_node().ok().flatten()),
        engines: info.map(|info| info.engines),
        instances: info.map(|info| info.instances).or_else(|| files?.ring_pairs().ok()),
        state,
        epoch: info.map(|info| info.epoch),
        health: monitored.map(|device| device.health),
        active: state == State::Up.name() && !failed,
        events,
    }
}

/// Whether somebody listens at a Unix socket. Where that can't be found out, it is believed.
fn listens(path: &Path) -> bool {
    let Ok(address) = SocketAddrUnix::new(path) else { return true };
    // Not blocking: a listener whose queue is full is one.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(socket) = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else {
        return true;
    };
    !matches!(rustix::net::connect(&socket, &address), Err(Errno::NOENT | Errno::CONNREFUSED))
}
