//! What the outside sees of one device: the kernel's files, the info file, uevents.
//!
//! A file that can't be written is logged and passed over: the device works on, as a real one would.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use hotspare_device::files::{
    AdminState, Answer, DeviceFiles, DeviceInfo, EmulatorPaths, FileError, RecordedEvent, remember,
    write_in_place,
};
use hotspare_device::{Bdf, State};

use super::watch::{self, Watch, Watched};
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
        watch.add(self.index, &self.files.settings());
        watch.add(self.index, &self.errors_directory());
    }

    fn write_more_files(&self) -> Result<(), FileError> {
        let put = |path: PathBuf, content: &str| {
            write_in_place(&path, content.as_bytes()).map_err(|source| FileError::System { path, source })
        };
        let ras = self.errors_directory();
        fs::create_dir_all(&ras).map_err(|source| FileError::System { path: ras, source })?;
        put(self.settings_file("cfg_services"), &format!("{}\n", self.services))?;
        put(self.settings_file("pm_idle_enabled"), "0\n")?;
        for name in ["errors_correctable", "errors_nonfatal", "errors_fatal"] {
            put(self.errors_file(name), "0\n")?;
        }
        put(self.errors_file("reset_error_counters"), "")
    }

    /// The device is gone from its bus.
    pub(super) fn vanish(&mut self) {
        self.log(self.files.publish_removal());
        let _ = fs::remove_file(self.socket());
    }

    /// What the info file says of the device from its next writing on.
    pub(super) fn set_state(&mut self, state: State, epoch: u64, pid: Option<u32>) {
        (self.info.state, self.info.epoch, self.info.pid) = (state, epoch, pid);
    }

    /// Writes what happened, and the state that goes with it, to log and info file.
    pub(super) fn record(&mut self, event: &str, why: &str) {
        tracing::info!(device = %self.info.address, "{event}: {why}");
        remember(&mut self.info.events, RecordedEvent::now(event, why));
        self.write_info();
    }

    pub(super) fn write_info(&self) {
        if let Err(error) = self.info.write(&self.paths) {
            tracing::warn!("{error}");
        }
    }

    /// Makes `qat/state` say what is so, if it says something else.
    pub(super) fn show_admin_state(&self, state: AdminState) {
        self.put_back(Watched::State, &format!("{state}\n"));
    }

    /// Makes `qat/auto_reset` say what is so, in the driver's words.
    pub(super) fn show_auto_reset(&self, on: bool) {
        self.put_back(Watched::AutoReset, if on { "on\n" } else { "off\n" });
    }

    /// `heartbeat/` appears.
    pub(super) fn show_heartbeat(&self, timer: Duration, watch: &mut Watch) {
        self.log(self.files.publish_heartbeat(timer));
        if let Ok(directory) = self.files.heartbeat() {
            watch.add(self.index, &directory);
        }
    }

    /// `heartbeat/` vanishes.
    pub(super) fn hide_heartbeat(&self) {
        self.log(self.files.publish_no_heartbeat());
    }

    pub(super) fn show_check(&self, answer: Answer, sent: u32, failed: u32) {
        self.log(self.files.publish_check(answer, sent, failed));
    }

    /// Makes `heartbeat/config` say what is so, with the NUL that debugfs files of the driver end with.
    pub(super) fn show_timer(&self, timer: Duration) {
        self.put_back(Watched::Timer, &format!("{}\n\0", timer.as_millis()));
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

    /// What somebody wrote to `qat/auto_reset`, in any of the words that the kernel takes for a switch: it looks at the
    /// first letter, or the first two (`kstrtobool`).
    pub(super) fn wanted_auto_reset(&self) -> Option<bool> {
        let text = self.content(Watched::AutoReset).to_ascii_lowercase();
        match text.as_bytes() {
            [b'y' | b't' | b'1', ..] | [b'o', b'n', ..] => Some(true),
            [b'n' | b'f' | b'0', ..] | [b'o', b'f', ..] => Some(false),
            _ => None,
        }
    }

    /// `cfg_services` was written: taken while the device is down, put back otherwise.
    pub(super) fn services_written(&mut self, is_down: bool) {
        let wanted = self.content(Watched::Services);
        if let Some(services) = SERVICES.iter().find(|services| **services == wanted.trim_end()) {
            if is_down {
                self.services = (*services).to_owned();
            }
        }
        self.put_back(Watched::Services, &format!("{}\n", self.services));
    }

    /// One more in `qat_ras/errors_fatal`.
    pub(super) fn count_fatal_error(&mut self) {
        self.fatal_errors = self.fatal_errors.saturating_add(1);
        self.show_fatal_errors();
    }

    /// `qat_ras/reset_error_counters` was written.
    pub(super) fn reset_written(&mut self) {
        if matches!(self.content(Watched::ResetErrorCounters).as_str(), "1\n" | "1") {
            self.fatal_errors = 0;
            self.show_fatal_errors();
        }
        // It can't be read from the kernel; nor does it keep here what was written.
        self.put_back(Watched::ResetErrorCounters, "");
    }

    /// The beginning of a file that others write, which is never longer than this if it makes sense.
    fn content(&self, file: Watched) -> String {
        let mut content = String::new();
        let _ = self
            .path(file)
            .and_then(|path| fs::File::open(path).ok())
            .and_then(|file| file.take(64).read_to_string(&mut content).ok());
        content
    }

    /// Makes a file that others write say what is so, if it says something else.
    fn put_back(&self, file: Watched, content: &str) {
        let Some(path) = self.path(file) else { return };
        if self.content(file) != content {
            self.log(watch::replace(&path, content).map_err(|source| FileError::System { path, source }));
        }
    }

    fn path(&self, file: Watched) -> Option<PathBuf> {
        let directory = match file {
            Watched::State | Watched::AutoReset | Watched::Services => self.files.settings(),
            Watched::ResetErrorCounters => self.errors_directory(),
            Watched::Timer => self.files.heartbeat().ok()?,
        };
        Some(directory.join(file.name()))
    }

    fn show_fatal_errors(&self) {
        let path = self.errors_file("errors_fatal");
        let written = write_in_place(&path, format!("{}\n", self.fatal_errors).as_bytes());
        self.log(written.map_err(|source| FileError::System { path, source }));
    }

    fn settings_file(&self, name: &str) -> PathBuf {
        self.files.settings().join(name)
    }

    fn errors_directory(&self) -> PathBuf {
        self.files.pci_directory().join("qat_ras")
    }

    fn errors_file(&self, name: &str) -> PathBuf {
        self.errors_directory().join(name)
    }

    fn log(&self, result: Result<(), FileError>) {
        if let Err(error) = result {
            tracing::warn!(device = %self.info.address, "{error}");
        }
    }
}
