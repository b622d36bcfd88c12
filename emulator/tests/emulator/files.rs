//! The kernel's files: what they hold, and what writing to them does.

use std::fs;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::files::{AdminState, Answer};

use super::machine::{Machine, Succeed, eventually};
use super::user::User;

#[test]
fn the_files_are_those_of_the_driver() {
    let machine = Machine::start(&["--devices", "2", "--instances", "9"]);
    for number in [0, 1] {
        let files = machine.files(number);
        assert_eq!(files.kind(), Some("4xxx"));
        assert_eq!(files.state().unwrap(), AdminState::Up);
        assert!(!files.auto_reset().unwrap());
        assert_eq!(files.ring_pairs().unwrap(), 9);
        assert_eq!(files.numa_node().unwrap(), Some(0));
        assert_eq!(files.timer().unwrap(), Duration::from_millis(200));
        assert_eq!(files.check().unwrap(), Answer::Responsive);
        let read = |path: &str| fs::read_to_string(files.pci_directory().join(path)).unwrap();
        assert_eq!(read("qat/state"), "up\n");
        assert_eq!(read("qat/cfg_services"), "sym;asym\n");
        assert_eq!(read("qat_ras/errors_fatal"), "0\n");
        // One byte more than the text.
        assert_eq!(fs::read(files.heartbeat().unwrap().join("config")).unwrap(), b"200\n\0");
    }
}

#[test]
fn the_heartbeat_is_asked_once_a_timer() {
    let machine = Machine::start(&["--devices", "1"]);
    let files = machine.files(0);
    let (sent, began) = (files.queries_sent().unwrap(), Instant::now());
    eventually("ten checks", || (files.queries_sent().unwrap() >= sent + 10).then_some(()));
    assert!(began.elapsed() >= Duration::from_millis(9 * 200), "{:?}", began.elapsed());
    assert_eq!(files.queries_failed().unwrap(), 0);
}

#[test]
fn the_timer_can_be_set_on_generation_2_only() {
    let machine = Machine::start(&["--devices", "1", "--gen", "2"]);
    let files = machine.files(0);
    assert_eq!((files.kind(), files.timer().unwrap()), (Some("c6xx"), Duration::from_millis(500)));
    let config = files.heartbeat().unwrap().join("config");
    // With the NUL, which we don't write: then it was looked at.
    let takes = |written: &str, holds: &str| {
        fs::write(&config, written).unwrap();
        let holds = format!("{holds}\n\0");
        eventually(&format!("{written:?} gives {holds:?}"), || {
            (fs::read_to_string(&config).unwrap() == holds).then_some(())
        });
    };
    takes("199\n", "500");
    takes("250\n", "250");
    takes("soon\n", "250");
    let (sent, began) = (files.queries_sent().unwrap(), Instant::now());
    eventually("four checks", || (files.queries_sent().unwrap() >= sent + 4).then_some(()));
    assert!(began.elapsed() >= Duration::from_millis(3 * 250));
    // It outlives a reset.
    machine.reset(0);
    assert_eq!(files.timer().unwrap(), Duration::from_millis(250));

    let machine = Machine::start(&["--devices", "1"]);
    let files = machine.files(0);
    files.set_timer(Duration::from_millis(500)).unwrap();
    eventually("it is put back", || (files.timer().ok() == Some(Duration::from_millis(200))).then_some(()));
}

#[test]
fn state_takes_a_device_down_and_up_again() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let files = machine.files(0);
    let epoch = user.welcome.epoch;
    files.set_state(AdminState::Down).unwrap();
    assert_eq!(user.wait_for(State::Down).epoch, epoch);
    machine.wait_for(0, State::Down);
    assert!(!files.has_heartbeat());
    let said = machine.inject_by_name("0", "hang").fail();
    assert!(said.contains("down"), "{said}");
    files.set_state(AdminState::Up).unwrap();
    assert_eq!(user.wait_for(State::Up).epoch, epoch + 1);
    machine.wait_for(0, State::Up);
    assert!(files.has_heartbeat());
    assert_eq!(files.queries_failed().unwrap(), 0);
    user.check();
}

#[test]
fn down_and_up_in_one_breath_is_a_reset() {
    let machine = Machine::start(&["--devices", "1", "--reset-ms", "10"]);
    let mut user = User::attach(&machine.socket(0));
    let files = machine.files(0);
    for round in 1..=30 {
        files.set_state(AdminState::Down).unwrap();
        files.set_state(AdminState::Up).unwrap();
        let wanted = user.welcome.epoch + round;
        eventually("the next epoch", || (user.state().epoch == wanted).then_some(()));
        user.wait_for(State::Up);
        user.check();
        machine.wait_for(0, State::Up);
        eventually("the file says up", || (files.state().ok()? == AdminState::Up).then_some(()));
    }
}

#[test]
fn state_heals_fatal_errors_and_hangs() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let files = machine.files(0);
    for fault in ["fatal", "hang"] {
        machine.inject(0, fault);
        files.set_state(AdminState::Down).unwrap();
        user.wait_for(State::Down);
        files.set_state(AdminState::Up).unwrap();
        user.wait_for(State::Up);
        user.check();
        machine.wait_for(0, State::Up);
    }
}

#[test]
fn nonsense_in_a_file_is_put_back() {
    let machine = Machine::start(&["--devices", "1"]);
    let user = User::attach(&machine.socket(0));
    let directory = machine.files(0).pci_directory();
    for (name, nonsense, holds) in [
        ("qat/state", "sideways\n", "up\n"),
        ("qat/state", "", "up\n"),
        ("qat/auto_reset", "maybe\n", "off\n"),
        ("qat/cfg_services", "dc\n", "sym;asym\n"),
    ] {
        let path = directory.join(name);
        fs::write(&path, nonsense).unwrap();
        eventually(&format!("{name} holds {holds:?} again"), || {
            (fs::read_to_string(&path).unwrap() == holds).then_some(())
        });
    }
    assert_eq!(user.state().epoch, user.welcome.epoch);
    assert_eq!(user.state().state, State::Up);
}

#[test]
fn services_are_taken_while_the_device_is_down() {
    let machine = Machine::start(&["--devices", "1"]);
    let files = machine.files(0);
    files.set_state(AdminState::Down).unwrap();
    machine.wait_for(0, State::Down);
    let path = files.settings().join("cfg_services");
    fs::write(&path, "dc\n").unwrap();
    files.set_state(AdminState::Up).unwrap();
    machine.wait_for(0, State::Up);
    assert_eq!(fs::read_to_string(&path).unwrap(), "dc\n");
}

#[test]
fn fatal_errors_are_counted_and_the_counters_can_be_reset() {
    let machine = Machine::start(&["--devices", "1"]);
    let errors = machine.files(0).pci_directory().join("qat_ras");
    let count = || fs::read_to_string(errors.join("errors_fatal")).unwrap();
    for expected in ["1\n", "2\n"] {
        machine.inject(0, "fatal");
        assert_eq!(count(), expected);
        machine.reset(0);
    }
    let reset = errors.join("reset_error_counters");
    for (written, leaves) in [("0\n", "2\n"), ("1\n", "0\n")] {
        fs::write(&reset, written).unwrap();
        eventually("it was looked at", || fs::read(&reset).unwrap().is_empty().then_some(()));
        assert_eq!(count(), leaves);
    }
}
