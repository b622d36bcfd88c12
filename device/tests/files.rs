//! The files of devices, on a real file system: what the emulator publishes is what a monitor reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hotspare_device::files::{
    AdminState, Answer, DeviceFiles, DeviceInfo, EmulatorPaths, FileError, Health, InfoError, KEPT_EVENTS,
    MonitorPaths, MonitorState, RecordedEvent, remember, replace, write_in_place,
};
use hotspare_device::{Bdf, State};

const ADDRESS: Bdf = Bdf { domain: 0, bus: 0x6b, device: 0, function: 0 };
const TIMER: Duration = Duration::from_millis(200);

struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hotspare-files-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn device(root: &Path) -> DeviceFiles {
    DeviceFiles::new(root, ADDRESS, Some("4xxx"))
}

#[test]
fn what_is_published_is_what_is_read() {
    let root = TempDir::new();
    let files = device(&root.0);
    files.publish_device(64, Some(1)).unwrap();
    assert_eq!(files.state().unwrap(), AdminState::Down);
    assert!(!files.auto_reset().unwrap());
    assert_eq!(files.ring_pairs().unwrap(), 64);
    assert_eq!(files.numa_node().unwrap(), Some(1));

    files.publish_heartbeat(TIMER).unwrap();
    files.publish_state(AdminState::Up).unwrap();
    assert_eq!(files.state().unwrap(), AdminState::Up);
    assert_eq!((files.check().unwrap(), files.timer().unwrap()), (Answer::Responsive, TIMER));
    files.publish_check(Answer::Unresponsive, 12, 3).unwrap();
    assert_eq!(files.check().unwrap(), Answer::Unresponsive);
    assert_eq!((files.queries_sent().unwrap(), files.queries_failed().unwrap()), (12, 3));
    // A shorter text over a longer one leaves nothing of it, and the counters' restart is seen.
    files.publish_check(Answer::Responsive, 0, 0).unwrap();
    assert_eq!(fs::read(files.heartbeat().unwrap().join("status")).unwrap(), b"0\n\0");
    assert_eq!(fs::read(files.heartbeat().unwrap().join("queries_sent")).unwrap(), b"0\n\0");
    assert_eq!(fs::read(files.settings().join("state")).unwrap(), b"up\n");
}

#[test]
fn the_paths_are_the_kernels() {
    let root = TempDir::new();
    let files = device(&root.0);
    files.publish_device(2, None).unwrap();
    files.publish_heartbeat(TIMER).unwrap();
    for path in [
        "sys/bus/pci/devices/0000:6b:00.0/qat/state",
        "sys/bus/pci/devices/0000:6b:00.0/qat/auto_reset",
        "sys/bus/pci/devices/0000:6b:00.0/qat/num_rps",
        "sys/bus/pci/devices/0000:6b:00.0/numa_node",
        "sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status",
        "sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/queries_sent",
        "sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/queries_failed",
        "sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/config",
    ] {
        assert!(root.0.join(path).is_file(), "{path}");
    }
    assert_eq!(files.numa_node().unwrap(), None);
}

#[test]
fn an_administrator_writes_as_a_shell_does_and_inodes_stay() {
    let root = TempDir::new();
    let files = device(&root.0);
    files.publish_device(2, None).unwrap();
    files.publish_heartbeat(TIMER).unwrap();
    let state = files.settings().join("state");
    let inode = fs::metadata(&state).unwrap().ino();
    files.set_state(AdminState::Up).unwrap();
    assert_eq!(fs::read(&state).unwrap(), b"up\n");
    files.publish_state(AdminState::Down).unwrap();
    fs::write(&state, "up\n").unwrap();
    assert_eq!(files.state().unwrap(), AdminState::Up);
    files.set_auto_reset(true).unwrap();
    assert!(files.auto_reset().unwrap());
    files.set_timer(Duration::from_millis(300)).unwrap();
    assert_eq!(files.timer().unwrap(), Duration::from_millis(300));
    assert_eq!(fs::metadata(&state).unwrap().ino(), inode);
}

#[test]
fn a_device_that_is_down_has_no_heartbeat_and_that_is_told_from_errors() {
    let root = TempDir::new();
    let files = device(&root.0);
    assert!(matches!(files.state(), Err(FileError::Absent(_))));
    assert!(files.set_state(AdminState::Up).unwrap_err().is_absent());
    assert!(!files.settings().exists(), "a write must not make a file");

    files.publish_device(2, None).unwrap();
    assert!(!files.has_heartbeat());
    assert!(files.check().unwrap_err().is_absent());
    files.publish_heartbeat(TIMER).unwrap();
    assert!(files.has_heartbeat());
    files.publish_no_heartbeat().unwrap();
    files.publish_no_heartbeat().unwrap();
    assert!(files.check().unwrap_err().is_absent());
    files.publish_heartbeat(TIMER).unwrap();
    assert_eq!(files.check().unwrap(), Answer::Responsive);

    for wrong in ["", "\0", "1\n", "-1x", "responsive\n", "\u{fffd}"] {
        fs::write(files.heartbeat().unwrap().join("status"), wrong).unwrap();
        assert!(matches!(files.check(), Err(FileError::Malformed { .. })), "{wrong:?}");
    }
    fs::write(files.heartbeat().unwrap().join("queries_failed"), vec![b'9'; 1 << 20]).unwrap();
    assert!(matches!(files.queries_failed(), Err(FileError::Malformed { .. })));
    files.publish_removal().unwrap();
    assert!(matches!(files.state(), Err(FileError::Absent(_))));
    assert_eq!(DeviceFiles::discover(&root.0).unwrap(), []);
}

