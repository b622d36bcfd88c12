//! A running emulator under a root of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hotspare_device::Bdf;
use hotspare_device::State;
use hotspare_device::files::{DeviceFiles, DeviceInfo, EmulatorPaths};
use rustix::process::{Pid, Signal};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hotspare-emulator");

/// Nothing here takes longer, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that goes with this value.
pub(crate) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hotspare-emulator-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An emulator, ended by its number when dropped.
pub(crate) struct Machine {
    process: Child,
    root: TemporaryDirectory,
}

impl Machine {
    /// One that is ready, with these options besides the root. It sends no uevents.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_under(TemporaryDirectory::new(), &[options, &["--no-uevents"]].concat())
    }

    /// As [`Machine::start`], under a root that exists, and with uevents unless the options say otherwise.
    pub(crate) fn start_under(root: TemporaryDirectory, options: &[&str]) -> Self {
        let mut process = command("run", root.path())
            .args(options)
            .env("HOTSPARE_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { process, root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Address of the device with this number, if numbers begin at 0.
    pub(crate) fn address(&self, number: usize) -> Bdf {
        ["0000:6b:00.0", "0000:70:00.0", "0000:75:00.0"][number].parse().unwrap()
    }

    pub(crate) fn socket(&self, number: usize) -> PathBuf {
        EmulatorPaths::new(self.root()).socket(self.address(number))
    }

    pub(crate) fn info(&self, number: usize) -> DeviceInfo {
        DeviceInfo::read(&EmulatorPaths::new(self.root()), self.address(number)).unwrap()
    }

    pub(crate) fn files(&self, number: usize) -> DeviceFiles {
        DeviceFiles::new(self.root(), self.address(number), Some(&self.info(number).kind))
    }

    /// The process of a device.
    pub(crate) fn device_pid(&self, number: usize) -> Pid {
        Pid::from_raw(self.info(number).pid.unwrap().try_into().unwrap()).unwrap()
    }

    pub(crate) fn kill_device(&self, number: usize) {
        rustix::process::kill_process(self.device_pid(number), Signal::KILL).unwrap();
    }

    pub(crate) fn inject(&self, number: usize, fault: &str) {
        self.inject_by_name(&self.address(number).to_string(), fault).succeed();
    }

    pub(crate) fn inject_by_name(&self, device: &str, fault: &str) -> Output {
        command("inject", self.root()).args([device, fault]).output().unwrap()
    }

    pub(crate) fn reset(&self, number: usize) {
        self.try_reset(number).succeed();
    }

    pub(crate) fn try_reset(&self, number: usize) -> Output {
        command("reset", self.root()).arg(self.address(number).to_string()).output().unwrap()
    }

    /// Waits until the info file says so.
    pub(crate) fn wait_for(&self, number: usize, state: State) -> DeviceInfo {
        eventually(&format!("device {number} is {state}"), || {
            let info = self.info(number);
            (info.state == state).then_some(info)
        })
    }

    /// Asks the emulator to end, and gives how it did, and its root.
    pub(crate) fn end(mut self, signal: Signal) -> (ExitStatus, TemporaryDirectory) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
        let status = self.process.wait().unwrap();
        (status, std::mem::replace(&mut self.root, TemporaryDirectory::new()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program with a subcommand and its root.
pub(crate) fn command(subcommand: &str, root: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg(subcommand).arg("--root").arg(root).stdin(Stdio::null());
    command
}

pub(crate) trait Succeed {
    /// The output of a command that has succeeded.
    fn succeed(self) -> String;
    /// What a command that has failed says.
    fn fail(self) -> String;
}

impl Succeed for Output {
    fn succeed(self) -> String {
        assert!(self.status.success(), "{}", String::from_utf8_lossy(&self.stderr));
        String::from_utf8(self.stdout).unwrap()
    }

    fn fail(self) -> String {
        assert!(!self.status.success(), "{}", String::from_utf8_lossy(&self.stdout));
        String::from_utf8(self.stderr).unwrap()
    }
}

/// Looks until `look` finds something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
