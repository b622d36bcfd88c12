//! The daemon as a process, on a tree of plain files that a thread animates as a driver would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use hotspare_device::events::{EventKind, Monitor};
use hotspare_device::files::{CheckReply, CheckTarget, Health};
use support::{Daemon, FakeDevice, PATIENCE, TempDir, bdf, refused};

const FIRST: &str = "0000:6b:00.0";
const SECOND: &str = "0000:70:00.0";

#[test]
fn a_device_that_hangs_is_reset_and_the_other_is_left_alone() {
    let directory = TempDir::new();
    let first = FakeDevice::start(&directory.root(), FIRST);
    let second = FakeDevice::start(&directory.root(), SECOND);
    let mut daemon = Daemon::start(&directory, "");
    daemon.wait_for_device(FIRST, "a healthy device", |device| device.health == Health::Healthy);
    first.hang();
    let seen = daemon.wait_for_device(FIRST, "a reset", |device| device.resets == 1);
    assert_eq!((seen.health, seen.failures, seen.number), (Health::Healthy, 1, 0));
    let events: Vec<_> = seen.events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(events, ["error", "restarting", "restarted"]);
    let other = daemon.wait_for_device(SECOND, "the other", |device| device.checks > 3);
    assert_eq!((other.health, other.failures, other.number), (Health::Healthy, 0, 1));
    assert_eq!((first.resets(), second.resets()), (1, 0));

    let (status, log) = daemon.end();
    assert!(status.success(), "{status}");
    for part in ["ERROR", "queries_failed grew", "restarted"] {
        assert!(log.contains(part), "{part} is not in the log:\n{log}");
    }
    let left: Vec<_> =
        fs::read_dir(directory.run_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["hbd.lock"]);
}

#[test]
fn where_the_driver_resets_by_itself_the_daemon_only_tells() {
    let directory = TempDir::new();
    let device = FakeDevice::start(&directory.root(), FIRST);
    device.files.set_auto_reset(true).unwrap();
    let mut daemon = Daemon::start(&directory, "reset = \"auto\"");
    device.hang();
    daemon.wait_for_device(FIRST, "a failure", |device| device.health == Health::Resetting);
    // What the driver would do.
    device.files.set_state(hotspare_device::files::AdminState::Down).unwrap();
    daemon.wait_for_device(FIRST, "its going down", |seen| {
        seen.events.len() == 2 && !device.files.has_heartbeat()
    });
    device.files.set_state(hotspare_device::files::AdminState::Up).unwrap();
    let seen = daemon.wait_for_device(FIRST, "the end", |device| device.health == Health::Healthy);
    assert_eq!((seen.resets, seen.resets_by_others), (0, 1));
    assert_eq!(seen.events.last().unwrap().event, "restarted");
}

#[test]
fn a_reset_that_does_not_help_is_told() {
    let directory = TempDir::new();
    let device = FakeDevice::start(&directory.root(), FIRST);
    device.never_cured();
    let mut daemon = Daemon::start(&directory, "reset_timeout_ms = 1000");
    device.hang();
    let seen = daemon.wait_for_device(FIRST, "the bad end", |device| device.resets_failed == 1);
    assert_eq!(seen.health, Health::Failed);
    let reply = daemon.check(CheckTarget::Device(bdf(FIRST)));
    let CheckReply::Results(results) = reply else { panic!("{reply:?}") };
    assert!(!results[0].passed && results[0].why.contains("failed"), "{results:?}");
}

#[test]
fn a_check_by_hand_is_made_at_once_and_names_who_failed() {
    let directory = TempDir::new();
    let _first = FakeDevice::start(&directory.root(), FIRST);
    let second = FakeDevice::start(&directory.root(), SECOND);
    // The daemon's own checks are far apart, so that these here are by hand.
    let daemon = Daemon::start(&directory, "interval_ms = 3600000\nreset = \"never\"");
    let CheckReply::Results(results) = daemon.check(CheckTarget::All) else { panic!() };
    assert!(results.iter().all(|result| result.passed && result.health == Health::Healthy), "{results:?}");
    second.hang();
    let until = Instant::now() + PATIENCE;
    let results = loop {
        let CheckReply::Results(results) = daemon.check(CheckTarget::All) else { panic!() };
        if !results[1].passed {
            break results;
        }
        assert!(Instant::now() < until, "the hang is not found");
    };
    assert!(results[0].passed && results[1].address == bdf(SECOND) && !results[1].why.is_empty());
    let CheckReply::Error(why) = daemon.check(CheckTarget::Device(bdf("0000:99:00.0"))) else { panic!() };
    assert!(why.contains("0000:99:00.0") && why.contains(FIRST), "{why}");
}

