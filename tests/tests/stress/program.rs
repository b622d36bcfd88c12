//! A program as the tests run it: what all of them have.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotspare_tests::openssl::{Library, OpensslError};
use hotspare_tests::random::{Random, SEED_VARIABLE};

use crate::world::{KeyFiles, World};
use crate::{cycles, exit, turmoil};

/// Which program this process is.
pub(crate) const VARIABLE: &str = "HOTSPARE_TEST_PROGRAM";
/// The folder with the keys.
pub(crate) const KEYS_VARIABLE: &str = "HOTSPARE_TEST_KEYS";
/// The provider's module.
pub(crate) const MODULE_VARIABLE: &str = "HOTSPARE_TEST_MODULE";
/// The status of a program in which something went wrong.
const FAILED: i32 = 99;

/// Threads that compute.
pub(crate) const THREADS: u64 = 50;
/// Those of them that do so in ASYNC jobs.
pub(crate) const JOB_THREADS: u64 = 10;
/// Library contexts that they share.
pub(crate) const WORLDS: usize = 8;

/// What a program was told.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) seed: u64,
    pub(crate) keys: KeyFiles,
    pub(crate) module: PathBuf,
}

/// The process is about to exit: from now on OpenSSL may fail in all other threads.
pub(crate) static EXITING: AtomicBool = AtomicBool::new(false);

/// Runs the program that this process was started for, if it was.
pub(crate) fn run() {
    let Ok(what) = std::env::var(VARIABLE) else { return };
    std::panic::set_hook(Box::new(|panic| fail(&panic.to_string())));
    let orders = Orders {
        seed: std::env::var(SEED_VARIABLE).unwrap().parse().unwrap(),
        keys: KeyFiles(std::env::var_os(KEYS_VARIABLE).unwrap().into()),
        module: std::env::var_os(MODULE_VARIABLE).unwrap().into(),
    };
    match what.as_str() {
        "turmoil" => turmoil::run(&orders, turmoil::LOADS),
        "small turmoil" => turmoil::run(&orders, turmoil::FEW_LOADS),
        "exit" => exit::run(orders),
        "cycles" => cycles::run(&orders),
        other => panic!("{other}: no such program"),
    }
}

/// Ends this process at once, since something went wrong; unless it is exiting, when anything may.
pub(crate) fn fail(why: &str) -> ! {
    while EXITING.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(1));
    }
    eprintln!("process {}: {why}", std::process::id());
    // SAFETY: ends this process.
    unsafe { libc::_exit(FAILED) }
}

/// `result`'s value, or the end of this process.
pub(crate) fn must<T>(what: &str, result: Result<T, impl std::fmt::Display>) -> T {
    result.unwrap_or_else(|error| fail(&format!("{what}: {error}")))
}

impl Orders {
    /// The generator of this program's thread with that number.
    pub(crate) fn random(&self, thread: u64) -> Random {
        Random::new(self.seed, thread)
    }

    /// A world in a library context of its own, with Hotspare.
    pub(crate) fn fresh_world(&self) -> Result<World, OpensslError> {
        World::new(Arc::new(Library::empty()), &self.keys, &self.module, true)
    }

    /// The worlds that threads share. In half of them Hotspare is only loaded now and then. The first is the process's own.
    pub(crate) fn worlds(&self) -> Result<Vec<World>, OpensslError> {
        let library = |number| if number == 0 { Library::of_the_process() } else { Library::empty() };
        (0..WORLDS)
            .map(|number| World::new(Arc::new(library(number)), &self.keys, &self.module, number % 2 == 0))
            .collect()
    }

    /// Loads Hotspare and unloads it again: in a world that others use, or all of a new world.
    pub(crate) fn load_and_unload(&self, worlds: &[World], random: &mut Random) -> Result<(), String> {
        let text = |error: OpensslError| error.to_string();
        if random.below(4) == 0 {
            self.fresh_world().map_err(text)?.agreement(random)
        } else {
            let world = random.choose(worlds);
            let _provider = world.load().map_err(text)?;
            if random.below(2) == 0 { world.operate(random) } else { Ok(()) }
        }
    }
}
