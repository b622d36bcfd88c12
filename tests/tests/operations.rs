//! Every signature and every decryption that the provider has, against the default provider: with no device, by devices alone,
//! and while devices die. `programs/operations.c` says what is done and how it is judged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hotspare_device::Kind;
use hotspare_device::stats::{Counter, Path as Way, Sum, read_all};
use hotspare_tests::chaos::Chaos;
use hotspare_tests::emulator::Emulator;
use hotspare_tests::scratch::Scratch;
use hotspare_tests::{process, programs, random};

/// How long a run may take: a few seconds of an idle machine.
const BOUND: Duration = Duration::from_secs(300);
/// What a round asks of the offload, at least.
const REQUESTS: u64 = 300;
/// Kinds of request that a round has.
const SIGNING: [Kind; 5] = [
    Kind::RsaPrivate2048,
    Kind::RsaPrivate4096,
    Kind::EcdsaSignP256,
    Kind::EcdsaSignP384,
    Kind::EcdsaSignP521,
];
/// Those which are only asked of devices.
const VERIFYING: [Kind; 3] = [Kind::EcdsaVerifyP256, Kind::EcdsaVerifyP384, Kind::EcdsaVerifyP521];

#[test]
fn in_software() {
    let sum = run(1, "devices = none");
    assert!(sum.value(Counter::Software) > REQUESTS);
    assert!(SIGNING.iter().all(|kind| sum.completed(*kind, Way::Software) > 0));
    assert!(VERIFYING.iter().all(|kind| sum.completed(*kind, Way::Software) == 0));
}

/// Software is forbidden, so that nothing but devices can have given the answers.
#[test]
fn by_devices_alone() {
    let emulator = Emulator::start(2);
    let devices =
        format!("devices = {}\nrequire_hardware = yes\ndeadline_ms = 30000", emulator.specification());
    let sum = run(1, &devices);
    assert!(sum.value(Counter::Hardware) > REQUESTS);
    assert_eq!(sum.value(Counter::Software), 0);
    assert!(SIGNING.iter().chain(&VERIFYING).all(|kind| sum.completed(*kind, Way::Hardware) > 0));
}

#[test]
fn while_devices_die() {
    let emulator = Arc::new(Emulator::start(2));
    let chaos = Chaos::start(&emulator, random::seed());
    let sum = run(2, &format!("devices = {}", emulator.specification()));
    println!("{} deaths", chaos.deaths());
    assert!(sum.value(Counter::Hardware) > 0 && sum.value(Counter::Software) > 0);
    assert!(chaos.deaths() > 0);
}

/// The counters of so many rounds with these settings.
fn run(rounds: u32, settings: &str) -> Sum {
    let scratch = Scratch::new();
    let stats = scratch.path().join("stats");
    let configuration = scratch.path().join("openssl.cnf");
    let text = format!(
        "openssl_conf = all\n[all]\nproviders = providers\n[providers]\ndefault = base\nhotspare = ours\n[base]\nactivate = 1\n\
         [ours]\nactivate = 1\nmodule = {}\nstats_dir = {}\n{settings}\n",
        programs::provider_module().display(),
        stats.display(),
    );
    std::fs::write(&configuration, text).unwrap();
    let mut command = Command::new(compiled(scratch.path()));
    command.arg(rounds.to_string()).env("OPENSSL_CONF", configuration);
    process::run(command, BOUND).unwrap_or_else(|said| panic!("{settings}: {said}"));

    let mut sum = Sum::default();
    let (processes, errors) = read_all(&stats).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    processes.iter().for_each(|process| sum.add(&process.sum));
    for counter in Counter::ALL.iter().filter(|counter| sum.value(**counter) > 0) {
        println!("{}={}", counter.name(), sum.value(*counter));
    }
    assert_eq!(sum.imbalance(), 0, "law 2");
    for none in [Counter::InFlight, Counter::Refused, Counter::Abandoned, Counter::WrongAnswers] {
        assert_eq!(sum.value(none), 0, "{}", none.name());
    }
    sum
}

fn compiled(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/operations.c");
    let program = folder.join("operations");
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"]).args([&program, &source]).arg("-lcrypto");
    process::run(compiler, BOUND).unwrap_or_else(|said| panic!("{}: {said}", source.display()));
    program
}
