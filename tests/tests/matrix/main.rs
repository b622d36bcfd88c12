//! `docs/matrix.md`: which operation is computed where. Each is run once with a device and once with none, by an application's
//! calls, and the counters say who computed it. What they say must be what the page says; with `HOTSPARE_TEST_WRITE_MATRIX=1` the page is
//! written anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod case;
mod curves;
mod groups;
mod rsa;
mod table;

use std::path::Path;

use case::Case;
use hotspare_device::stats::{Counter, Sum};
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::Key;
use hotspare_tests::openssl::params::Params;
use hotspare_tests::random;

/// The variable that has the page written.
const WRITE: &str = "HOTSPARE_TEST_WRITE_MATRIX";
/// A device that is late because the machine is busy is not what is asked for here.
const PATIENT: &str = "deadline_ms = 30000";

#[test]
fn the_page_says_where_everything_is_computed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/matrix.md");
    let found = table::page(&rows());
    if std::env::var_os(WRITE).is_some_and(|value| value == "1") {
        std::fs::write(&path, &found).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    let changes = table::differences(&written, &found);
    assert!(changes.is_empty(), "docs/matrix.md is not what was found ({WRITE}=1 writes it):\n{changes}");
}

/// A case, and who computed it with a device and with none.
pub(crate) struct Row {
    case: Case,
    with_device: &'static str,
    with_none: &'static str,
}

fn rows() -> Vec<Row> {
    let none = Setup::with_settings(Mode::Software, random::seed(), PATIENT);
    let device = Setup::with_settings(Mode::Devices, none.seed(), PATIENT);
    assert_offered_elsewhere(&device);
    // A process counts from its first request on.
    for setup in [&none, &device] {
        Key::generate_ec(setup.tested(), "P-256").unwrap();
    }
    // The cases of both are the same ones, with keys of their own.
    let cases = [&none, &device]
        .map(|setup| [rsa::cases(setup), curves::cases(setup), groups::cases(setup)].concat());
    let [with_none, with_device] = cases;
    assert_eq!(with_none.len(), with_device.len());
    let rows = with_none.into_iter().zip(with_device).filter_map(|(case, same)| {
        let [with_none, with_device] = match case.unavailable {
            // Here it can't be run: what is found where it can.
            Some(expected) => expected,
            None => {
                if let Err(error) = case.run(none.reference()) {
                    println!("not in the default provider: {case:?}: {error}");
                    return None;
                }
                [path(&none, &case), path(&device, &same)]
            }
        };
        Some(Row { case, with_device, with_none })
    });
    let rows = rows.collect();
    none.check_counters();
    device.check_counters();
    rows
}

/// What the page says in words.
fn assert_offered_elsewhere(setup: &Setup) {
    for name in [c"ED25519", c"ED448"] {
        let key = Key::generate(setup.reference(), name, Params::new()).unwrap();
        assert!(!key.is_for(setup.tested()), "{name:?}");
    }
}

/// Who computes it, by the counters.
fn path(setup: &Setup, case: &Case) -> &'static str {
    let before = setup.counters();
    case.run(setup.tested()).unwrap_or_else(|error| panic!("{case:?}: {error}"));
    let after = setup.counters();
    let more = |counter| after.value(counter) > before.value(counter);
    let by = |sum: &Sum| sum.value(Counter::Hardware) + sum.value(Counter::ReplayedHardware);
    if by(&after) > by(&before) {
        "device"
    } else if more(Counter::Submitted) {
        "software"
    } else {
        assert!(more(Counter::PassedThrough), "{case:?}: nothing was counted");
        "passed through"
    }
}
