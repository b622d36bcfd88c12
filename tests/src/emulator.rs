//! A running emulator and its faults.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Program};
use crate::programs;
use crate::scratch::Scratch;

/// How long a start may take: device processes of aws-lc on a busy machine.
const START: Duration = Duration::from_secs(20);
/// How long an order may take.
const ORDER: Duration = Duration::from_secs(10);

/// `hotspare-emulator run` with a directory of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    // Before the directory that it uses.
    _program: Program,
    devices: usize,
    root: Scratch,
}

impl Emulator {
    /// Starts one with so many devices and waits until it is ready.
    #[must_use]
    pub fn start(devices: usize) -> Self {
        let root = Scratch::new();
        let mut command = Command::new(programs::emulator());
        command.arg("run").arg("--root").arg(root.path());
        command.args(["--devices", &devices.to_string()]);
        let program = Program::start(command);
        program.wait_for_line("ready", START);
        Self { _program: program, devices, root }
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
    pub fn inject(&self, device: usize, fault: &str) {
        self.order(&["inject"], &[&device.to_string(), fault]);
    }

    /// `hotspare-emulator reset`.
    pub fn reset(&self, device: usize) {
        self.order(&["reset"], &[&device.to_string()]);
    }

    fn order(&self, verb: &[&str], arguments: &[&str]) {
        let mut command = Command::new(programs::emulator());
        command.args(verb).arg("--root").arg(self.root()).args(arguments);
        process::run(command, ORDER);
    }
}
