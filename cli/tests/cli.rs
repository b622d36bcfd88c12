//! The command as a process, on files that the tests write and daemons that they play.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use hotspare_device::files::{
    AdminState, DeviceFiles, DeviceInfo, EmulatorPaths, Health, MonitorPaths, MonitorState, MonitoredDevice,
    RecordedEvent, unix_ms,
};
use hotspare_device::stats::{Counter, Path as WorkPath, Published};
use hotspare_device::{Bdf, Kind, State};
use serde_json::Value;

const FIRST: &str = "0000:6b:00.0";
const SECOND: &str = "0000:70:00.0";

struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hotspare-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// An emulator's tree with two devices, and somebody who listens as it would.
    fn emulator(&self) -> UnixListener {
        let paths = EmulatorPaths::new(&self.0);
        fs::create_dir_all(paths.directory()).unwrap();
        for (number, address) in (0..).zip([FIRST, SECOND]) {
            self.info(number, address, State::Up).write(&paths).unwrap();
        }
        UnixListener::bind(paths.control_socket()).unwrap()
    }

    fn info(&self, number: u32, address: &str, state: State) -> DeviceInfo {
        DeviceInfo {
            version: DeviceInfo::VERSION,
            address: bdf(address),
            number,
            kind: "4xxx".into(),
            node: 0,
            engines: 2,
            instances: 64,
            state,
            epoch: 3,
            pid: Some(1),
            events: vec![RecordedEvent::now("restarted", "a reset\u{1b}[2J by hand")],
        }
    }

    fn monitor(&self, address: &str, health: Health, written_unix_ms: u64) {
        let device = MonitoredDevice {
            address: bdf(address),
            number: 1,
            health,
            timer_ms: Some(200),
            interval_ms: Some(200),
            checks: 5,
            last_check_unix_ms: Some(written_unix_ms),
            blocked_since_unix_ms: None,
            queries_sent: Some(5),
            queries_failed: Some(1),
            failures: 1,
            resets: 0,
            resets_failed: 0,
            resets_by_others: 0,
            problem: None,
            events: vec![RecordedEvent::now("error", "it hangs")],
        };
        let state = MonitorState {
            version: MonitorState::VERSION,
            pid: 4711,
            written_unix_ms,
            root: self.0.clone(),
            devices: vec![device],
        };
        state.write(&MonitorPaths::new(&self.0)).unwrap();
    }

    /// Runs a subcommand with this directory as root or run directory; its exit status and what it said.
    fn hotspare(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotspare"));
        for name in ["HOTSPARE_ROOT", "HOTSPARE_RUN_DIR", "HOTSPARE_STATS_DIR"] {
            command.env_remove(name);
        }
        let Output { status, stdout, stderr } =
            command.args(arguments).current_dir(&self.0).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn status(&self) -> (i32, String, String) {
        self.hotspare(&["status", "--root", ".", "--run-dir", "."])
    }

    fn status_json(&self) -> (i32, Value) {
        let (code, out, _) = self.hotspare(&["status", "--root", ".", "--run-dir", ".", "--json"]);
        (code, serde_json::from_str(&out).unwrap())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

#[test]
fn status_shows_the_devices_of_an_emulator() {
    let directory = TempDir::new();
    let _emulator = directory.emulator();
    let (code, out, err) = directory.status();
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("active 2 of 2\n"), "{out}");
    assert!(!out.contains('\u{1b}'), "what files say must not steer the terminal");
    let line = out.lines().find(|line| line.starts_with(SECOND)).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..8], [SECOND, "1", "4xxx", "0", "2", "up", "3", "-"], "{out}");
    assert_eq!(words[8], "restarted");

    directory.info(1, SECOND, State::Error).write(&EmulatorPaths::new(&directory.0)).unwrap();
    let (code, json) = directory.status_json();
    assert_eq!((code, &json["active"], &json["total"]), (1, &1.into(), &2.into()));
    let device = &json["devices"][1];
    assert_eq!(device["address"], SECOND);
    assert_eq!(device["state"], "error");
    assert_eq!((&device["active"], &device["epoch"]), (&false.into(), &3.into()));
    assert_eq!(device["events"][0]["event"], "restarted");
    assert_eq!(device["health"], Value::Null);
}

