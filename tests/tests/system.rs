//! Emulator, daemon, command and offload together: the real programs, and the real driver.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use hotspare_device::stats::{Counter, Sum, read_all};
use hotspare_device::{Key, KeyMaterial, MontgomeryCurve, MontgomeryKey, Request};
use hotspare_offload::{Completion, Config, Offload};
use hotspare_tests::emulator::Emulator;
use hotspare_tests::process::{self, Program};
use hotspare_tests::programs;
use hotspare_tests::scratch::Scratch;

/// For everything that has to come true on a busy machine: a reset takes about a second.
const PATIENCE: Duration = Duration::from_secs(60);

fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "did not come true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn request() -> Request {
    let key = MontgomeryKey { curve: MontgomeryCurve::X25519, scalar: vec![0x42; 32] };
    let key = Key::new(KeyMaterial::Montgomery(key)).unwrap();
    let mut base_point = [0; 32];
    base_point[0] = 9;
    Request::montgomery_multiply(&key, &base_point).unwrap()
}

/// What software makes of it.
fn expected() -> Vec<u8> {
    let mut config = Config::default();
    config.set("stats_dir", "none").unwrap();
    Offload::new(config).execute(request()).unwrap().to_vec()
}

/// An offload that uses the emulator's devices and publishes in `stats`.
fn offload(emulator: &Emulator, stats: &Scratch) -> Offload {
    let mut config = Config::default();
    config.set("devices", &emulator.specification()).unwrap();
    config.set("stats_dir", stats.path().to_str().unwrap()).unwrap();
    config.set("connect_timeout_ms", "10000").unwrap();
    // Far from what a busy machine makes of an operation: what is tested here does not depend on deadlines.
    config.set("deadline_ms", "5000").unwrap();
    Offload::new(config)
}

fn sum(stats: &Scratch) -> Sum {
    let (processes, errors) = read_all(stats.path()).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    let mut sum = Sum::default();
    processes.iter().for_each(|process| sum.add(&process.sum));
    assert_eq!(sum.imbalance(), 0, "law 2");
    sum
}

/// `hotspare` with these arguments: its exit status, and what it printed.
fn hotspare(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(programs::hotspare());
    command.args(arguments);
    match process::run(command, PATIENCE) {
        Ok(printed) => (true, printed),
        Err(printed) => (false, printed),
    }
}

fn start_daemon(emulator: &Emulator, run: &Scratch, more: &str) -> Program {
    let configuration = run.path().join("hotspare-hbd.toml");
    let text = format!("root = {:?}\nrun_dir = {:?}\n{more}\n", emulator.root(), run.path());
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(programs::heartbeat_daemon());
    command.arg("--config").arg(configuration);
    let daemon = Program::start(command);
    eventually("the daemon answers", || hotspare(&["check", "--run-dir", run.path().to_str().unwrap()]).0);
    daemon
}

#[test]
fn the_daemon_finds_a_hang_and_a_fatal_error_resets_the_devices_and_they_are_used_again() {
    let (run, stats) = (Scratch::new(), Scratch::new());
    let emulator = Emulator::start(2);
    let _daemon = start_daemon(&emulator, &run, "reset_delay_ms = 500");
    let offload = offload(&emulator, &stats);
    let expected = expected();
    let (root, run_dir) =
        (emulator.root().to_str().unwrap().to_owned(), run.path().to_str().unwrap().to_owned());
    let status = || hotspare(&["status", "--root", &root, "--run-dir", &run_dir]);
    assert_eq!(*offload.execute(request()).unwrap(), *expected);
    assert!(status().1.contains("active 2 of 2"), "{}", status().1);
    for fault in ["hang", "fatal"] {
        emulator.inject(1, fault).unwrap();
        eventually("the device is missed", || {
            assert_eq!(*offload.execute(request()).unwrap(), *expected);
            status().1.contains("active 1 of 2")
        });
        eventually("the daemon has reset it", || {
            assert_eq!(*offload.execute(request()).unwrap(), *expected);
            status().0 && sum(&stats).value(Counter::ActiveDevices) == 2
        });
        let (passed, said) = hotspare(&["check", "--run-dir", &run_dir]);
        assert!(passed, "{said}");
    }
    let sum = sum(&stats);
    assert_eq!(sum.value(Counter::CallerErrors) + sum.value(Counter::Refused), 0);
}

