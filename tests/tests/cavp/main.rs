//! NIST's vectors for RSA and DH (`tests/vectors/cavp/README.md`), through OpenSSL's public interface, with the provider inside
//! the real libcrypto.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod dh;
mod file;
mod rsa;

use hotspare_tests::mode::{self, Mode};
use hotspare_tests::report::Plan;

/// How often devices must have died before a run with dying devices is enough.
const DEATHS: usize = 6;
/// What NIST has for RSA and DH and is not run.
const LEFT_OUT: [(&str, &str); 5] = [
    (
        "SigGen15_186-3, SigGenPSS_186-3, SigGenRSA",
        "no private keys: valid signatures to verify, which SigVer has",
    ),
    ("SigVer15EMTest", "two faults of the padding that SigVer15_186-3 has as well"),
    ("KeyGenRSA", "key generation from given random numbers, for which OpenSSL has no interface"),
    ("RSADP", "in no package registry; SigGenPSS is run through the same operation"),
    (
        "KAS FFC with key derivation and confirmation",
        "in no package registry; ZZOnly is what the provider computes",
    ),
];

hotspare_tests::in_every_mode!(run);

fn run(mode: Mode) {
    mode::run(mode, |setup| {
        let mut plan = Plan::new();
        rsa::signing(setup, &mut plan);
        rsa::verification(setup, &mut plan);
        dh::agreement(&mut plan);
        plan.files_left_out(&LEFT_OUT);
        plan.run(setup, DEATHS);
    });
}