#[test]
fn status_believes_the_daemon_while_it_runs() {
    let directory = TempDir::new();
    let _emulator = directory.emulator();
    directory.monitor(SECOND, Health::Failed, unix_ms());
    let (code, json) = directory.status_json();
    assert_eq!((code, &json["active"]), (1, &1.into()));
    assert_eq!(json["devices"][1]["health"], "failed");
    assert_eq!(json["devices"][1]["events"][1]["event"], "error");
    directory.monitor(SECOND, Health::Failed, unix_ms() - 60_000);
    let (code, out, err) = directory.status();
    assert!(code == 1 && out.contains("active 2 of 2") && err.contains("4711"), "{out}{err}");
}

#[test]
fn status_shows_real_devices_by_the_drivers_files() {
    let directory = TempDir::new();
    let files = DeviceFiles::new(&directory.0, bdf(FIRST), Some("c6xx"));
    files.publish_device(16, Some(1)).unwrap();
    files.publish_state(AdminState::Up).unwrap();
    let (code, json) = directory.status_json();
    assert_eq!((code, &json["active"], &json["total"]), (0, &1.into(), &1.into()));
    let device = &json["devices"][0];
    assert_eq!(
        (&device["type"], &device["node"], &device["instances"]),
        (&"c6xx".into(), &1.into(), &16.into())
    );
    assert_eq!((&device["engines"], &device["epoch"]), (&Value::Null, &Value::Null));
    files.publish_state(AdminState::Down).unwrap();
    let (code, json) = directory.status_json();
    assert_eq!((code, &json["devices"][0]["state"]), (1, &"down".into()));
}

#[test]
fn status_without_devices_says_what_to_do() {
    let directory = TempDir::new();
    let (code, out, err) = directory.status();
    assert!(code == 1 && out.is_empty() && err.contains("--root"), "{out}{err}");
    let (code, json) = directory.status_json();
    assert_eq!((code, &json["total"]), (1, &0.into()));
    // An emulator that is gone left its files; nobody listens.
    drop(directory.emulator());
    let (code, out, err) = directory.status();
    assert!(code == 1 && out.contains("active 0 of 2") && out.contains("removed"), "{out}");
    assert!(err.contains("no hotspare-emulator"), "{err}");
}

#[test]
fn status_survives_files_that_are_wrong() {
    let directory = TempDir::new();
    let _emulator = directory.emulator();
    fs::write(EmulatorPaths::new(&directory.0).info(bdf(SECOND)), "{").unwrap();
    fs::write(MonitorPaths::new(&directory.0).state(), "[]").unwrap();
    let (code, out, err) = directory.status();
    assert!(code == 1 && out.contains("active 1 of 1"), "{out}");
    assert!(err.contains(SECOND) && err.contains("hbd.json"), "{err}");
}

#[test]
fn a_wrong_command_line_is_another_exit_status() {
    let directory = TempDir::new();
    for arguments in [&["status", "--nonsense"][..], &["check", "6b"], &["check", FIRST, "--all"], &[]] {
        assert_eq!(directory.hotspare(arguments).0, 2, "{arguments:?}");
    }
    let (code, out, _) = directory.hotspare(&["--help"]);
    assert!(code == 0 && out.contains("Exit status"));
}