#[test]
fn a_failed_check_names_the_device_and_the_daemon_that_may_not_reset_leaves_it() {
    let run = Scratch::new();
    let emulator = Emulator::start(2);
    let _daemon = start_daemon(&emulator, &run, "reset = \"never\"");
    emulator.inject(0, "hang").unwrap();
    let run_dir = run.path().to_str().unwrap();
    eventually("the check fails", || {
        let (passed, said) = hotspare(&["check", "--all", "--run-dir", run_dir]);
        assert!(passed || said.contains("0000:"), "{said}");
        !passed
    });
    // By hand it is healed, and the daemon sees it.
    emulator.reset(0).unwrap();
    eventually("the check passes", || hotspare(&["check", "--all", "--run-dir", run_dir]).0);
}

#[test]
fn requests_in_flight_on_a_killed_device_are_replayed_at_once_and_it_is_used_again() {
    let stats = Scratch::new();
    let emulator = Emulator::start(1);
    let offload = offload(&emulator, &stats);
    let expected = expected();
    for round in 0..3 {
        eventually("the device is in use", || {
            let before = sum(&stats).value(Counter::Hardware);
            assert_eq!(*offload.execute(request()).unwrap(), *expected);
            sum(&stats).value(Counter::Hardware) > before
        });
        let tickets: Vec<_> = (0..200).map(|_| offload.submit(request(), Completion::Poll)).collect();
        assert!(emulator.kill_device(0), "round {round}");
        let started = Instant::now();
        for ticket in tickets {
            assert_eq!(*ticket.wait().unwrap(), *expected);
        }
        // Nobody waited for the deadline of five seconds: the closed connection told.
        assert_eq!(sum(&stats).value(Counter::DeadlinesMissed), 0, "after {:?}", started.elapsed());
    }
    assert!(sum(&stats).value(Counter::ReplayedSoftware) > 0, "nothing was caught in flight");
}

#[test]
fn an_instance_goes_back_when_its_process_ends_though_a_child_of_it_lives_on() {
    let stats = Scratch::new();
    let emulator = Emulator::start_with(1, &["--instances", "1"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    // SAFETY: the child uses what Hotspare promises to work in a child, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let offload = offload(&emulator, &stats);
        let worked = offload.execute(request()).is_ok() && sum(&stats).value(Counter::Hardware) == 1;
        // SAFETY: the grandchild only waits, with what it has inherited, until the test closes the pipe or kills it.
        let grandchild = unsafe { libc::fork() };
        if grandchild == 0 {
            // SAFETY: plain system calls; ends with the test at the latest.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, 0);
                libc::alarm(60);
                libc::pause();
                libc::_exit(0);
            }
        }
        let mut message = grandchild.to_ne_bytes().to_vec();
        message.push(u8::from(worked));
        let _ = rustix::io::write(&writer, &message);
        // SAFETY: ends this process at once, with the grandchild holding all that it had open.
        unsafe { libc::_exit(0) };
    }
    drop(writer);
    let mut message = [0; 5];
    assert_eq!(rustix::io::read(&reader, &mut message).unwrap(), message.len(), "the child wrote nothing");
    let grandchild = i32::from_ne_bytes([message[0], message[1], message[2], message[3]]);
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    let offload = offload(&emulator, &stats);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert_eq!(message[4], 1, "the first process had hardware");
        eventually("the second process has the only instance", || {
            offload.execute(request()).unwrap();
            sum(&stats).value(Counter::Hardware) > 1
        });
    }));
    // SAFETY: the grandchild waits for just this; it was not reaped by anybody, or is gone with its alarm long after.
    unsafe { libc::kill(grandchild, libc::SIGKILL) };
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn more_processes_than_instances_all_work_and_the_late_ones_in_software() {
    let stats = Scratch::new();
    let emulator = Emulator::start_with(1, &["--instances", "2"]);
    let expected = expected();
    let offloads: Vec<_> = (0..4).map(|_| offload(&emulator, &stats)).collect();
    for offload in &offloads {
        assert_eq!(*offload.execute(request()).unwrap(), *expected);
    }
    let sum = sum(&stats);
    assert_eq!(sum.value(Counter::Hardware), 2);
    assert_eq!(sum.value(Counter::Software), 2);
}
