//! The program as a process: starting, ending, dying, idling, commands.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::drivers::emulated::wire::message::Refused;
use rustix::process::{Pid, Signal, test_kill_process};

use super::machine::{Machine, Succeed, TemporaryDirectory, command, eventually};
use super::user::{User, connect};

fn is_alive(pid: Pid) -> bool {
    // A process that has ended and whom nobody has waited for yet has no memory.
    test_kill_process(pid).is_ok()
        && fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).is_ok_and(|line| !line.is_empty())
}

#[test]
fn it_ends_cleanly_when_asked() {
    for signal in [Signal::TERM, Signal::INT] {
        let machine = Machine::start(&["--devices", "2"]);
        let user = User::attach(&machine.socket(0));
        let children = [machine.device_pid(0), machine.device_pid(1)];
        let (sockets, files) = ([machine.socket(0), machine.socket(1)], machine.files(0));
        let (status, root) = machine.end(signal);
        assert!(status.success(), "{status}");
        assert!(user.is_detached(Duration::from_secs(5)));
        assert!(!children.into_iter().any(is_alive));
        assert!(!sockets.iter().any(|socket| socket.exists()));
        assert!(!files.pci_directory().exists() && !files.has_heartbeat());
        let paths = hotspare_device::files::EmulatorPaths::new(root.path());
        for info in hotspare_device::files::DeviceInfo::read_all(&paths).unwrap() {
            assert_eq!(info.unwrap().state, State::Removed);
        }
    }
}

#[test]
fn devices_die_with_their_supervisor_and_the_root_can_be_used_again() {
    let machine = Machine::start(&["--devices", "2"]);
    let children = [machine.device_pid(0), machine.device_pid(1)];
    let (status, root) = machine.end(Signal::KILL);
    assert!(!status.success());
    eventually("the devices are gone", || (!children.into_iter().any(is_alive)).then_some(()));
    let machine = Machine::start_under(root, &["--devices", "1", "--no-uevents"]);
    User::attach(&machine.socket(0)).check();
    // What the first emulator left of its second device is gone.
    assert!(!machine.socket(1).exists());
    assert_eq!(machine.info(1).state, State::Removed);
}

#[test]
fn a_second_emulator_on_the_same_root_is_refused() {
    let machine = Machine::start(&["--devices", "1"]);
    let output = command("run", machine.root()).args(["--devices", "1"]).output().unwrap();
    let said = output.fail();
    assert!(said.contains("another hotspare-emulator runs"), "{said}");
    User::attach(&machine.socket(0)).check();
}

#[test]
fn a_root_that_cannot_be_is_said_so() {
    let root = TemporaryDirectory::new();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let said = command("run", &file).args(["--devices", "1"]).output().unwrap().fail();
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    let long = root.path().join("x".repeat(100));
    let said = command("run", &long).args(["--devices", "1"]).output().unwrap().fail();
    assert!(said.contains("control.sock"), "{said}");
}

#[test]
fn commands_say_what_is_wrong() {
    let machine = Machine::start(&["--devices", "1", "--number-base", "5"]);
    let said = machine.inject_by_name("0000:99:00.0", "fatal").fail();
    assert!(said.contains("no device `0000:99:00.0`"), "{said}");
    let said = machine.inject_by_name("5", "gremlins").fail();
    assert!(said.contains("no fault `gremlins`") && said.contains("hang"), "{said}");
    machine.inject_by_name("5", "fatal").succeed();
    let nowhere = TemporaryDirectory::new();
    let said = command("reset", nowhere.path()).arg("0").output().unwrap().fail();
    assert!(said.contains("no emulator runs"), "{said}");
    let help = command("inject", machine.root()).arg("--help").output().unwrap().succeed();
    assert!(help.contains("fatal") && help.contains("Like:"), "{help}");
}

#[test]
fn a_client_of_the_control_socket_that_talks_nonsense_harms_nobody() {
    let machine = Machine::start(&["--devices", "1"]);
    let socket = hotspare_device::files::EmulatorPaths::new(machine.root()).control_socket();
    let silent: Vec<_> = (0..20).map(|_| connect(&socket)).collect();
    for packet in [&b"{}"[..], &[0xff; 4096], &[b'['; 5000], br#"{"Reset":{"device":7}}"#] {
        let connection = connect(&socket);
        super::user::send(&connection, packet, &[]);
        let answer = super::user::receive(&connection);
        assert!(answer.is_none_or(|answer| answer.starts_with(b"{\"Err\"")));
    }
    machine.reset(0);
    drop(silent);
}

#[test]
fn the_sockets_have_their_permissions() {
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let machine = Machine::start(&["--devices", "1"]);
    assert_eq!(mode(machine.socket(0)), 0o666);
    let paths = hotspare_device::files::EmulatorPaths::new(machine.root());
    assert_eq!(mode(paths.control_socket()), 0o600);
    assert_eq!(mode(paths.directory().to_owned()), 0o755);
    let machine = Machine::start(&["--devices", "1", "--socket-mode", "600"]);
    assert_eq!(mode(machine.socket(0)), 0o600);
}

/// Processor time of a process and its threads so far.
fn processor_time(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ, which is 100 on every architecture that we run on.
    Duration::from_millis(ticks * 10)
}

#[test]
fn an_idle_emulator_hardly_uses_the_processor() {
    let machine = Machine::start(&["--devices", "2"]);
    let mut user = User::attach(&machine.socket(0));
    user.check();
    let pids = [machine.pid(), machine.device_pid(0), machine.device_pid(1)];
    let used = || pids.into_iter().map(processor_time).sum::<Duration>();
    let (before, began) = (used(), Instant::now());
    // The time passes by itself: there is nothing to wait for.
    std::thread::sleep(Duration::from_secs(3));
    let share = (used() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    assert!(share < 0.03, "{:.1} % of a processor", share * 100.0);
    user.check();
}

#[test]
fn a_killed_user_frees_its_instance() {
    // A process of its own that attaches and never leaves by itself: this test, run again.
    const SOCKET: &str = "HOTSPARE_TEST_SOCKET";
    if let Ok(socket) = std::env::var(SOCKET) {
        let mut user = User::attach(socket.as_ref());
        user.check();
        println!("attached");
        user.wait(Duration::from_secs(600));
        return;
    }
    let machine = Machine::start(&["--devices", "1", "--instances", "1"]);
    let mut process = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::a_killed_user_frees_its_instance", "--nocapture"])
        .env(SOCKET, machine.socket(0))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(process.stdout.take().unwrap())
        .lines()
        .find(|line| line.as_ref().is_ok_and(|line| line.contains("attached")));
    assert!(said.is_some(), "the other process has the instance");
    assert_eq!(User::try_attach(&machine.socket(0)).err(), Some(Refused::NoFreeInstance));
    process.kill().unwrap();
    process.wait().unwrap();
    eventually("it is free again", || User::try_attach(&machine.socket(0)).ok()).check();
}

#[test]
fn the_socket_names_the_device_process() {
    let machine = Machine::start(&["--devices", "1"]);
    let connection = connect(&machine.socket(0));
    let peer = rustix::net::sockopt::socket_peercred(&connection).unwrap();
    assert_eq!(peer.pid, machine.device_pid(0));
}
