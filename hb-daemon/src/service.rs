//! The daemon as a whole: its start, its wait, its end.

use std::cell::RefCell;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hotspare_device::Bdf;
use hotspare_device::files::{
    DeviceFiles, DeviceInfo, EmulatorPaths, FileError, Health, MonitorPaths, MonitoredDevice,
};
use rustix::event::{PollFd, PollFlags, Timespec};
use sd_notify::NotifyState;

use crate::announce::Announcer;
use crate::board::Board;
use crate::config::{Config, ResetPolicy, Selection};
use crate::control::{self, Control};
use crate::lock::{Lock, LockError};
use crate::machine::interval_below_timer;
use crate::publisher;
use crate::worker::{Assignment, Command, Worker};

/// Why the daemon doesn't start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(
        "no device under {}: there is neither a PCI device with a directory qat/ nor a directory qat_<type>_<BDF> in \
         debugfs; set `root` to the directory of a hotspare-emulator, or load the driver and run as root", .0.display()
    )]
    NoDevice(PathBuf),
    #[error("{address} (in `devices`) is not among the devices under {}: {found}", .root.display())]
    Unknown { address: Bdf, root: PathBuf, found: String },
    #[error("{address}: {why}")]
    Interval { address: Bdf, why: String },
    #[error(
        "{0}: reset = \"managed\", but its auto_reset is on, so the driver would reset it too: write `off` to \
         qat/auto_reset, or set reset = \"auto\""
    )]
    TwoResetters(Bdf),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the monitor of {0} ended unexpectedly")]
    MonitorEnded(Bdf),
}

/// How often the main thread looks whether the others still live, if no watchdog asks for more.
const LOOK: Duration = Duration::from_secs(1);

/// How long the end waits for the devices' threads. One that is blocked by its driver is left to the process's end.
const STOP_TIME: Duration = Duration::from_secs(3);

/// The same in the middle of a reset: the kernel's driver may hold the writer of `down` up for 10 s, and a device that
/// was taken down is to be brought up.
const STOP_TIME_IN_RESET: Duration = Duration::from_secs(15);

/// A daemon that runs.
pub(crate) struct Service {
    paths: MonitorPaths,
    devices: Vec<Bdf>,
    workers: Vec<Worker>,
    listener: UnixListener,
    control: Arc<Control>,
    board: Arc<Board>,
    publisher: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    /// Disconnected once all threads have ended: each holds a sender.
    ended: Receiver<()>,
    _lock: Lock,
}

impl Service {
    /// Finds and locks the devices, checks that they can be monitored as configured, and begins.
    pub(crate) fn start(config: Config) -> Result<Self, ServiceError> {
        let paths = MonitorPaths::new(&config.run_dir);
        std::fs::create_dir_all(paths.directory())
            .map_err(|source| system(format!("making {}", paths.directory().display()), source))?;
        let lock = Lock::run_directory(&paths)?;
        let found = select(&config)?;
        let mut device_locks = Vec::new();
        for (files, _) in &found {
            device_locks.push(Lock::device(files)?);
            refuse_misfits(&config, files)?;
        }
        let listener = control::listen(&paths.socket(), config.socket_mode)
            .map_err(|source| system(format!("listening at {}", paths.socket().display()), source))?;

        let reports: Vec<_> = found.iter().map(|(files, number)| unknown(files.address(), *number)).collect();
        let board = Arc::new(Board::new(reports.clone()));
        let announcer = Arc::new(Announcer::new());
        let stop = Arc::new(AtomicBool::new(false));
        let (alive, ended) = channel();
        let mut workers = Vec::new();
        let devices = found.iter().map(|(files, _)| files.address()).collect();
        let assigned = found.into_iter().zip(reports).zip(device_locks);
        for (place, (((files, _), report), lock)) in assigned.enumerate() {
            let assignment = Assignment {
                files,
                policy: config.policy.clone(),
                report,
                place,
                board: Arc::clone(&board),
                announcer: Arc::clone(&announcer),
                lock: RefCell::new(lock),
                stop: Arc::clone(&stop),
                _alive: alive.clone(),
            };
            let worker =
                Worker::start(assignment).map_err(|source| system("starting a thread".into(), source))?;
            workers.push(worker);
        }
        let commands = workers.iter().map(|worker| worker.commands.clone()).collect();
        let control = Arc::new(Control::new(Arc::clone(&board), commands));
        let publisher = {
            let (board, paths, stop) = (Arc::clone(&board), paths.clone(), Arc::clone(&stop));
            thread::Builder::new()
                .name("state file".into())
                .spawn(move || {
                    let _alive = alive;
                    publisher::run(&board, &paths, &config.root, &stop);
                })
                .map_err(|source| system("starting a thread".into(), source))?
        };
        Ok(Self { paths, devices, workers, listener, control, board, publisher, stop, ended, _lock: lock })
    }

