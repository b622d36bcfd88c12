//! The emulated accelerators.

use std::path::PathBuf;
use std::process::Command;

use hotspare_device::files::{DeviceInfo, EmulatorPaths};
use hotspare_device::{Bdf, State};
use rustix::process::{Pid, Signal};

use super::{Places, START_TIME};
use crate::error::{DemoError, strange, system};
use crate::process::{Program, run};

/// How many devices there are.
pub(crate) const DEVICES: usize = 2;

/// Seconds until a device whose process was killed is back.
const RESPAWN: &str = "2";

/// The running emulator.
pub(crate) struct Emulator {
    program: PathBuf,
    root: PathBuf,
    process: Program,
    /// The devices' addresses.
    pub(crate) devices: [Bdf; DEVICES],
}

impl Emulator {
    pub(super) fn start(places: &Places) -> Result<Self, DemoError> {
        let (program, root) = (places.program("hotspare-emulator"), places.emulator_root());
        let mut command = Command::new(&program);
        command.arg("run").arg("--root").arg(&root);
        command.args(["--devices", &DEVICES.to_string(), "--respawn", RESPAWN]);
        let log = places.log("emulator");
        let process = Program::start_until("hotspare-emulator", command, &log, "ready", START_TIME)?;
        let described = infos(&root)?;
        let addresses: Vec<_> = described.iter().map(|info| info.address).collect();
        let devices = addresses.try_into().map_err(|found: Vec<_>| DemoError::Strange {
            what: "what the emulator made".to_owned(),
            why: format!("{} devices instead of {DEVICES}", found.len()),
        })?;
        Ok(Self { program, root, process, devices })
    }

    pub(super) fn check(&mut self) -> Result<(), DemoError> {
        self.process.check()
    }

    /// Where its files are.
    pub(crate) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// Brings a fault about.
    pub(crate) fn inject(&self, device: Bdf, fault: &str) -> Result<(), DemoError> {
        self.order(&["inject"], &[&device.to_string(), fault])
    }

    /// Resets a device by hand.
    pub(crate) fn reset(&self, device: Bdf) -> Result<(), DemoError> {
        self.order(&["reset"], &[&device.to_string()])
    }

    /// Kills the process of a device with SIGKILL.
    pub(crate) fn kill(&self, device: Bdf) -> Result<(), DemoError> {
        let info = DeviceInfo::read(&EmulatorPaths::new(&self.root), device)
            .map_err(strange(format!("the description of {device}")))?;
        let pid = info.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| DemoError::Strange {
            what: format!("the description of {device}"),
            why: "it has no process".to_owned(),
        })?;
        rustix::process::kill_process(pid, Signal::KILL).map_err(system(format!("killing process {pid:?}")))
    }

    fn order(&self, verb: &[&str], what: &[&str]) -> Result<(), DemoError> {
        run(Command::new(&self.program).args(verb).arg("--root").arg(&self.root).args(what)).map(drop)
    }
}

/// How many devices are up, by the emulator's own files: cheap enough to be asked five times a second. What the daemon
/// thinks is in `hotspare status`, which is asked where it matters.
pub(crate) fn devices_up(root: &std::path::Path) -> usize {
    infos(root).map_or(0, |infos| infos.iter().filter(|info| info.state == State::Up).count())
}

fn infos(root: &std::path::Path) -> Result<Vec<DeviceInfo>, DemoError> {
    let infos = DeviceInfo::read_all(&EmulatorPaths::new(root)).map_err(strange("the emulator's files"))?;
    Ok(infos.into_iter().flatten().collect())
}
