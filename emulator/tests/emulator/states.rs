//! Fatal errors, hangs, resets and removals, as a user sees them in its rings.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::drivers::emulated::wire::layout::SLOT_OUTPUT;
use hotspare_device::drivers::emulated::wire::message::Refused;
use hotspare_device::request::Operation;

use super::machine::{Machine, PATIENCE, Succeed, eventually};
use super::user::{User, wait_readable};

/// Long work, tens of milliseconds: a private operation of 8192 bits, with numbers that are no key.
fn submit_heavy(user: &mut User) -> u64 {
    let (prime, input) = ([0xff; 512], [0x5a; 1024]);
    user.submit(Operation::RsaPrivate, &[&prime, &prime, &prime, &prime, &[1], &input], 1024)
}

/// What only the device writes in the user's memory: indices and state, responses, results.
fn device_side(user: &User) -> Vec<u8> {
    let mut bytes = vec![0; user.shape.length()];
    user.memory.read(0, &mut bytes).unwrap();
    let device_words = 2 * 4096..3 * 4096;
    let responses = user.shape.response_ring()..user.shape.arena();
    let results = (0..user.shape.slots).flat_map(|slot| {
        let start = user.shape.slot(slot);
        bytes[start + SLOT_OUTPUT..start + 8192].to_vec()
    });
    // "I sleep" changes whenever engines come and go, and is no result.
    let mut words = bytes[device_words].to_vec();
    words[64..72].fill(0);
    words.into_iter().chain(bytes[responses].to_vec()).chain(results).collect()
}

#[test]
fn after_a_fatal_error_nothing_is_written_and_a_reset_serves_the_same_rings() {
    let machine = Machine::start(&["--devices", "2"]);
    let mut user = User::attach(&machine.socket(0));
    let mut other = User::attach(&machine.socket(1));
    let epoch = user.welcome.epoch;
    for _ in 0..user.shape.ring_depth {
        submit_heavy(&mut user);
    }
    user.wait(PATIENCE).expect("the first answer");
    machine.inject(0, "fatal");
    let word = user.wait_for(State::Error);
    assert_eq!(word.epoch, epoch);
    let left = device_side(&user);
    assert!(user.responses() < u64::from(user.shape.ring_depth), "work was in flight");
    assert_eq!(machine.info(0).state, State::Error);
    assert_eq!(User::try_attach(&machine.socket(0)).err(), Some(Refused::NotUp));
    other.check();
    // More than any of the requests takes.
    assert!(!user.is_detached(Duration::from_millis(300)));
    assert!(device_side(&user) == left, "the device wrote after its state said error");

    machine.reset(0);
    let word = user.state();
    assert_eq!((word.state, word.epoch), (State::Up, epoch + 1));
    // The answers of before are still there to be read; of the rest none comes, and new work is done.
    let answered = user.responses();
    super::user::wait_readable(user.response_doorbell.as_fd(), PATIENCE).expect("the doorbell rang");
    while user.take().is_some() {}
    user.check();
    assert_eq!(user.responses(), answered + 1);
    assert_eq!(user.take(), None);
}

#[test]
fn a_reset_in_mid_work_fences_what_was_in_work() {
    let machine = Machine::start(&["--devices", "1", "--reset-ms", "0"]);
    let mut user = User::attach(&machine.socket(0));
    for round in 1..=20 {
        let old = submit_heavy(&mut user);
        eventually("it is in work", || (user.consumed() == old).then_some(()));
        let before = user.responses();
        machine.reset(0);
        let word = user.state();
        assert_eq!((word.state, word.epoch), (State::Up, user.welcome.epoch + round));
        while user.take().is_some() {}
        user.check();
        // At most what was answered before the fence came down, and the answer of now.
        assert!(user.responses() - before <= 2);
        user.hush();
    }
}

#[test]
fn a_hang_is_told_to_nobody_until_the_heartbeat_is_missed() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    let before = machine.files(0).queries_failed().unwrap();
    let began = Instant::now();
    machine.inject(0, "hang");
    let at_once = user.state();
    let request = user.submit(super::user::X25519, &[&super::user::SCALAR, &super::user::U], 32);
    if began.elapsed() < Duration::from_millis(300) {
        assert_eq!(at_once.state, State::Up);
        // Users may still come.
        User::attach(&machine.socket(0));
    }
    user.wait_for(State::Error);
    let noticed = began.elapsed();
    assert!(noticed > Duration::from_millis(400), "three checks, 200 ms apart: {noticed:?}");
    assert_eq!(user.responses(), 0, "request {request} is never answered");
    let files = machine.files(0);
    assert!(files.queries_failed().unwrap() > before);
    assert_eq!(files.check().unwrap(), hotspare_device::files::Answer::Unresponsive);
    let info = machine.wait_for(0, State::Error);
    assert!(info.events.iter().any(|event| event.event == "error" && event.why.contains("heartbeat")));
    machine.reset(0);
    user.check();
    assert_eq!(files.queries_failed().unwrap(), 0);
}

