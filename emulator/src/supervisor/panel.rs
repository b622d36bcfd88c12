//! What the outside sees of one device: the kernel's files, the info file, uevents.
//!
//! A file that can't be written is logged and passed over: the device works on, as a real one would.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hotspare_device::files::{
    AdminState, Answer, DeviceFiles, DeviceInfo, EmulatorPaths, FileError, RecordedEvent, remember,
    write_in_place,
};
use hotspare_device::{Bdf, State};

use super::announcer::Announcer;
use super::watch::{Watch, Watched};
use crate::settings::Settings;

/// The services that a device offers; an emulated one computes what `asym` stands for, the word changes nothing.
const DEFAULT_SERVICES: &str = "sym;asym";

/// What `cfg_services` takes (`Documentation/ABI/testing/sysfs-driver-qat`).
const SERVICES: &[&str] =
    &["sym;asym", "asym;sym", "sym", "asym", "dc", "dcc", "sym;dc", "dc;sym", "asym;dc", "dc;asym"];

/// What somebody wrote to `qat/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of its words.
    State(AdminState),
    /// Nothing: somebody is about to write again, and has truncated the file.
    Nothing,
    /// Something else.
    Nonsense,
}

/// One device's files, and the last content of those that others write too.
pub(super) struct Panel {
    index: usize,
    files: DeviceFiles,
    paths: EmulatorPaths,
    info: DeviceInfo,
    fatal_errors: u32,
    services: String,
}

impl Panel {
    pub(super) fn new(settings: &Settings, index: usize, address: Bdf, number: u32) -> Self {
        let kind = settings.generation.kind();
        let paths = EmulatorPaths::new(&settings.root);
        // Users that outlived an earlier run must not take this one's answers for that one's.
        let epoch = DeviceInfo::read(&paths, address).map_or(0, |info| info.epoch);
        let info = DeviceInfo {
            version: DeviceInfo::VERSION,
            address,
            number,
            kind: kind.to_owned(),
            node: 0,
            engines: settings.engines,
            instances: settings.instances,
            state: State::Down,
            epoch,
            pid: None,
            events: Vec::new(),
        };
        Self {
            index,
            files: DeviceFiles::new(&settings.root, address, Some(kind)),
            paths,
            info,
            fatal_errors: 0,
            services: DEFAULT_SERVICES.to_owned(),
        }
    }

    pub(super) fn address(&self) -> Bdf {
        self.info.address
    }

    pub(super) fn number(&self) -> u32 {
        self.info.number
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.paths.socket(self.info.address)
    }

    /// The epoch that was published last, by this run or an earlier one.
    pub(super) fn epoch(&self) -> u64 {
        self.info.epoch
    }

    /// The device has appeared on its bus: makes its files.
    pub(super) fn appear(&mut self, watch: &mut Watch) {
        self.log(self.files.publish_device(self.info.instances, Some(self.info.node)));
        self.fatal_errors = 0;
        self.log(self.write_more_files());
        for (file, path) in [
            (Watched::State, self.settings_file("state")),
            (Watched::AutoReset, self.settings_file("auto_reset")),
            (Watched::Services, self.settings_file("cfg_services")),
            (Watched::ResetErrorCounters, self.errors_file("reset_error_counters")),
        ] {
            watch.add(self.index, file, &path);
        }
    }

    fn write_more_files(&self) -> Result<(), FileError> {
        let put = |path: PathBuf, content: &str| {
            write_in_place(&path, content.as_bytes()).map_err(|source| FileError::System { path, source })
        };
        let ras = self.files.pci_directory().join("qat_ras");
        fs::create_dir_all(&ras).map_err(|source| FileError::System { path: ras, source })?;
        put(self.settings_file("cfg_services"), &format!("{}\n", self.services))?;
        put(self.settings_file("pm_idle_enabled"), "0\n")?;
        for name in ["errors_correctable", "errors_nonfatal", "errors_fatal"] {
            put(self.errors_file(name), "0\n")?;
        }
        put(self.errors_file("reset_error_counters"), "")
    }

    /// The device is gone from its bus.
    pub(super) fn vanish(&mut self, watch: &mut Watch) {
        watch.forget(self.index);
        self.log(self.files.publish_removal());
        let _ = fs::remove_file(self.socket());
    }

    /// Publishes state, epoch and the process in the info file.
    pub(super) fn show(&mut self, state: State, epoch: u64, pid: Option<u32>) {
        (self.info.state, self.info.epoch, self.info.pid) = (state, epoch, pid);
        if let Err(error) = self.info.write(&self.paths) {
            tracing::warn!("{error}");
        }
    }

    /// Makes `qat/state` say what is so, if it says something else.
    pub(super) fn show_admin_state(&self, state: AdminState, watch: &mut Watch) {
        if self.files.state().ok() != Some(state) {
            watch.own_write(self.index, Watched::State);
            self.log(self.files.publish_state(state));
        }
    }

