//! The ways in which one suite runs: who computes, and with what behind it.

use std::fs;
use std::sync::Arc;

use crate::chaos::Chaos;
use crate::emulator::Emulator;
use crate::openssl::{Library, Side};
use crate::programs;
use crate::scratch::Scratch;

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// OpenSSL's default provider: it checks the suite itself.
    DefaultProvider,
    /// Hotspare with no device.
    Software,
    /// Hotspare with two devices.
    Devices,
    /// Hotspare with two devices that fail and come back all the while.
    DyingDevices,
}

/// A mode in action.
#[derive(Debug)]
pub struct Setup {
    mode: Mode,
    tested: Side,
    reference: Side,
    // Stops before the emulator that it breaks.
    chaos: Option<Chaos>,
    emulator: Option<Arc<Emulator>>,
    scratch: Scratch,
}

/// How many devices there are in the modes that have any.
const DEVICES: usize = 2;

impl Setup {
    /// Makes everything that `mode` needs; `seed` decides which device dies when.
    #[must_use]
    pub fn new(mode: Mode, seed: u64) -> Self {
        let scratch = Scratch::new();
        let emulator =
            matches!(mode, Mode::Devices | Mode::DyingDevices).then(|| Arc::new(Emulator::start(DEVICES)));
        let library = Arc::new(library(mode, emulator.as_deref(), &scratch));
        let reference = Side::new(&library, "default");
        let tested = match mode {
            Mode::DefaultProvider => reference.clone(),
            _ => Side::new(&library, "hotspare"),
        };
        let chaos = match (mode, &emulator) {
            (Mode::DyingDevices, Some(emulator)) => Some(Chaos::start(emulator, seed)),
            _ => None,
        };
        Self { mode, tested, reference, chaos, emulator, scratch }
    }

    /// Which mode this is.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Who is tested.
    #[must_use]
    pub fn tested(&self) -> &Side {
        &self.tested
    }

    /// OpenSSL's default provider in the same library context, so that both may use the same keys.
    #[must_use]
    pub fn reference(&self) -> &Side {
        &self.reference
    }

    /// The devices, if the mode has any.
    #[must_use]
    pub fn emulator(&self) -> Option<&Emulator> {
        self.emulator.as_deref()
    }

    /// How often a device has died so far.
    #[must_use]
    pub fn deaths(&self) -> usize {
        self.chaos.as_ref().map_or(0, Chaos::deaths)
    }

    /// Where this process publishes its counters.
    #[must_use]
    pub fn stats_directory(&self) -> std::path::PathBuf {
        self.scratch.path().join("stats")
    }
}

fn library(mode: Mode, emulator: Option<&Emulator>, scratch: &Scratch) -> Library {
    let file = scratch.path().join("openssl.cnf");
    let stats = scratch.path().join("stats");
    fs::create_dir(&stats).unwrap();
    let mut providers = String::from("default = default_section\n");
    let mut sections = String::from("[default_section]\nactivate = 1\n");
    if mode != Mode::DefaultProvider {
        let devices = emulator.map_or_else(|| "none".to_owned(), Emulator::specification);
        let (module, stats) = (programs::provider_module(), stats.display());
        providers += "hotspare = hotspare_section\n";
        sections += &format!(
            "[hotspare_section]\nactivate = 1\nmodule = {}\ndevices = {devices}\nstats_dir = {stats}\n",
            module.display()
        );
    }
    let text =
        format!("openssl_conf = all\n[all]\nproviders = providers\n[providers]\n{providers}{sections}");
    fs::write(&file, text).unwrap();
    Library::load(&file).unwrap_or_else(|error| panic!("{mode:?}: {error}"))
}
