//! Key exchange and key generation by devices give what the default provider gives: the provider's own comparing program
//! (`provider/openssl/tests/programs/exchanges.c`) with an emulator behind it, whole and dying.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hotspare_device::Kind;
use hotspare_device::stats::{self, Counter, Sum, read_all};
use hotspare_tests::chaos::Chaos;
use hotspare_tests::emulator::Emulator;
use hotspare_tests::scratch::Scratch;
use hotspare_tests::{process, programs, random};

/// A run that takes longer has come to a standstill.
const BOUND: Duration = Duration::from_secs(300);
/// What the program compares.
const SUBJECTS: [&str; 6] = ["keys", "exchanges", "settings", "numbers", "peers", "padding"];
/// What it must have had computed.
const KINDS: [Kind; 7] = [
    Kind::EcMultiplyP256,
    Kind::EcMultiplyP384,
    Kind::EcMultiplyP521,
    Kind::X25519,
    Kind::X448,
    Kind::ModExp2048,
    Kind::ModExp4096,
];

#[test]
fn by_devices() {
    let emulator = Emulator::start(2);
    check(&compare(&emulator, None));
}

#[test]
fn by_devices_in_an_asynchronous_job() {
    let emulator = Emulator::start(2);
    let sum = compare(&emulator, Some("job"));
    check(&sum);
    assert!(sum.value(Counter::JobsPaused) > 0);
}

fn check(sum: &Sum) {
    let (submitted, hardware) = (sum.value(Counter::Submitted), sum.value(Counter::Hardware));
    // Of a busy machine some miss their deadline.
    assert!(hardware > submitted / 2, "{hardware} of {submitted} by a device");
    for kind in KINDS {
        assert!(sum.completed(kind, stats::Path::Hardware) > 0, "{}", kind.name());
    }
    assert_eq!(sum.value(Counter::WrongAnswers), 0);
}

#[test]
fn with_devices_dying_all_the_while() {
    let emulator = Arc::new(Emulator::start(2));
    let chaos = Chaos::start(&emulator, random::seed());
    let sum = compare(&emulator, None);
    println!("{} deaths", chaos.deaths());
    assert!(sum.value(Counter::Submitted) > 0);
}

/// Runs everything with these devices, in the way that `how` names; the counters of all runs.
fn compare(emulator: &Emulator, how: Option<&str>) -> Sum {
    let scratch = Scratch::new();
    let program = compiled(&scratch);
    let counters = scratch.path().join("stats");
    let module = programs::provider_module();
    for subject in SUBJECTS {
        let mut command = Command::new(&program);
        command.arg(module.parent().unwrap()).arg(module.file_stem().unwrap()).arg(subject).args(how);
        command.env("HOTSPARE_DEVICES", emulator.specification()).env("HOTSPARE_STATS_DIR", &counters);
        process::run(command, BOUND).unwrap_or_else(|said| panic!("{subject}: {said}"));
    }
    let (processes, errors) = read_all(&counters).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    let mut sum = Sum::default();
    for process in processes {
        sum.add(&process.sum);
    }
    assert_eq!(sum.imbalance(), 0, "law 2");
    sum
}

fn compiled(scratch: &Scratch) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../provider/openssl/tests/programs/exchanges.c");
    let program = scratch.path().join("exchanges");
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"]).arg(&program).arg(source).arg("-lcrypto");
    process::run(compiler, BOUND).unwrap();
    program
}
