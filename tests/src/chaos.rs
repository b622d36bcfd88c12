//! Devices that die all the while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::emulator::Emulator;
use crate::random::Random;

/// What happens to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// It says that it has failed.
    Fatal,
    /// It stops and says nothing.
    Hang,
    /// Its process is killed.
    Removal,
}

/// How long a device is left alone, and how long it stays dead, in milliseconds: at most.
const PEACE_MS: usize = 150;
const DEATH_MS: usize = 100;

/// A thread that breaks the devices of an emulator and resets them, until this is dropped.
#[derive(Debug)]
pub struct Chaos {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    deaths: AtomicUsize,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl Chaos {
    /// Begins; `seed` decides which device dies when.
    #[must_use]
    pub fn start(emulator: &Arc<Emulator>, seed: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let (theirs, emulator) = (Arc::clone(&shared), Arc::clone(emulator));
        let thread = thread::spawn(move || {
            let mut random = Random::new(seed, u64::MAX);
            while theirs.pause(random.below(PEACE_MS)) {
                theirs.break_some(&emulator, &mut random);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// How often a device has died so far.
    #[must_use]
    pub fn deaths(&self) -> usize {
        self.shared.deaths.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// One device, or at times all of them at once, so that software is left alone.
    fn break_some(&self, emulator: &Emulator, random: &mut Random) {
        let all: Vec<_> = (0..emulator.devices()).collect();
        let chosen = if random.below(4) == 0 { &all[..] } else { std::slice::from_ref(random.choose(&all)) };
        let deaths: Vec<_> = chosen.iter().map(|device| (*device, choose(random))).collect();
        for (device, death) in &deaths {
            // A device that still comes back from its last death refuses to die again.
            let died = match death {
                Death::Fatal => emulator.inject(*device, "fatal").is_ok(),
                Death::Hang => emulator.inject(*device, "hang").is_ok(),
                Death::Removal => emulator.kill_device(*device),
            };
            self.deaths.fetch_add(usize::from(died), Ordering::Relaxed);
        }
        self.pause(random.below(DEATH_MS));
        for (device, death) in deaths {
            // What was killed is started again by the emulator itself, and is well then.
            if death != Death::Removal {
                drop(emulator.reset(device));
            }
        }
    }

    /// Waits; false when it is time to stop.
    fn pause(&self, milliseconds: usize) -> bool {
        let bound = Duration::from_millis(milliseconds.try_into().unwrap());
        let stop = self.stop.lock().unwrap();
        !*self.stopped.wait_timeout_while(stop, bound, |stop| !*stop).unwrap().0
    }
}

fn choose(random: &mut Random) -> Death {
    [Death::Fatal, Death::Hang, Death::Removal][random.below(3)]
}

impl Drop for Chaos {
    fn drop(&mut self) {
        *self.shared.stop.lock().unwrap() = true;
        self.shared.stopped.notify_all();
        let ended = self.thread.take().unwrap().join();
        if !thread::panicking() {
            ended.expect("the thread that breaks devices came to its end");
        }
    }
}