#[test]
fn auto_reset_heals_without_being_asked() {
    let machine = Machine::start(&["--devices", "1"]);
    let mut user = User::attach(&machine.socket(0));
    std::fs::write(machine.files(0).settings().join("auto_reset"), "1\n").unwrap();
    eventually("it is understood", || {
        let text = std::fs::read(machine.files(0).settings().join("auto_reset")).unwrap();
        (text == b"on\n").then_some(())
    });
    for fault in ["fatal", "hang"] {
        let epoch = user.state().epoch;
        machine.inject(0, fault);
        eventually("it is back", || (user.state().epoch == epoch + 1).then_some(()));
        user.wait_for(State::Up);
        user.check();
    }
    let told = ["added", "error", "restarting", "restarted", "error", "restarting", "restarted"];
    eventually("all is remembered", || {
        let events: Vec<_> = machine.info(0).events.into_iter().map(|event| event.event).collect();
        assert!(told.starts_with(&events.iter().map(String::as_str).collect::<Vec<_>>()), "{events:?}");
        (events.len() == told.len()).then_some(())
    });
}

#[test]
fn a_killed_device_is_gone_at_once_and_comes_back_in_a_later_epoch() {
    let machine = Machine::start(&["--devices", "1", "--respawn", "0.3"]);
    let user = User::attach(&machine.socket(0));
    let (pid, files) = (machine.device_pid(0), machine.files(0));
    machine.kill_device(0);
    wait_readable(user.connection.as_fd(), PATIENCE).expect("the connection ends");
    let info = machine.wait_for(0, State::Removed);
    assert_eq!(info.pid, None);
    assert!(!files.pci_directory().exists() && !files.has_heartbeat());
    assert!(!machine.socket(0).exists());
    let said = machine.try_reset(0).fail();
    assert!(said.contains("gone"), "{said}");
    let info = machine.wait_for(0, State::Up);
    assert!(info.epoch > user.welcome.epoch && info.pid != Some(pid.as_raw_nonzero().get().unsigned_abs()));
    let mut again = User::attach(&machine.socket(0));
    assert_eq!(again.welcome.epoch, info.epoch);
    again.check();
    assert!(files.has_heartbeat());
}

#[test]
fn epochs_go_on_where_an_earlier_emulator_ended() {
    let machine = Machine::start(&["--devices", "1"]);
    machine.reset(0);
    let epoch = machine.info(0).epoch;
    let (_, root) = machine.end(rustix::process::Signal::TERM);
    let machine = Machine::start_under(root, &["--devices", "1", "--no-uevents"]);
    assert!(machine.info(0).epoch > epoch);
}

#[test]
fn a_stopped_device_is_noticed_by_its_heart_and_replaced() {
    let machine = Machine::start(&["--devices", "1", "--respawn", "0"]);
    let user = User::attach(&machine.socket(0));
    rustix::process::kill_process(machine.device_pid(0), rustix::process::Signal::STOP).unwrap();
    // The driver can't tell it of its error, so it ends it.
    assert!(user.is_detached(PATIENCE));
    eventually("a later epoch", || {
        let info = machine.info(0);
        (info.state == State::Up && info.epoch > user.welcome.epoch).then_some(())
    });
    User::attach(&machine.socket(0)).check();
}

#[test]
fn many_resets_leave_nothing_behind() {
    let machine = Machine::start(&["--devices", "1", "--reset-ms", "0"]);
    let mut user = User::attach(&machine.socket(0));
    let open = || {
        let path = format!("/proc/{}/fd", machine.pid().as_raw_nonzero());
        std::fs::read_dir(path).unwrap().count()
    };
    machine.reset(0);
    let before = open();
    for _ in 0..100 {
        machine.reset(0);
        user.check();
    }
    eventually("as many descriptors as before", || (open() <= before).then_some(()));
}
