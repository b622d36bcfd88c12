//! Events that go through the real kernel, in a network namespace of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;
use std::time::Duration;

use hotspare_device::Bdf;
use hotspare_device::events::{DeviceEvent, Drained, EventKind, Group, InjectError, Injector, Monitor};
use rustix::event::{PollFd, PollFlags, Timespec};

const ADDRESS: Bdf = Bdf { domain: 0, bus: 0x6b, device: 0, function: 0 };

/// Runs the ignored test `name` of this file in namespaces of its own, where this user is root.
fn in_namespaces(name: &str) {
    let own = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-Urmn", "--"])
        .arg(own)
        .args(["--ignored", "--exact", "--test-threads=1", name])
        .output()
        .expect("the program `unshare` (Debian package util-linux) is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "`unshare -Urmn {name}` failed; are user namespaces allowed here?\n{text}"
    );
}

#[test]
fn an_injected_event_is_received_from_the_kernel() {
    in_namespaces("inside_events_are_received");
}

#[test]
fn an_overflow_is_noticed() {
    in_namespaces("inside_an_overflow_is_noticed");
}

#[test]
fn who_may_not_inject_is_told_what_is_missing() {
    // A user namespace without a network namespace of its own: root there, but not over the network.
    let own = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-Ur", "--"])
        .arg(own)
        .args(["--ignored", "--exact", "inside_injection_is_refused"])
        .output()
        .expect("the program `unshare` (Debian package util-linux) is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run in namespaces by an_injected_event_is_received_from_the_kernel"]
fn inside_events_are_received() {
    let mut monitor = Monitor::new().unwrap();
    let mut injector = Injector::new().unwrap();
    assert_eq!(drain(&mut monitor).0, []);

    injector.announce(ADDRESS, 7, "error").unwrap();
    wait(&monitor);
    let (events, drained) = drain(&mut monitor);
    assert_eq!(
        events,
        [DeviceEvent {
            address: Some(ADDRESS),
            number: Some(7),
            kind: EventKind::Error,
            group: Group::Kernel
        }]
    );
    assert_eq!(drained, Drained { events: 1, lost: false, more: false });

    // Other subsystems are filtered out, others' words are passed over, the order is kept.
    let path = "/devices/pci0000:6b/0000:6b:00.0";
    injector.send("change", "/devices/virtual/x", &[("SUBSYSTEM", "misc"), ("qat_event", "error")]).unwrap();
    injector.send("change", path, &[("SUBSYSTEM", "pci"), ("WEDGED", "none")]).unwrap();
    injector
        .send(
            "change",
            path,
            &[("SUBSYSTEM", "pci"), ("ERROR_EVENT", "BEGIN_RECOVERY"), ("DEVICE_ONLINE", "0")],
        )
        .unwrap();
    injector.announce(ADDRESS, 7, "restarting").unwrap();
    injector.announce(ADDRESS, 7, "restarted").unwrap();
    injector.send("remove", path, &[("SUBSYSTEM", "pci")]).unwrap();
    wait(&monitor);
    let kinds: Vec<_> = drain(&mut monitor).0.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [EventKind::RecoveryBegin, EventKind::Restarting, EventKind::Restarted, EventKind::Removed]
    );

    let refused = injector.send("no-such-action", path, &[("x", "y\0")]);
    assert!(matches!(refused, Err(InjectError::Malformed(_))));
}

#[test]
#[ignore = "run in namespaces by an_overflow_is_noticed"]
fn inside_an_overflow_is_noticed() {
    let mut monitor = Monitor::new().unwrap();
    let mut injector = Injector::new().unwrap();
    // libudev asks for as much as the system allows, which differs: make it little.
    for descriptor in monitor.descriptors() {
        rustix::net::sockopt::set_socket_recv_buffer_size(descriptor, 16 * 1024).unwrap();
    }
    for _ in 0..5000 {
        injector.announce(ADDRESS, 0, "error").unwrap();
    }
    let (mut lost, mut rounds) = (false, 0);
    loop {
        let drained = drain(&mut monitor).1;
        assert!(drained.events <= hotspare_device::events::MAX_EVENTS_PER_DRAIN);
        lost |= drained.lost;
        rounds += 1;
        if !drained.more {
            break;
        }
        assert!(rounds < 100, "a drained monitor still has events");
    }
    assert!(lost, "5000 events fit into the socket's buffer?");
    // And it still hears afterwards.
    injector.announce(ADDRESS, 0, "restarted").unwrap();
    wait(&monitor);
    let (events, drained) = drain(&mut monitor);
    assert_eq!((events.len(), drained.lost), (1, false));
}

#[test]
#[ignore = "run in a namespace by who_may_not_inject_is_told_what_is_missing"]
fn inside_injection_is_refused() {
    let error = Injector::new().unwrap().announce(ADDRESS, 0, "error").unwrap_err();
    assert!(matches!(error, InjectError::NotPermitted), "{error}");
    assert!(error.to_string().contains("CAP_SYS_ADMIN"));
}

fn drain(monitor: &mut Monitor) -> (Vec<DeviceEvent>, Drained) {
    let mut events = Vec::new();
    let drained = monitor.drain(&mut |event| events.push(event));
    (events, drained)
}

/// Waits until there is something to drain, five seconds at most.
fn wait(monitor: &Monitor) {
    let mut wanted: Vec<_> =
        monitor.descriptors().map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN)).collect();
    let limit = Timespec::try_from(Duration::from_secs(5)).unwrap();
    let ready = rustix::event::poll(&mut wanted, Some(&limit)).unwrap();
    assert!(ready > 0, "no event within five seconds");
}