#[test]
fn a_driver_that_blocks_delays_nobody_else() {
    let directory = TempDir::new();
    let mut first = FakeDevice::start(&directory.root(), FIRST);
    let _second = FakeDevice::start(&directory.root(), SECOND);
    let mut daemon = Daemon::start(&directory, "");
    daemon.wait_for_device(FIRST, "a first check", |device| device.checks > 0);
    first.freeze();
    // Opening a FIFO that nobody writes to blocks for ever, as a driver's read may.
    let fifo = first.files.heartbeat().unwrap().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    fs::rename(&fifo, first.files.heartbeat().unwrap().join("status")).unwrap();
    daemon.wait_for_device(FIRST, "it being said to block", |device| device.blocked_since_unix_ms.is_some());
    let before = daemon.wait_for_device(SECOND, "the other", |_| true).checks;
    let started = Instant::now();
    daemon.wait_for_device(SECOND, "ten checks of the other", |device| device.checks >= before + 10);
    assert!(started.elapsed() < Duration::from_secs(4), "ten checks took {:?}", started.elapsed());
    let CheckReply::Results(results) = daemon.check(CheckTarget::All) else { panic!() };
    assert!(!results[0].passed && results[0].why.contains("block"), "{results:?}");
    assert!(results[1].passed, "{results:?}");
    let (status, log) = daemon.end();
    assert!(status.success() && log.contains("blocks"), "{status} {log}");
}

#[test]
fn the_socket_survives_its_clients() {
    let directory = TempDir::new();
    let _device = FakeDevice::start(&directory.root(), FIRST);
    let mut daemon = Daemon::start(&directory, "");
    for wrong in [
        "",
        "{}",
        "\0\u{1}\u{2}",
        "{\"version\":1,\"check\":\"some\"}",
        "[[[[[[[[",
        "{\"version\":2,\"check\":\"all\"}",
    ] {
        let CheckReply::Error(why) = daemon.ask(wrong) else { panic!("{wrong}") };
        assert!(!why.is_empty());
    }
    let CheckReply::Error(why) = daemon.ask(&"x".repeat(5000)) else { panic!() };
    assert!(why.contains("4096"), "{why}");
    // Some say nothing, some leave early; while they hold all places, others are turned away, and then they are out.
    let silent: Vec<_> = (0..40).map(|_| daemon.connect()).collect();
    for mut early in (0..5).map(|_| daemon.connect()) {
        let _ = early.write_all(b"{\"version\":1,\"check\":\"all\"}\n");
    }
    let patience = Instant::now() + PATIENCE;
    for mut one in silent {
        one.set_read_timeout(Some(patience.saturating_duration_since(Instant::now()))).unwrap();
        // Closed by the daemon, or reset if it had not read all.
        match one.read(&mut [0; 16]) {
            Ok(length) => assert_eq!(length, 0),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "a silent client stays")
            }
        }
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let mut stream = daemon.connect();
        let mut text = String::new();
        let asked = stream.write_all(b"{\"version\":1,\"check\":\"all\"}\n");
        if asked.and_then(|()| stream.read_to_string(&mut text)).is_ok() && text.contains("\"passed\":true") {
            break;
        }
        assert!(Instant::now() < until, "nobody is served any more: {text}");
    }
    assert!(daemon.end().0.success());
}

