//! A running emulator and its faults.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hotspare_device::files::{DeviceInfo, EmulatorPaths};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::process::{self, Program};
use crate::programs;
use crate::scratch::Scratch;

/// How long a start may take: device processes of aws-lc on a busy machine.
const START: Duration = Duration::from_secs(20);
/// How soon a device is back whose process was killed.
const RESPAWN_SECONDS: &str = "0.2";
/// How long an order may take.
const ORDER: Duration = Duration::from_secs(10);

/// `hotspare-emulator run` with a directory of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    // Before the directory that it uses.
    program: Program,
    devices: usize,
    root: Scratch,
}

impl Emulator {
    /// Starts one with so many devices and waits until it is ready.
    #[must_use]
    pub fn start(devices: usize) -> Self {
        Self::start_with(devices, &[])
    }

    /// The same, with more options of `hotspare-emulator run`.
    #[must_use]
    pub fn start_with(devices: usize, options: &[&str]) -> Self {
        let root = Scratch::new();
        let mut command = Command::new(programs::emulator());
        command.arg("run").arg("--root").arg(root.path());
        command.args(["--devices", &devices.to_string(), "--respawn", RESPAWN_SECONDS]).args(options);
        let program = Program::start(command);
        program.wait_for_line("ready", START);
        Self { program, devices, root }
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// How many devices it has.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.devices
    }

    /// The specification that names its devices in a configuration.
    #[must_use]
    pub fn specification(&self) -> String {
        format!("emulated:{}", self.root().display())
    }

    /// `hotspare-emulator inject`.
    ///
    /// # Errors
    /// What it says: a device that is away can't fail.
    pub fn inject(&self, device: usize, fault: &str) -> Result<(), String> {
        self.order("inject", &[&device.to_string(), fault])
    }

    /// `hotspare-emulator reset`.
    ///
    /// # Errors
    /// What it says: a device that is away can't be reset.
    pub fn reset(&self, device: usize) -> Result<(), String> {
        self.order("reset", &[&device.to_string()])
    }

    /// Kills the process of a device (SIGKILL): a surprise removal. Its supervisor starts it again. False if the device has
    /// no process at this moment.
    pub fn kill_device(&self, device: usize) -> bool {
        let Some(pid) = self.device_process(device) else { return false };
        // A descriptor of the process that it is now: what it is shown to be cannot become another before the signal.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        parent_of(pid) == Some(self.program.id()) && pidfd_send_signal(&process, Signal::KILL).is_ok()
    }

    fn device_process(&self, device: usize) -> Option<Pid> {
        let infos = DeviceInfo::read_all(&EmulatorPaths::new(self.root())).unwrap();
        let number = u32::try_from(device).unwrap();
        let info = infos.into_iter().filter_map(Result::ok).find(|info| info.number == number)?;
        Pid::from_raw(info.pid?.try_into().ok()?)
    }

    fn order(&self, verb: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(programs::emulator());
        command.arg(verb).arg("--root").arg(self.root()).args(arguments);
        process::run(command, ORDER).map(drop)
    }
}

/// The parent of a process (proc(5), `/proc/PID/stat`, field 4).
fn parent_of(pid: Pid) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(1)?.parse().ok()
}
