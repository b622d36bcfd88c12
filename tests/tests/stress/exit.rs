//! `exit()` in some thread at some moment, while all others go on.
//!
//! OpenSSL itself does not allow that in every program: at the exit it frees what threads that compute still use (3.0: the lock
//! in `RAND_get_rand_method`), so that they crash with its default provider alone as well. A program either tells OpenSSL to leave
//! all as it is (`OPENSSL_INIT_NO_ATEXIT`), and exits whatever its threads are doing; or it lets OpenSSL clean up, and then keeps
//! its threads out of OpenSSL from that moment on. Both are tried. Hotspare's own threads work on in both.

use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::jobs;
use crate::program::{EXITING, JOB_THREADS, Orders, THREADS, must};

/// The status with which the program exits.
pub(crate) const STATUS: i32 = 43;
/// Threads that load and unload.
const LOADERS: u64 = 2;
/// The latest moment, in milliseconds.
const LATEST_MS: usize = 250;
/// `OPENSSL_INIT_NO_ATEXIT` (crypto.h).
const NO_CLEAN_UP: u64 = 0x0008_0000;

unsafe extern "C" {
    fn OPENSSL_init_crypto(options: u64, settings: *const c_void) -> c_int;
}

/// What the threads share.
struct Exit {
    orders: Orders,
    /// When.
    moment: Duration,
    /// OpenSSL cleans up.
    clean_up: bool,
    /// Held by whoever uses OpenSSL.
    gate: RwLock<()>,
}

pub(crate) fn run(orders: Orders) {
    let mut random = orders.random(u64::MAX);
    let moment = Duration::from_millis(random.below(LATEST_MS).try_into().unwrap());
    let clean_up = random.below(2) == 0;
    if !clean_up {
        // SAFETY: the first call of OpenSSL in this process.
        unsafe { OPENSSL_init_crypto(NO_CLEAN_UP, std::ptr::null()) };
    }
    let exit = Arc::new(Exit { orders, moment, clean_up, gate: RwLock::new(()) });
    // In one of four runs counted from the process's start, when nothing is made yet; otherwise from when all is.
    let early = random.below(4) == 0;
    if early {
        let exit = exit.clone();
        std::thread::spawn(move || exit.happen());
    }
    let open = exit.gate.read().unwrap();
    let worlds = Arc::new(must("making worlds", exit.orders.worlds()));
    drop(open);
    let who = random.number() % (THREADS + LOADERS + 1);
    for number in 0..THREADS + LOADERS {
        let (exit, worlds) = (exit.clone(), worlds.clone());
        std::thread::spawn(move || {
            let mut random = exit.orders.random(number);
            if number == who && !early {
                exit.happen();
            }
            loop {
                let _open = exit.gate.read().unwrap();
                if number >= THREADS {
                    must("loading and unloading", exit.orders.load_and_unload(&worlds, &mut random));
                } else if number < JOB_THREADS {
                    must("computing in a job", jobs::operate(random.choose(&worlds), &mut random));
                } else {
                    must("computing", random.choose(&worlds).operate(&mut random));
                }
            }
        });
    }
    if who == THREADS + LOADERS && !early {
        exit.happen();
    }
    loop {
        std::thread::park();
    }
}

impl Exit {
    fn happen(&self) -> ! {
        std::thread::sleep(self.moment);
        let _closed = self.clean_up.then(|| self.gate.write().unwrap());
        EXITING.store(true, Ordering::SeqCst);
        // SAFETY: ends this process.
        unsafe { libc::exit(STATUS) }
    }
}