#[test]
fn a_second_monitor_is_refused_and_told_who_is_the_first() {
    let directory = TempDir::new();
    let _device = FakeDevice::start(&directory.root(), FIRST);
    let daemon = Daemon::start(&directory, "");
    let pid = format!("pid {}", daemon.child.id());
    let message = refused(Daemon::command(&directory.config("same.toml", "")));
    assert!(message.contains(&pid) && message.contains("run_dir"), "{message}");
    let other = directory.0.join("other.toml");
    fs::write(&other, format!("root = {:?}\nrun_dir = {:?}\n", directory.root(), directory.0.join("run2")))
        .unwrap();
    let message = refused(Daemon::command(&other));
    assert!(message.contains(&pid) && message.contains(FIRST), "{message}");
    drop(daemon);
    // Killed, the first left its files behind; they hinder nobody.
    let mut next = Daemon::start(&directory, "");
    next.wait_for_device(FIRST, "a check", |device| device.checks > 0);
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let directory = TempDir::new();
    let start = |more: &str| refused(Daemon::command(&directory.config("hbd.toml", more)));
    let message = start("");
    assert!(message.contains("no device") && message.contains("root"), "{message}");
    let device = FakeDevice::start(&directory.root(), FIRST);
    let message = start("interval_ms = 150");
    assert!(message.contains("interval_ms = 150") && message.contains("200 ms"), "{message}");
    let message = start("devices = [\"0000:70:00.0\"]");
    assert!(message.contains(SECOND) && message.contains(FIRST), "{message}");
    let message = start("colour = \"red\"");
    assert!(message.contains("colour") && message.contains("`interval_ms`"), "{message}");
    device.files.set_auto_reset(true).unwrap();
    let message = start("reset = \"managed\"");
    assert!(message.contains("auto_reset") && message.contains(FIRST), "{message}");
    let message = refused(Daemon::command(&directory.0.join("none.toml")));
    assert!(message.contains("none.toml"), "{message}");
}

#[test]
fn a_timer_raised_above_the_interval_is_a_problem_that_is_told() {
    let directory = TempDir::new();
    let device = FakeDevice::start(&directory.root(), FIRST);
    let mut daemon = Daemon::start(&directory, "interval_ms = 250");
    daemon.wait_for_device(FIRST, "a check", |device| device.checks > 0 && device.problem.is_none());
    device.files.set_timer(Duration::from_millis(600)).unwrap();
    let seen = daemon.wait_for_device(FIRST, "the problem", |device| device.problem.is_some());
    let problem = seen.problem.unwrap();
    assert!(problem.contains("250") && problem.contains("600"), "{problem}");
    assert_eq!(seen.interval_ms, Some(600));
}

#[test]
fn systemd_is_told_of_readiness_life_and_end() {
    let directory = TempDir::new();
    let _device = FakeDevice::start(&directory.root(), FIRST);
    let path = directory.0.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = || {
        let mut text = [0; 512];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let mut command = Daemon::command(&directory.config("hbd.toml", ""));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000").env_remove("WATCHDOG_PID");
    let paths = hotspare_device::files::MonitorPaths::new(&directory.run_dir());
    let mut daemon = Daemon { child: command.spawn().unwrap(), paths };
    let first = receive();
    assert!(first.contains("READY=1") && first.contains(FIRST), "{first}");
    let started = Instant::now();
    for _ in 0..5 {
        assert!(receive().contains("WATCHDOG=1"));
    }
    assert!(started.elapsed() < Duration::from_millis(5 * 400), "{:?}", started.elapsed());
    assert!(daemon.end().0.success());
    while !receive().contains("STOPPING=1") {}
}

#[test]
fn a_failure_and_its_end_are_announced_by_device_events() {
    let own = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-Urmn", "--"])
        .arg(own)
        .args(["--ignored", "--exact", "inside_events_are_announced"])
        .output()
        .expect("the program `unshare` (Debian package util-linux) is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run in namespaces by a_failure_and_its_end_are_announced_by_device_events"]
fn inside_events_are_announced() {
    let directory = TempDir::new();
    let _first = FakeDevice::start(&directory.root(), FIRST);
    let second = FakeDevice::start(&directory.root(), SECOND);
    let mut monitor = Monitor::new().unwrap();
    let mut daemon = Daemon::start(&directory, "");
    daemon.wait_for_device(SECOND, "a check", |device| device.checks > 0);
    second.hang();
    daemon.wait_for_device(SECOND, "a reset", |device| device.resets == 1);
    let mut heard = Vec::new();
    monitor.drain(&mut |event| heard.push((event.address, event.number, event.kind)));
    let of = |kind| (Some(bdf(SECOND)), Some(1), kind);
    assert_eq!(heard, [of(EventKind::Error), of(EventKind::Restarting), of(EventKind::Restarted)]);
    assert!(daemon.end().0.success());
}
