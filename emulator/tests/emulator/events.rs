//! Uevents, heard in a network namespace of the test's own, so that no other listener is misled.

use std::process::Command;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::events::{DeviceEvent, EventKind, Monitor};
use rustix::event::{PollFd, PollFlags};

use super::machine::{Machine, PATIENCE, TemporaryDirectory};

/// Set in the copy of this test that runs in the namespace.
const INSIDE: &str = "HOTSPARE_TEST_INSIDE";

#[test]
fn genuine_uevents_tell_of_errors_resets_and_removals() {
    if std::env::var_os(INSIDE).is_none() {
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "events::genuine_uevents_tell_of_errors_resets_and_removals", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let mut monitor = Monitor::new().unwrap();
    let options = ["--devices", "1", "--number-base", "7", "--respawn", "0.1"];
    let machine = Machine::start_under(TemporaryDirectory::new(), &options);
    machine.inject(0, "fatal");
    machine.reset(0);
    assert_eq!(hear(&mut monitor, 3), [EventKind::Error, EventKind::Restarting, EventKind::Restarted]);
    machine.kill_device(0);
    assert_eq!(
        hear(&mut monitor, 4),
        [EventKind::Error, EventKind::Removed, EventKind::Added, EventKind::Restarted]
    );
    machine.wait_for(0, State::Up);
}

/// The next `count` events of the kernel's group, all of the one device.
fn hear(monitor: &mut Monitor, count: usize) -> Vec<EventKind> {
    let mut heard = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while heard.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(left > Duration::ZERO, "only {heard:?}");
        let mut wanted: Vec<_> =
            monitor.descriptors().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        rustix::event::poll(&mut wanted, left.try_into().ok().as_ref()).unwrap();
        drop(wanted);
        monitor.drain(&mut |event: DeviceEvent| {
            if event.group == hotspare_device::events::Group::Kernel {
                assert_eq!(event.address.unwrap().to_string(), "0000:6b:00.0");
                if !matches!(event.kind, EventKind::Added | EventKind::Removed) {
                    assert_eq!(event.number, Some(7));
                }
                heard.push(event.kind);
            }
        });
    }
    heard
}
