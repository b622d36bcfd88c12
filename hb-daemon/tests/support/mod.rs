//! A tree of plain files that behaves as a driver's, and daemons that watch it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotspare_device::Bdf;
use hotspare_device::files::{
    AdminState, Answer, CheckReply, CheckRequest, CheckTarget, DeviceFiles, MonitorPaths, MonitorState,
    MonitoredDevice,
};

pub(crate) const TIMER: Duration = Duration::from_millis(200);
/// Nothing that a test waits for takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

/// A directory that is removed at the end.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hotspare-hbd-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(crate) fn config(&self, name: &str, more: &str) -> PathBuf {
        let path = self.0.join(name);
        let text = format!("root = {:?}\nrun_dir = {:?}\n{more}\n", self.root(), self.run_dir());
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A device: a thread that does to its files what a driver does.
pub(crate) struct FakeDevice {
    pub(crate) files: DeviceFiles,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    hangs: AtomicBool,
    cured_by_reset: AtomicBool,
    stop: AtomicBool,
    resets: AtomicU32,
}

impl FakeDevice {
    pub(crate) fn start(root: &Path, address: &str) -> Self {
        let files = DeviceFiles::new(root, bdf(address), Some("4xxx"));
        files.publish_device(64, Some(0)).unwrap();
        files.publish_heartbeat(TIMER).unwrap();
        files.publish_state(AdminState::Up).unwrap();
        let shared = Arc::new(Shared {
            hangs: AtomicBool::new(false),
            cured_by_reset: AtomicBool::new(true),
            stop: AtomicBool::new(false),
            resets: AtomicU32::new(0),
        });
        let thread = {
            let (files, shared) = (files.clone(), Arc::clone(&shared));
            std::thread::spawn(move || animate(&files, &shared))
        };
        Self { files, shared, thread: Some(thread) }
    }

    pub(crate) fn hang(&self) {
        self.shared.hangs.store(true, Ordering::Release);
    }

    pub(crate) fn never_cured(&self) {
        self.shared.cured_by_reset.store(false, Ordering::Release);
    }

    pub(crate) fn resets(&self) -> u32 {
        self.shared.resets.load(Ordering::Acquire)
    }

    /// From now on the files are the test's.
    pub(crate) fn freeze(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for FakeDevice {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn animate(files: &DeviceFiles, shared: &Shared) {
    let (mut sent, mut failed, mut up) = (0, 0, true);
    let mut checked = Instant::now();
    while !shared.stop.load(Ordering::Acquire) {
        match files.state().unwrap() {
            AdminState::Down if up => {
                files.publish_no_heartbeat().unwrap();
                up = false;
            }
            AdminState::Up if !up => {
                if shared.cured_by_reset.load(Ordering::Acquire) {
                    shared.hangs.store(false, Ordering::Release);
                }
                (sent, failed, up) = (0, 0, true);
                files.publish_heartbeat(TIMER).unwrap();
                shared.resets.fetch_add(1, Ordering::AcqRel);
            }
            _ => {}
        }
        if up && checked.elapsed() >= TIMER {
            checked = Instant::now();
            sent += 1;
            let hangs = shared.hangs.load(Ordering::Acquire);
            failed += u32::from(hangs);
            let answer = if hangs { Answer::Unresponsive } else { Answer::Responsive };
            files.publish_check(answer, sent, failed).unwrap();
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A daemon that is killed, by its own id, when this goes.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) paths: MonitorPaths,
}

impl Daemon {
    pub(crate) fn command(config: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotspare-hbd"));
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts one and waits until it has checked each device, or seen that it can't.
    pub(crate) fn start(directory: &TempDir, more: &str) -> Self {
        let config = directory.config("hbd.toml", more);
        let child = Self::command(&config).spawn().unwrap();
        let mut daemon = Self { child, paths: MonitorPaths::new(&directory.run_dir()) };
        daemon.wait_for("its state file", |state| !state.devices.is_empty());
        daemon
    }

    /// Waits until the state file fulfils `wish`.
    pub(crate) fn wait_for(&mut self, what: &str, wish: impl Fn(&MonitorState) -> bool) -> MonitorState {
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended ({status}) before {what}: {}", self.errors());
            }
            if let Ok(state) = MonitorState::read(&self.paths) {
                if state.pid == self.child.id() && wish(&state) {
                    return state;
                }
                last = Some(state);
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{what} did not come within {PATIENCE:?}: {last:#?}");
    }

    pub(crate) fn wait_for_device(
        &mut self,
        address: &str,
        what: &str,
        wish: impl Fn(&MonitoredDevice) -> bool,
    ) -> MonitoredDevice {
        let address = bdf(address);
        let of =
            |state: &MonitorState| state.devices.iter().find(|device| device.address == address).cloned();
        of(&self.wait_for(what, |state| of(state).is_some_and(|device| wish(&device)))).unwrap()
    }

    /// Ends it by SIGTERM; its exit status and what it wrote to standard error.
    pub(crate) fn end(&mut self) -> (std::process::ExitStatus, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        (self.wait_for_end("SIGTERM was sent"), self.errors())
    }

    fn wait_for_end(&mut self, since: &str) -> std::process::ExitStatus {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("the daemon still runs, though {since}");
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.paths.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn check(&self, target: CheckTarget) -> CheckReply {
        let request = CheckRequest { version: CheckRequest::VERSION, check: target };
        self.ask(&serde_json::to_string(&request).unwrap())
    }

    pub(crate) fn ask(&self, line: &str) -> CheckReply {
        let mut stream = self.connect();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        serde_json::from_str(&reply).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a daemon that is expected to refuse its start, and gives what it says.
pub(crate) fn refused(mut command: Command) -> String {
    let child = command.spawn().unwrap();
    let mut daemon = Daemon { child, paths: MonitorPaths::new(Path::new("/nonexistent")) };
    let status = daemon.wait_for_end("it was expected to refuse its start");
    let message = daemon.errors();
    assert_eq!(status.code(), Some(1), "{message}");
    message
}
