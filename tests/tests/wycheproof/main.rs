//! The vectors of project Wycheproof, through OpenSSL's public interface, with the provider inside the real libcrypto.
//!
//! `valid` must be accepted and `invalid` refused. What Wycheproof calls `acceptable` must be as it is with OpenSSL's
//! default provider. What is left out is printed with its reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod agreement;
mod ecdsa;
mod report;
mod rsa;

use std::time::{Duration, Instant};

use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::random;
use report::Report;

/// How often devices must have died before a run with dying devices is enough, and how long it may take to that.
const DEATHS: usize = 6;
const DEATHS_BOUND: Duration = Duration::from_secs(120);

#[test]
fn default_provider() {
    run(Mode::DefaultProvider);
}

#[test]
fn software() {
    run(Mode::Software);
}

#[test]
fn by_device() {
    run(Mode::Devices);
}

#[test]
fn with_devices_dying_all_the_while() {
    run(Mode::DyingDevices);
}

fn run(mode: Mode) {
    let setup = Setup::new(mode, random::seed());
    let mut report = Report::new();
    let end = Instant::now() + DEATHS_BOUND;
    loop {
        agreement::p256(&setup, &mut report);
        agreement::x25519(&setup, &mut report);
        ecdsa::verify(&setup, &mut report);
        ecdsa::sign(&setup, &mut report);
        rsa::pkcs1(&setup, &mut report);
        rsa::pss(&setup, &mut report);
        if mode != Mode::DyingDevices || setup.deaths() >= DEATHS {
            break;
        }
        assert!(Instant::now() < end, "only {} deaths in {DEATHS_BOUND:?}", setup.deaths());
    }
    report.finish();
    setup.check_counters();
}
