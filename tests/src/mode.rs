//! The ways in which one suite runs: who computes, and with what behind it.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hotspare_device::stats::{Counter, Sum, read_all};

use crate::chaos::Chaos;
use crate::emulator::Emulator;
use crate::openssl::{Library, Side};
use crate::scratch::Scratch;
use crate::{jobs, programs, random};

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// OpenSSL's default provider: it checks the suite itself.
    DefaultProvider,
    /// Hotspare with no device.
    Software,
    /// Hotspare with two devices.
    Devices,
    /// Hotspare with two devices, each operation in an ASYNC job, several jobs side by side.
    Asynchronous,
    /// Hotspare with two devices that fail and come back all the while.
    DyingDevices,
}

/// Makes a test of each mode, which runs a function of the mode.
#[macro_export]
macro_rules! in_every_mode {
    ($run:path) => {
        #[test]
        fn default_provider() {
            $run($crate::mode::Mode::DefaultProvider);
        }

        #[test]
        fn software() {
            $run($crate::mode::Mode::Software);
        }

        #[test]
        fn by_device() {
            $run($crate::mode::Mode::Devices);
        }

        #[test]
        fn asynchronously() {
            $run($crate::mode::Mode::Asynchronous);
        }

        #[test]
        fn with_devices_dying_all_the_while() {
            $run($crate::mode::Mode::DyingDevices);
        }
    };
}

/// Runs a suite in `mode`, and holds the counters against what that mode promises. One mode of a program at a time: each alone
/// keeps the machine busy.
///
/// # Panics
/// If the suite does, or the counters are not as they must be.
pub fn run(mode: Mode, suite: impl FnOnce(&Setup)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    let setup = Setup::new(mode, random::seed());
    suite(&setup);
    println!("{mode:?}: {:.1} s, {} deaths", begun.elapsed().as_secs_f32(), setup.deaths());
    setup.check_counters();
}

/// A mode in action.
#[derive(Debug)]
pub struct Setup {
    mode: Mode,
    seed: u64,
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
/// Threads that work at once, so that a dying device has several requests in flight.
const THREADS: usize = 6;
/// Threads that run jobs, and how many each has side by side.
const JOB_THREADS: usize = 2;
const JOBS: usize = 8;
/// Where devices are well, their requests have time.
const PATIENT: &str = "deadline_ms = 30000";
/// How long it may take until devices have died often enough.
const DEATHS_BOUND: Duration = Duration::from_secs(300);

impl Setup {
    /// Makes everything that `mode` needs; `seed` decides which device dies when.
    #[must_use]
    pub fn new(mode: Mode, seed: u64) -> Self {
        Self::with_settings(mode, seed, "")
    }

    /// The same with more settings of the provider, a line each.
    #[must_use]
    pub fn with_settings(mode: Mode, seed: u64, settings: &str) -> Self {
        let scratch = Scratch::new();
        let has_devices = !matches!(mode, Mode::DefaultProvider | Mode::Software);
        let emulator = has_devices.then(|| Arc::new(Emulator::start(DEVICES)));
        let library = Arc::new(library(mode, emulator.as_deref(), &scratch, settings));
        let reference = Side::new(&library, "default");
        let tested = match mode {
            Mode::DefaultProvider => reference.clone(),
            _ => Side::new(&library, "hotspare"),
        };
        let chaos = match (mode, &emulator) {
            (Mode::DyingDevices, Some(emulator)) => Some(Chaos::start(emulator, seed)),
            _ => None,
        };
        Self { mode, seed, tested, reference, chaos, emulator, scratch }
    }

    /// Which mode this is.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Calls `work` with each number below `count`, as the mode has it: in several threads at once, or in several jobs at once.
    ///
    /// # Panics
    /// If `work` does.
    pub fn each(&self, count: usize, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count);
        let in_jobs = || jobs::run(JOBS, take, &work);
        let in_turn = || std::iter::from_fn(take).for_each(&work);
        thread::scope(|scope| {
            let threads: Vec<_> = match self.mode {
                Mode::Asynchronous => (0..JOB_THREADS).map(|_| scope.spawn(in_jobs)).collect(),
                _ => (0..THREADS).map(|_| scope.spawn(in_turn)).collect(),
            };
            // A scope waits for the work of its threads, not for their end. OpenSSL must have freed what it holds for each of
            // them before the library context goes.
            for thread in threads {
                thread.join().expect("a thread of the suite");
            }
        });
    }

    /// Calls `pass` once; with dying devices again and again, until they have died so often, with replays on both paths among
    /// it.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn until_enough(&self, deaths: usize, mut pass: impl FnMut()) {
        let end = Instant::now() + DEATHS_BOUND;
        loop {
            pass();
            if self.mode != Mode::DyingDevices || (self.deaths() >= deaths && self.has_replayed()) {
                return;
            }
            assert!(Instant::now() < end, "not enough within {DEATHS_BOUND:?}: {} deaths", self.deaths());
        }
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
            // The first requests come before a device is joined.
            Mode::Devices => assert!(hardware > submitted / 2, "{hardware} of {submitted} by a device"),
            Mode::Asynchronous => {
                assert!(hardware > submitted / 2, "{hardware} of {submitted} by a device");
                assert!(value(Counter::JobsPaused) > 0, "no job was paused");
            }
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

fn library(mode: Mode, emulator: Option<&Emulator>, scratch: &Scratch, settings: &str) -> Library {
    let file = scratch.path().join("openssl.cnf");
    let stats = scratch.path().join(STATS);
    fs::create_dir(&stats).unwrap();
    let mut providers = String::from("default = default_section\n");
    let mut sections = String::from("[default_section]\nactivate = 1\n");
    if mode != Mode::DefaultProvider {
        let devices = emulator.map_or_else(|| "none".to_owned(), Emulator::specification);
        let (module, stats) = (programs::provider_module(), stats.display());
        // How quick the devices are on a busy machine is not what is looked at, but what they compute. Where they die, their
        // deadlines are as they are.
        let is_patient =
            matches!(mode, Mode::Devices | Mode::Asynchronous) && !settings.contains("deadline_ms");
        let settings = if is_patient { format!("{PATIENT}\n{settings}") } else { settings.to_owned() };
        providers += "hotspare = hotspare_section\n";
        sections += &format!(
            "[hotspare_section]\nactivate = 1\nmodule = {}\ndevices = {devices}\nstats_dir = {stats}\n{settings}\n",
            module.display()
        );
    }
    let text =
        format!("openssl_conf = all\n[all]\nproviders = providers\n[providers]\n{providers}{sections}");
    fs::write(&file, text).unwrap();
    Library::load(&file).unwrap_or_else(|error| panic!("{mode:?}: {error}"))
}