    /// Makes `qat/auto_reset` say what is so, in the driver's words.
    pub(super) fn show_auto_reset(&self, on: bool, watch: &mut Watch) {
        if self.files.auto_reset().ok() != Some(on) {
            watch.own_write(self.index, Watched::AutoReset);
            self.log(self.files.publish_auto_reset(on));
        }
    }

    /// `heartbeat/` appears.
    pub(super) fn show_heartbeat(&self, timer: Duration, watch: &mut Watch) {
        self.log(self.files.publish_heartbeat(timer));
        if let Ok(directory) = self.files.heartbeat() {
            watch.add(self.index, Watched::Timer, &directory.join("config"));
        }
    }

    /// `heartbeat/` vanishes.
    pub(super) fn hide_heartbeat(&self) {
        self.log(self.files.publish_no_heartbeat());
    }

    pub(super) fn show_check(&self, answer: Answer, sent: u32, failed: u32) {
        self.log(self.files.publish_check(answer, sent, failed));
    }

    /// Makes `heartbeat/config` say what is so, if it says something else.
    pub(super) fn show_timer(&self, timer: Duration, watch: &mut Watch) {
        if self.files.timer().ok() != Some(timer) {
            watch.own_write(self.index, Watched::Timer);
            self.log(self.files.publish_timer(timer));
        }
    }

    /// What somebody wrote to `heartbeat/config`.
    pub(super) fn wanted_timer(&self) -> Option<Duration> {
        self.files.timer().ok()
    }

    /// What stands in `qat/state`.
    pub(super) fn wanted_state(&self) -> Wanted {
        match self.files.state() {
            Ok(state) => Wanted::State(state),
            Err(FileError::Malformed { text, .. }) if text.is_empty() => Wanted::Nothing,
            Err(_) => Wanted::Nonsense,
        }
    }

    /// What somebody wrote to `qat/auto_reset`, in any of the words that the kernel takes for a switch
    /// (`kstrtobool`).
    pub(super) fn wanted_auto_reset(&self) -> Option<bool> {
        let text = fs::read_to_string(self.settings_file("auto_reset")).ok()?;
        match text.trim_end() {
            "on" | "On" | "ON" | "1" | "y" | "Y" | "yes" | "t" | "true" => Some(true),
            "off" | "Off" | "OFF" | "0" | "n" | "N" | "no" | "f" | "false" => Some(false),
            _ => None,
        }
    }

    /// `cfg_services` was written: taken while the device is down, put back otherwise.
    pub(super) fn services_written(&mut self, is_down: bool, watch: &mut Watch) {
        let path = self.settings_file("cfg_services");
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        match SERVICES.iter().find(|services| **services == wanted.trim_end()) {
            Some(services) if is_down => self.services = (*services).to_owned(),
            _ => {
                watch.own_write(self.index, Watched::Services);
                let content = format!("{}\n", self.services);
                self.log_io(&path, write_in_place(&path, content.as_bytes()));
            }
        }
    }

    /// One more in `qat_ras/errors_fatal`.
    pub(super) fn count_fatal_error(&mut self) {
        self.fatal_errors = self.fatal_errors.saturating_add(1);
        self.show_fatal_errors();
    }

    /// `qat_ras/reset_error_counters` was written.
    pub(super) fn reset_written(&mut self, watch: &mut Watch) {
        let path = self.errors_file("reset_error_counters");
        let content = fs::read(&path).unwrap_or_default();
        if content.is_empty() {
            return;
        }
        if content == b"1\n" || content == b"1" {
            self.fatal_errors = 0;
            self.show_fatal_errors();
        }
        watch.own_write(self.index, Watched::ResetErrorCounters);
        self.log_io(&path, write_in_place(&path, b""));
    }

    fn show_fatal_errors(&self) {
        let path = self.errors_file("errors_fatal");
        self.log_io(&path, write_in_place(&path, format!("{}\n", self.fatal_errors).as_bytes()));
    }

    /// Sends a uevent of the driver and remembers it.
    pub(super) fn announce(&mut self, event: &str, why: &str, announcer: &mut Announcer) {
        announcer.qat_event(self.info.address, self.info.number, event);
        self.remember(event, why);
    }

    /// Remembers an event, and publishes that.
    pub(super) fn remember(&mut self, event: &str, why: &str) {
        tracing::info!(device = %self.info.address, "{event}: {why}");
        remember(&mut self.info.events, RecordedEvent::now(event, why));
        if let Err(error) = self.info.write(&self.paths) {
            tracing::warn!("{error}");
        }
    }

    fn settings_file(&self, name: &str) -> PathBuf {
        self.files.settings().join(name)
    }

    fn errors_file(&self, name: &str) -> PathBuf {
        self.files.pci_directory().join("qat_ras").join(name)
    }

    fn log(&self, result: Result<(), FileError>) {
        if let Err(error) = result {
            tracing::warn!(device = %self.info.address, "{error}");
        }
    }

    fn log_io(&self, path: &std::path::Path, result: io::Result<()>) {
        self.log(result.map_err(|source| FileError::System { path: path.to_owned(), source }));
    }
}
