//! Programs that treat the provider badly: fifty threads in eight library contexts, loading and unloading all the while, forks in
//! between, an exit at any moment; with no device, with devices, and with devices that die. Nothing may crash or hang, and each
//! request is accounted for in whatever process it was made.
//!
//! Each such program is a process of its own: this test program, run again (`program`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cycles;
mod exit;
mod jobs;
mod program;
mod turmoil;
mod world;

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hotspare_device::stats::{Counter, Sum, read_all};
use hotspare_tests::chaos::Chaos;
use hotspare_tests::emulator::Emulator;
use hotspare_tests::openssl::{Key, Library, Side};
use hotspare_tests::process::Program;
use hotspare_tests::programs;
use hotspare_tests::random::{self, Random, SEED_VARIABLE};
use hotspare_tests::scratch::Scratch;

/// How long one program may take, on a machine that does many other things: longer is a hang.
const PROGRAM_LIMIT: Duration = Duration::from_secs(180);
/// Programs that exit at a random moment, in each of three worlds.
const EXITS: u64 = 20;
/// How many devices there are where there are any.
const DEVICES: usize = 2;

#[test]
fn turmoil_without_devices() {
    Setup::new(0).run("small turmoil", random::seed(), 0).check();
}

#[test]
fn turmoil_with_devices() {
    Setup::new(DEVICES).run("small turmoil", random::seed(), 0).check();
}

#[test]
fn turmoil_with_devices_that_die() {
    let (setup, seed) = (Setup::new(DEVICES), random::seed());
    let chaos = setup.chaos(seed);
    setup.run("turmoil", seed, 0).check();
    assert!(chaos.deaths() > 0);
}

#[test]
fn exits_at_any_moment_without_devices() {
    exits(&Setup::new(0), random::seed());
}

#[test]
fn exits_at_any_moment_with_devices() {
    exits(&Setup::new(DEVICES), random::seed());
}

#[test]
fn exits_at_any_moment_with_devices_that_die() {
    let (setup, seed) = (Setup::new(DEVICES), random::seed());
    let _chaos = setup.chaos(seed);
    exits(&setup, seed);
}

#[test]
fn a_thousand_loads_and_unloads_leave_no_descriptor_and_no_thread() {
    Setup::new(1).run("cycles", random::seed(), 0).check();
}

/// Not a test: what the programs do. Under `cargo test -- --ignored` it does nothing.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn program() {
    program::run();
}

fn exits(setup: &Setup, seed: u64) {
    let mut random = Random::new(seed, u64::MAX - 1);
    for _ in 0..EXITS {
        setup.run("exit", random.number(), exit::STATUS);
    }
    setup.check();
}

/// Devices, keys, and where counters are published.
struct Setup {
    emulator: Option<Arc<Emulator>>,
    scratch: Scratch,
    // One at a time: each alone keeps the machine busy.
    _turn: MutexGuard<'static, ()>,
}

impl Setup {
    fn new(devices: usize) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("stats")).unwrap();
        world::KeyFiles::write(scratch.path());
        let emulator = (devices > 0).then(|| Arc::new(Emulator::start(devices)));
        Self { emulator, scratch, _turn: turn }
    }

    /// Devices that die until this is dropped.
    fn chaos(&self, seed: u64) -> Chaos {
        Chaos::start(self.emulator.as_ref().unwrap(), seed)
    }

    /// Runs one program. It must end by itself, with this status.
    fn run(&self, what: &str, seed: u64, status: i32) -> &Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["program", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(program::VARIABLE, what).env(SEED_VARIABLE, seed.to_string());
        command.env(program::KEYS_VARIABLE, self.scratch.path());
        command.env(program::MODULE_VARIABLE, programs::provider_module());
        command.env("HOTSPARE_STATS_DIR", self.scratch.path().join("stats"));
        let devices =
            self.emulator.as_ref().map_or_else(|| "none".to_owned(), |emulator| emulator.specification());
        command.env("HOTSPARE_DEVICES", devices);
        let began = Instant::now();
        let mut program = Program::start(command);
        let ended = program.wait(PROGRAM_LIMIT);
        assert!(
            ended.is_some_and(|ended| ended.code() == Some(status)),
            "{what}, {SEED_VARIABLE}={seed}: {ended:?} after {:?}, wanted the status {status}",
            began.elapsed()
        );
        self
    }

    /// Law 2 over all processes, now that they have ended, and that no fault of a device became anybody's error.
    fn check(&self) {
        let (processes, errors) = read_all(&self.scratch.path().join("stats")).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        let mut sum = Sum::default();
        processes.iter().for_each(|process| sum.add(&process.sum));
        for counter in Counter::ALL.iter().filter(|counter| sum.value(**counter) > 0) {
            println!("{}={}", counter.name(), sum.value(*counter));
        }
        assert_eq!(sum.imbalance(), 0, "law 2");
        for none in [Counter::InFlight, Counter::Refused, Counter::CallerErrors, Counter::WrongAnswers] {
            assert_eq!(sum.value(none), 0, "{}", none.name());
        }
        assert!(sum.value(Counter::Submitted) > 0);
        assert_eq!(sum.value(Counter::Hardware) > 0, self.emulator.is_some());
    }
}

/// OpenSSL's default provider in a library context of its own, to make keys with.
fn default_side() -> (hotspare_tests::openssl::Provider, Side) {
    let library = Arc::new(Library::empty());
    let provider = library.load_provider(std::path::Path::new("/"), "default").unwrap();
    (provider, Side::new(&library, "default"))
}

/// A key and its name among the files.
fn write_key(folder: &std::path::Path, name: &str, key: &Key) {
    fs::write(folder.join(name), key.private_der().unwrap()).unwrap();
}
