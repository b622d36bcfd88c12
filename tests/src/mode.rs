//! The ways in which one suite runs: who computes, and with what behind it.

use std::fs;
use std::sync::Arc;

use hotspare_device::stats::{Counter, Sum, read_all};

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

/// Where counters are published, below a setup's directory.
const STATS: &str = "stats";
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

    /// Whether devices died with requests in flight, of which some were replayed by the other device and some in
    /// software.
    #[must_use]
    pub fn has_replayed(&self) -> bool {
        let counters = self.counters();
        [Counter::Dummies, Counter::ReplayedHardware, Counter::ReplayedSoftware]
            .iter()
            .all(|counter| counters.value(*counter) > 0)
    }

    /// The counters of this process, and of no other setup in it. Empty in the mode without Hotspare.
    ///
    /// # Panics
    /// If they can't be read.
    #[must_use]
    pub fn counters(&self) -> Sum {
        let mut sum = Sum::default();
        let (processes, errors) = read_all(&self.scratch.path().join(STATS)).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        for process in processes {
            sum.add(&process.sum);
        }
        sum
    }

    /// Makes sure that requests were computed where this mode has them computed, that the counters add up (law 2), and
    /// that no fault of a device was passed on. Nothing must be in flight.
    ///
    /// # Panics
    /// If not.
    pub fn check_counters(&self) {
        let sum = self.counters();
        let value = |counter| sum.value(counter);
        for counter in Counter::ALL.iter().filter(|counter| sum.value(**counter) > 0) {
            println!("{}={}", counter.name(), value(*counter));
        }
        assert_eq!(sum.imbalance(), 0, "law 2");
        for none in [Counter::InFlight, Counter::Refused, Counter::Abandoned, Counter::WrongAnswers] {
            assert_eq!(value(none), 0, "{}", none.name());
        }
        let (submitted, hardware) = (value(Counter::Submitted), value(Counter::Hardware));
        match self.mode {
            Mode::DefaultProvider => assert_eq!(submitted, 0),
            Mode::Software => {
                assert!(submitted > 0);
                assert_eq!(hardware + value(Counter::ReplayedHardware), 0, "there is no hardware");
            }
            // Of a busy machine a few may miss their deadline, and the first requests come before a device is joined.
            Mode::Devices => assert!(hardware > submitted / 2, "{hardware} of {submitted} by a device"),
            Mode::DyingDevices => {
                assert!(hardware > 0);
                assert!(value(Counter::DevicesLeft) > 0, "no death was noticed");
                assert!(
                    value(Counter::DevicesJoined) > DEVICES.try_into().unwrap(),
                    "no device was taken back into use"
                );
            }
        }
    }
}

fn library(mode: Mode, emulator: Option<&Emulator>, scratch: &Scratch) -> Library {
    let file = scratch.path().join("openssl.cnf");
    let stats = scratch.path().join(STATS);
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