#[test]
fn stats_sums_what_the_processes_published() {
    let directory = TempDir::new();
    let (code, out, err) = directory.hotspare(&["stats", "--dir", "."]);
    assert!(code == 0 && out.is_empty() && err.contains("--dir"), "{out}{err}");
    let published: Vec<_> = (0..2).map(|_| Published::create(&directory.0).unwrap()).collect();
    for one in &published {
        one.add(Counter::Submitted, 7);
        one.add(Counter::Hardware, 4);
        one.add(Counter::Software, 2);
        one.add(Counter::InFlight, 1);
        one.completed(Kind::EcdsaSignP256, WorkPath::Hardware, std::time::Duration::from_millis(3));
        one.device(bdf(FIRST)).unwrap();
    }
    let (code, out, err) = directory.hotspare(&["stats", "--dir", ".", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&out).unwrap();
    let sum = &json["sum"];
    assert_eq!((&sum["counters"]["submitted"], &sum["imbalance"]), (&14.into(), &0.into()));
    assert_eq!(sum["kinds"]["ecdsa-p256-sign"]["hardware"], 2);
    assert_eq!(sum["latency_ms"]["3"], 2);
    assert!(sum["devices"][FIRST].is_object());
    assert_eq!(json["processes"].as_array().unwrap().len(), 2);
    assert_eq!(json["processes"][0]["counters"]["hardware"], 4);
    assert_eq!(
        (&json["processes"][0]["alive"], &json["processes"][0]["pid"]),
        (&true.into(), &std::process::id().into())
    );

    let (_, out, _) = directory.hotspare(&["stats", "--dir", "."]);
    let words: Vec<_> = out.lines().find(|line| line.contains(" sum ")).unwrap().split_whitespace().collect();
    assert_eq!(words[..5], ["-", "sum", "14", "8", "0"], "{out}");
    assert!(out.contains("ecdsa-p256-sign") && out.contains(FIRST), "{out}");

    fs::write(directory.0.join("x.stats"), "not counters").unwrap();
    let (code, out, err) = directory.hotspare(&["stats", "--dir", "."]);
    assert!(code == 1 && err.contains("x.stats") && out.contains("sum"), "{err}");
}

/// A daemon that answers one request with `reply`; gives the request.
fn play_daemon(directory: &Path, reply: Vec<u8>) -> JoinHandle<String> {
    let socket = MonitorPaths::new(directory).socket();
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(client.try_clone().unwrap()).read_line(&mut request).unwrap();
        let _ = client.write_all(&reply);
        request
    })
}

#[test]
fn check_fails_if_any_device_failed_and_names_it() {
    let directory = TempDir::new();
    let result = |address: &str, passed: bool| {
        let (health, why) = if passed { ("healthy", "") } else { ("failed", "it hangs") };
        format!(r#"{{"address":"{address}","passed":{passed},"health":"{health}","why":"{why}"}}"#)
    };
    let reply = |second| {
        format!("{{\"results\":[{},{}]}}\n", result(FIRST, true), result(SECOND, second)).into_bytes()
    };

    let daemon = play_daemon(&directory.0, reply(true));
    let (code, out, err) = directory.hotspare(&["check", "--run-dir", "."]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(daemon.join().unwrap(), "{\"version\":1,\"check\":\"all\"}\n");

    let daemon = play_daemon(&directory.0, reply(false));
    let (code, out, err) = directory.hotspare(&["check", "--all", "--run-dir", "."]);
    assert!(code == 1 && out.contains("FAILED") && out.contains("it hangs"), "{out}");
    assert!(err.contains(SECOND) && !err.contains(FIRST), "{err}");
    daemon.join().unwrap();

    let daemon = play_daemon(&directory.0, b"{\"error\":\"0000:6b:00.0 is not monitored\"}\n".to_vec());
    let (code, _, err) = directory.hotspare(&["check", FIRST, "--run-dir", "."]);
    assert!(code == 1 && err.contains("not monitored"), "{err}");
    assert_eq!(daemon.join().unwrap(), "{\"version\":1,\"check\":{\"device\":\"0000:6b:00.0\"}}\n");
}

#[test]
fn check_survives_what_is_no_daemon() {
    let directory = TempDir::new();
    let (code, _, err) = directory.hotspare(&["check", "--run-dir", "."]);
    assert!(code == 1 && err.contains("hotspare-hbd --config"), "{err}");
    for (reply, part) in [
        (Vec::new(), "no reply"),
        (b"HTTP/1.1 400 Bad Request\n".to_vec(), "no hotspare-hbd"),
        (vec![b'x'; 1 << 20], "no hotspare-hbd"),
        (b"{\"results\":[]}\n".to_vec(), ""),
    ] {
        let daemon = play_daemon(&directory.0, reply);
        let (code, _, err) = directory.hotspare(&["check", "--run-dir", "."]);
        assert!(code == 1 && err.contains(part), "{part}: {err}");
        daemon.join().unwrap();
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let directory = TempDir::new();
    let _emulator = directory.emulator();
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotspare"));
    command.args(["status", "--root", "."]).current_dir(&directory.0).stdout(OwnedFd::from(writer));
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