    /// Serves until `signals` becomes readable.
    pub(crate) fn run(&self, signals: &UnixStream) -> Result<(), ServiceError> {
        let list: Vec<_> = self.devices.iter().map(Bdf::to_string).collect();
        tracing::info!("monitoring {}", list.join(", "));
        notify(&[NotifyState::Ready, NotifyState::Status(&format!("monitoring {}", list.join(", ")))]);
        let watchdog = sd_notify::watchdog_enabled();
        // Twice within the time that systemd allows, as its manual advises.
        let look = watchdog.map_or(LOOK, |limit| (limit / 2).min(LOOK));
        let limit = Timespec::try_from(look).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        loop {
            let mut wanted =
                [PollFd::new(signals, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
            match rustix::event::poll(&mut wanted, Some(&limit)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(system("waiting".into(), errno.into())),
            }
            let [signalled, connected] = wanted.map(|one| !one.revents().is_empty());
            if signalled {
                return Ok(());
            }
            if connected {
                self.control.accept(&self.listener);
            }
            if watchdog.is_some() {
                notify(&[NotifyState::Watchdog]);
            }
            let ended = self.workers.iter().position(Worker::is_finished);
            if let Some(address) = ended.and_then(|place| self.devices.get(place)) {
                return Err(ServiceError::MonitorEnded(*address));
            }
        }
    }

    /// Ends: no device that the daemon took down stays down, and nothing stays in the run directory but the lock file.
    pub(crate) fn stop(self) {
        notify(&[NotifyState::Stopping]);
        let _ = std::fs::remove_file(self.paths.socket());
        self.stop.store(true, Ordering::Release);
        for worker in &self.workers {
            // One that has ended, or has too much to do to be waiting, needn't be woken.
            let _ = worker.commands.try_send(Command::Wake);
        }
        self.board.wake();
        self.publisher.thread().unpark();
        let resetting = self.board.reports().iter().any(|device| device.health == Health::Resetting);
        let limit = if resetting { STOP_TIME_IN_RESET } else { STOP_TIME };
        if self.ended.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected) {
            tracing::info!("ended");
            return;
        }
        for (worker, address) in self.workers.iter().zip(&self.devices) {
            if !worker.is_finished() {
                tracing::warn!("{address}: its driver still blocks; the daemon ends nevertheless");
            }
        }
    }
}

/// The devices to monitor with their numbers, in the order of their addresses.
fn select(config: &Config) -> Result<Vec<(DeviceFiles, u32)>, ServiceError> {
    let mut found = Vec::new();
    for (files, order) in DeviceFiles::discover(&config.root)?.into_iter().zip(0..) {
        // An emulator says its devices' numbers; drivers number theirs in the order of their addresses.
        let number = DeviceInfo::read(&EmulatorPaths::new(&config.root), files.address())
            .map_or(order, |info| info.number);
        found.push((files, number));
    }
    if found.is_empty() {
        return Err(ServiceError::NoDevice(config.root.clone()));
    }
    let Selection::These(wanted) = &config.devices else { return Ok(found) };
    if let Some(address) =
        wanted.iter().find(|wanted| !found.iter().any(|(files, _)| files.address() == **wanted))
    {
        let list: Vec<_> = found.iter().map(|(files, _)| files.address().to_string()).collect();
        return Err(ServiceError::Unknown {
            address: *address,
            root: config.root.clone(),
            found: list.join(", "),
        });
    }
    found.retain(|(files, _)| wanted.contains(&files.address()));
    Ok(found)
}

/// What can't work with this device as it is now. Its files may be absent: it may be down.
fn refuse_misfits(config: &Config, files: &DeviceFiles) -> Result<(), ServiceError> {
    let address = files.address();
    match (config.policy.interval, files.timer()) {
        (Some(interval), Ok(timer)) if interval < timer => {
            return Err(ServiceError::Interval { address, why: interval_below_timer(interval, timer) });
        }
        (_, Err(error)) if !error.is_absent() => return Err(error.into()),
        _ => {}
    }
    if config.policy.reset == ResetPolicy::Managed && files.auto_reset().unwrap_or(false) {
        return Err(ServiceError::TwoResetters(address));
    }
    Ok(())
}

fn unknown(address: Bdf, number: u32) -> MonitoredDevice {
    MonitoredDevice {
        address,
        number,
        health: Health::Unknown,
        timer_ms: None,
        interval_ms: None,
        checks: 0,
        last_check_unix_ms: None,
        blocked_since_unix_ms: None,
        queries_sent: None,
        queries_failed: None,
        failures: 0,
        resets: 0,
        resets_failed: 0,
        resets_by_others: 0,
        problem: None,
        events: Vec::new(),
    }
}

/// Tells systemd, if it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd can't be notified: {error}");
    }
}

fn system(what: String, source: io::Error) -> ServiceError {
    ServiceError::System { what, source }
}