#[test]
fn discovery_finds_types_and_passes_over_the_rest() {
    let root = TempDir::new();
    assert_eq!(DeviceFiles::discover(&root.0).unwrap(), []);
    let second: Bdf = "0000:70:00.0".parse().unwrap();
    device(&root.0).publish_device(2, None).unwrap();
    fs::create_dir_all(root.0.join("sys/bus/pci/devices/0000:70:00.0/qat")).unwrap();
    fs::create_dir_all(root.0.join("sys/bus/pci/devices/0000:00:02.0")).unwrap();
    for name in ["qat_4xxxvf_0000:6b:00.1", "qat__0000:6b:00.2", "qat_4xxx_0000:6b", "qat_", "dri"] {
        fs::create_dir_all(root.0.join("sys/kernel/debug").join(name)).unwrap();
    }
    let found = DeviceFiles::discover(&root.0).unwrap();
    assert_eq!(found, [device(&root.0), DeviceFiles::new(&root.0, second, None)]);
    // A type that was not known is looked for again.
    let late = &found[1];
    assert!(late.check().unwrap_err().is_absent());
    let known = DeviceFiles::new(&root.0, second, Some("c6xx"));
    known.publish_device(2, None).unwrap();
    known.publish_heartbeat(TIMER).unwrap();
    assert_eq!(late.check().unwrap(), Answer::Responsive);
}

#[test]
fn a_reader_never_sees_a_file_half_written() {
    let root = TempDir::new();
    let files = device(&root.0);
    files.publish_device(2, None).unwrap();
    files.publish_heartbeat(TIMER).unwrap();
    let json = root.0.join("x.json");
    replace(&json, b"short").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..2000 {
                let state = if round % 2 == 0 { AdminState::Up } else { AdminState::Down };
                files.publish_state(state).unwrap();
                files.publish_check(Answer::Responsive, 1, if round % 2 == 0 { 99 } else { 111 }).unwrap();
                let content: &[u8] = if round % 2 == 0 { b"a much longer content" } else { b"short" };
                replace(&json, content).unwrap();
            }
            stop.store(true, Ordering::Release);
        });
        while !stop.load(Ordering::Acquire) {
            files.state().unwrap();
            assert!(matches!(files.queries_failed().unwrap(), 0 | 99 | 111));
            let content = fs::read(&json).unwrap();
            assert!(content == b"short" || content == b"a much longer content");
        }
    });
    let names: Vec<_> = fs::read_dir(&root.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}"); // sys, x.json
}

#[test]
fn the_emulators_description_of_a_device() {
    let root = TempDir::new();
    let paths = EmulatorPaths::new(&root.0);
    assert!(matches!(DeviceInfo::read_all(&paths), Err(InfoError::Absent(_))));
    fs::create_dir_all(paths.directory()).unwrap();
    let mut events = Vec::new();
    for round in 0..20 {
        remember(&mut events, RecordedEvent::now("restarted", &round.to_string()));
    }
    assert_eq!((events.len(), events[0].why.as_str()), (KEPT_EVENTS, "4"));
    let info = DeviceInfo {
        version: DeviceInfo::VERSION,
        address: ADDRESS,
        number: 0,
        kind: "4xxx".into(),
        node: 0,
        engines: 2,
        instances: 64,
        state: State::Restarting,
        epoch: 3,
        pid: None,
        events,
    };
    info.write(&paths).unwrap();
    assert_eq!(DeviceInfo::read(&paths, ADDRESS).unwrap(), info);
    let text = fs::read_to_string(root.0.join("run/hotspare-emulator/0000:6b:00.0.json")).unwrap();
    for part in
        [r#""address": "0000:6b:00.0""#, r#""type": "4xxx""#, r#""state": "restarting""#, r#""pid": null"#]
    {
        assert!(text.contains(part), "{part} in {text}");
    }

    fs::write(paths.info("0000:70:00.0".parse().unwrap()), &text).unwrap();
    let all = DeviceInfo::read_all(&paths).unwrap();
    assert_eq!(all.len(), 2);
    assert!(all[0].is_ok() && matches!(all[1], Err(InfoError::Malformed { .. })));
    for wrong in [
        text.replace("\"version\": 1", "\"version\": 2"),
        text.replace("restarting", "well"),
        text[..text.len() / 2].to_owned(),
        "x".repeat(2 << 20),
    ] {
        write_in_place(&paths.info(ADDRESS), wrong.as_bytes()).unwrap();
        assert!(matches!(DeviceInfo::read(&paths, ADDRESS), Err(InfoError::Malformed { .. })));
    }
}

#[test]
fn the_monitors_state_file() {
    let root = TempDir::new();
    let paths = MonitorPaths::new(&root.0);
    assert!(matches!(MonitorState::read(&paths), Err(InfoError::Absent(_))));
    let state = MonitorState {
        version: MonitorState::VERSION,
        pid: 1,
        written_unix_ms: 2,
        root: "/".into(),
        devices: Vec::new(),
    };
    state.write(&paths).unwrap();
    assert_eq!(MonitorState::read(&paths).unwrap(), state);
    fs::write(paths.state(), "{}").unwrap();
    assert!(matches!(MonitorState::read(&paths), Err(InfoError::Malformed { .. })));
    assert_eq!(Health::Failed.to_string(), "failed");
}
