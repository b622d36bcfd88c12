//! The thread that monitors one device: it steps the device's [`Machine`], on the real clock and files.
//!
//! Each device has a thread of its own, since the driver may block in a read or write for as long as it likes, which
//! must delay no other device.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hotspare_device::files::{
    AdminState, Answer, CheckResult, DeviceFiles, FileError, Health, MonitoredDevice, RecordedEvent, remember,
};

use crate::announce::Announcer;
use crate::board::Board;
use crate::config::Policy;
use crate::lock::Lock;
use crate::machine::{Event, Machine, News, World};

/// A device's thread, seen from outside.
pub(crate) struct Worker {
    pub(crate) commands: SyncSender<Command>,
    thread: JoinHandle<()>,
}

/// What a device's thread can be asked for.
pub(crate) enum Command {
    /// Check as soon as the timer allows, and send the result.
    Check(SyncSender<CheckResult>),
    /// Look whether to end.
    Wake,
}

/// How many commands may wait for a thread that its driver blocks.
const COMMANDS: usize = 64;

/// What a device's thread needs.
pub(crate) struct Assignment {
    pub(crate) files: DeviceFiles,
    pub(crate) policy: Policy,
    pub(crate) report: MonitoredDevice,
    /// The device's place on the board.
    pub(crate) place: usize,
    pub(crate) board: Arc<Board>,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) lock: RefCell<Lock>,
    /// End when this is set.
    pub(crate) stop: Arc<AtomicBool>,
    /// Dropped when the thread ends.
    pub(crate) _alive: Sender<()>,
}

impl Worker {
    pub(crate) fn start(assignment: Assignment) -> std::io::Result<Self> {
        let (commands, received) = sync_channel(COMMANDS);
        let name = assignment.files.address().to_string();
        let thread = thread::Builder::new().name(name).spawn(move || run(&assignment, &received))?;
        Ok(Self { commands, thread })
    }

    /// It ended, which it should not do by itself.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

fn run(assignment: &Assignment, commands: &Receiver<Command>) {
    let world = Real {
        files: &assignment.files,
        number: assignment.report.number,
        announcer: &assignment.announcer,
        lock: &assignment.lock,
        started: Instant::now(),
        events: RefCell::default(),
    };
    let mut machine = Machine::new(assignment.policy.clone(), assignment.report.clone());
    let mut wishes = Vec::new();
    while !assignment.stop.load(Ordering::Acquire) {
        assignment.board.begin(assignment.place);
        let checks = machine.report().checks;
        let next = machine.step(&world);
        let mut report = machine.report().clone();
        report.events.clone_from(&world.events.borrow());
        assignment.board.end(assignment.place, &report);
        if machine.report().checks != checks || !machine.checks() || report.health == Health::Absent {
            fulfil(&mut wishes, &report);
        }
        match commands.recv_timeout(next.saturating_sub(world.now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Command::Check(wish)) => {
                wishes.push(wish);
                machine.check_soon();
            }
            Ok(Command::Wake) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    machine.stop(&world);
}

fn fulfil(wishes: &mut Vec<SyncSender<CheckResult>>, report: &MonitoredDevice) {
    for wish in wishes.drain(..) {
        // Each has room for one result; whoever asked may be gone.
        let _ = wish.try_send(result(report));
    }
}

/// What a report means to somebody who asked whether the device works.
pub(crate) fn result(report: &MonitoredDevice) -> CheckResult {
    let passed = report.health == Health::Healthy;
    let why = match report.health {
        Health::Healthy => String::new(),
        Health::Unknown => "it was not checked yet".into(),
        Health::Suspect => "heartbeat/status said -1, though no failed query was counted".into(),
        Health::Failed => {
            "it failed, and was not reset since; `hotspare status` shows its last events".into()
        }
        Health::Resetting => "it failed, and a reset is under way".into(),
        Health::Down => "it was taken down (qat/state)".into(),
        Health::Absent => report.problem.clone().unwrap_or_else(|| "its files are not there".into()),
    };
    CheckResult { address: report.address, passed, health: report.health, why }
}

/// The device's files and the monotonic clock.
struct Real<'a> {
    files: &'a DeviceFiles,
    number: u32,
    announcer: &'a Announcer,
    lock: &'a RefCell<Lock>,
    started: Instant,
    events: RefCell<Vec<RecordedEvent>>,
}

impl World for Real<'_> {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn state(&self) -> Result<AdminState, FileError> {
        self.files.state()
    }

    fn set_state(&self, state: AdminState) -> Result<(), FileError> {
        self.files.set_state(state)
    }

    fn auto_reset(&self) -> Result<bool, FileError> {
        self.files.auto_reset()
    }

    fn timer(&self) -> Result<Duration, FileError> {
        self.files.timer()
    }

    fn check(&self) -> Result<Answer, FileError> {
        let answer = self.files.check();
        tracing::debug!("{}: {answer:?}", self.files.address());
        answer
    }

    fn queries_sent(&self) -> Result<u32, FileError> {
        self.files.queries_sent()
    }

    fn queries_failed(&self) -> Result<u32, FileError> {
        self.files.queries_failed()
    }

    fn claim(&self) -> Result<(), String> {
        if !self.lock.borrow().is_of(self.files) {
            *self.lock.borrow_mut() = Lock::device(self.files).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn tell(&self, news: News) {
        let (name, announced) = match news.event {
            Event::Failed => ("error", Some("error")),
            Event::Restarting => ("restarting", Some("restarting")),
            Event::Restarted => ("restarted", Some("restarted")),
            Event::ResetFailed => ("reset failed", Some("error")),
            Event::Recovered => ("recovered", None),
            Event::Vanished => ("vanished", None),
            Event::Problem => ("problem", None),
        };
        let address = self.files.address();
        if let Some(event) = announced {
            self.announcer.announce(address, self.number, event);
        }
        match news.event {
            Event::Failed | Event::ResetFailed | Event::Problem => {
                tracing::error!("{address}: {name}: {}", news.why);
            }
            _ => tracing::warn!("{address}: {name}: {}", news.why),
        }
        remember(&mut self.events.borrow_mut(), RecordedEvent::now(name, &news.why));
    }
}
