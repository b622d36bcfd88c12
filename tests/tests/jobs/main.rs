//! ASYNC jobs, with the provider inside the real libcrypto and real (emulated) devices: as an asynchronous server runs them, gives
//! them up, blocks them and forks with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod abandoned;
mod alone;
mod connections;
mod crowd;
mod forks;
mod haproxy;
mod pauses;
mod programs;
mod stack;
mod work;

use std::time::{Duration, Instant};

/// For everything that has to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "did not come true: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
