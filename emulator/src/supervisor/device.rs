//! One device, as the kernel's driver has it: its state, its process, its resets.
//!
//! Orders to the process are carried out by it in turn. What follows from one (uevents, files, answers to commands)
//! happens when it reports that the order is done, so that whoever hears an event finds the state that goes with it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::files::{AdminState, Answer};

use super::announcer::Announcer;
use super::child::{Child, Said};
use super::heartbeat::{self, Heartbeat};
use super::panel::{Panel, Wanted};
use super::watch::{Watch, Watched};
use crate::orders::{Action, DeviceConfig};
use crate::page::DevicePage;
use crate::settings::{Settings, address};

/// Two writes to `qat/state` within this time that both read `up` were "down" and "up" in quick succession: with a plain
/// file nothing makes the writer wait in between, as the kernel would.
const WRITES_TOGETHER: Duration = Duration::from_millis(100);

/// What all devices share.
pub(super) struct World {
    pub(super) announcer: Announcer,
    pub(super) watch: Watch,
    /// Answers to commands that were waiting.
    pub(super) answers: Vec<(Ticket, Result<(), String>)>,
}

/// Names a command that waits for its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(pub(super) u64);

/// What a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// That this order is carried out.
    Order(u64),
    /// That the device is up.
    Up,
}

/// What happens when an order is done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    Failed { why: String },
    Nothing,
    Restarting { why: String },
    Down,
    Up,
}

/// See the module.
pub(super) struct Device {
    settings: Rc<Settings>,
    panel: Panel,
    page_fd: OwnedFd,
    page: DevicePage,
    child: Option<Child>,
    /// The state that was ordered last.
    state: State,
    epoch: u64,
    orders: VecDeque<(u64, Then)>,
    waiting: Vec<(Ticket, Awaited)>,
    timer: Duration,
    heartbeat: Heartbeat,
    next_check: Option<Instant>,
    raised_at: Option<Instant>,
    auto_reset: bool,
    /// When `qat/state` was written, and the words were gone or changed again when we looked.
    unread_write_at: Option<Instant>,
    tidy_at: Option<Instant>,
    /// When the reset under way is over.
    restart_at: Option<Instant>,
    /// When the process is started again.
    respawn_at: Option<Instant>,
    /// Why the last process was not to be had.
    trouble: Option<String>,
    was_up: bool,
}

impl Device {
    pub(super) fn new(settings: &Rc<Settings>, index: usize) -> io::Result<Self> {
        let number = u32::try_from(index).map_err(io::Error::other)?;
        let address = address(number).ok_or_else(|| io::Error::other("too many devices"))?;
        let panel = Panel::new(settings, index, address, settings.number_base + number);
        let (page_fd, page) = DevicePage::create()?;
        let epoch = panel.epoch();
        Ok(Self {
            settings: Rc::clone(settings),
            panel,
            page_fd,
            page,
            child: None,
            state: State::Removed,
            epoch,
            orders: VecDeque::new(),
            waiting: Vec::new(),
            timer: settings.generation.default_timer(),
            heartbeat: Heartbeat::new(settings.engines),
            next_check: None,
            raised_at: None,
            auto_reset: false,
            unread_write_at: None,
            tidy_at: None,
            restart_at: None,
            respawn_at: None,
            trouble: None,
            was_up: false,
        })
    }

    /// Whether this is the device that `name`, an address or a number, means.
    pub(super) fn is_called(&self, name: &str) -> bool {
        name == self.panel.address().to_string() || name == self.panel.number().to_string()
    }

    /// Whether users can attach.
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Up && self.orders.is_empty()
    }

    /// Why it could not be started, if that is so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Starts the process.
    pub(super) fn start(&mut self, now: Instant) {
        self.respawn_at = None;
        let config = DeviceConfig {
            socket: self.panel.socket(),
            socket_mode: self.settings.socket_mode,
            address: self.panel.address().to_string(),
            number: self.panel.number(),
            engines: self.settings.engines,
            instances: self.settings.instances,
            spin: self.settings.spin,
            epoch: self.epoch,
        };
        match Child::start(&config, self.page_fd.as_fd(), now) {
            Ok(child) => self.child = Some(child),
            Err(error) => self.gone(format!("it can't be started: {error}"), now),
        }
    }

    /// What to wait on: what the process says, and its end.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.child.iter().flat_map(|child| [child.channel(), child.pidfd()])
    }

    /// When [`Device::on_time`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let order = self.child.as_ref().and_then(Child::deadline);
        [order, self.next_check, self.restart_at, self.respawn_at, self.tidy_at].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self, now: Instant, world: &mut World) {
        let due = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if let Some(child) = &self.child {
            if due(child.deadline()) {
                tracing::warn!(device = %self.panel.address(), "its process doesn't react and is ended");
                child.kill();
            }
        }
        if due(self.next_check) {
            self.check(now);
        }
        if due(self.restart_at) {
            self.restart_at = None;
            self.bring_up(now);
        }
        if due(self.respawn_at) {
            self.start(now);
        }
        if due(self.tidy_at) {
            self.tidy_at = None;
            self.tidy(world);
        }
    }

    /// Hears what the process has said.
    pub(super) fn listen(&mut self, now: Instant, world: &mut World) {
        while let Some(child) = &mut self.child {
            match child.listen() {
                Said::Nothing => return,
                Said::Ready => self.appear(now, world),
                Said::Done(serial) => self.done(serial, now, world),
                Said::Broken(why) => {
                    child.kill();
                    self.remove(&why, now, world);
                }
            }
        }
    }

    /// Looks whether the process has ended by itself, or was killed.
    pub(super) fn notice_end(&mut self, now: Instant, world: &mut World) {
        if let Some(how) = self.child.as_mut().and_then(Child::ended) {
            self.remove(&format!("its process ended: {how}"), now, world);
        }
    }

    fn appear(&mut self, now: Instant, world: &mut World) {
        self.panel.appear(&mut world.watch);
        self.auto_reset = false;
        if self.was_up {
            world.announcer.pci_event(self.panel.address(), "add");
        }
        self.bring_up(now);
    }

    /// A surprise removal.
    fn remove(&mut self, why: &str, now: Instant, world: &mut World) {
        self.panel.vanish(&mut world.watch);
        self.gone(why.to_owned(), now);
        if !self.was_up {
            return;
        }
        self.panel.show(State::Removed, self.epoch, None);
        self.panel.announce("error", why, &mut world.announcer);
        world.announcer.pci_event(self.panel.address(), "remove");
        let why = format!("the device is gone: {why}");
        let waiting = std::mem::take(&mut self.waiting);
        world.answers.extend(waiting.into_iter().map(|(ticket, _)| (ticket, Err(why.clone()))));
    }

    fn gone(&mut self, why: String, now: Instant) {
        self.child = None;
        self.state = State::Removed;
        // Whatever it last published, the next one comes after it.
        self.epoch = self.epoch.max(self.page.state().epoch);
        self.orders.clear();
        (self.next_check, self.restart_at, self.raised_at, self.tidy_at) = (None, None, None, None);
        self.respawn_at = now.checked_add(self.settings.respawn);
        self.trouble = Some(why);
    }

    fn order(&mut self, action: Action, then: Then, now: Instant) -> Option<u64> {
        let serial = self.child.as_mut()?.order(action, now);
        self.orders.push_back((serial, then));
        Some(serial)
    }

    fn done(&mut self, serial: u64, now: Instant, world: &mut World) {
        let Some((_, then)) = self.orders.pop_front() else { return };
        match then {
            Then::Nothing => {}
            Then::Failed { why } => self.failed(&why, now, world),
            Then::Restarting { why } => {
                self.show(State::Restarting, world);
                self.panel.announce("restarting", &why, &mut world.announcer);
            }
            Then::Down => {
                self.show(State::Down, world);
                self.panel.announce("restarting", "taken down by a write to qat/state", &mut world.announcer);
            }
            Then::Up => self.is_up(now, world),
        }
        self.answer(Awaited::Order(serial), world);
    }

    fn show(&mut self, state: State, world: &mut World) {
        let pid = self.child.as_ref().map(Child::pid);
        self.panel.show(state, self.epoch, pid);
        // Down is what somebody has written there; it may have changed its mind meanwhile, which we shall notice.
        if state != State::Down {
            self.show_admin_state(matches!(state, State::Up | State::Error), world);
        }
    }

    fn answer(&mut self, awaited: Awaited, world: &mut World) {
        let answers = &mut world.answers;
        self.waiting.retain(|(ticket, what)| {
            if *what == awaited {
                answers.push((*ticket, Ok(())));
            }
            *what != awaited
        });
    }

    // Faults.

    /// A fatal error in mid-work, reported by the hardware.
    pub(super) fn inject_fatal(&mut self, ticket: Ticket, now: Instant) -> Result<(), String> {
        self.must_be_in_service()?;
        self.panel.count_fatal_error();
        self.fail("fatal error (injected)", now);
        self.wait_for_last_order(ticket);
        Ok(())
    }

    /// The device stops and nobody is told.
    pub(super) fn inject_hang(&mut self, ticket: Ticket, now: Instant) -> Result<(), String> {
        self.must_be_in_service()?;
        self.order(Action::Hang, Then::Nothing, now);
        self.wait_for_last_order(ticket);
        Ok(())
    }

    fn wait_for_last_order(&mut self, ticket: Ticket) {
        if let Some((serial, _)) = self.orders.back() {
            self.waiting.push((ticket, Awaited::Order(*serial)));
        }
    }

    fn must_be_in_service(&self) -> Result<(), String> {
        match self.state {
            State::Up | State::Error => Ok(()),
            State::Restarting => Err("a reset is under way: wait until it is over".to_owned()),
            State::Down => Err("it is down: write `up` to its qat/state first".to_owned()),
            State::Removed => Err("it is gone: its process is started again soon".to_owned()),
        }
    }

    fn fail(&mut self, why: &str, now: Instant) {
        self.state = State::Error;
        self.raised_at = Some(now);
        self.order(Action::Fail, Then::Failed { why: why.to_owned() }, now);
    }

    fn failed(&mut self, why: &str, now: Instant, world: &mut World) {
        if self.state == State::Error {
            self.show(State::Error, world);
        }
        self.panel.announce("error", why, &mut world.announcer);
        if self.auto_reset && self.state == State::Error {
            self.begin_reset("auto_reset is on", now);
        }
    }

    fn check(&mut self, now: Instant) {
        let answer = self.heartbeat.check(&self.page);
        self.panel.show_check(answer, self.heartbeat.sent, self.heartbeat.failed);
        self.next_check = Some(now + self.timer);
        if answer == Answer::Unresponsive && heartbeat::may_raise(self.raised_at, now) {
            self.fail("the firmware does not answer the heartbeat", now);
        }
    }

    // Resets.

    /// Resets the device; `ticket` is answered when that is over.
    pub(super) fn reset(&mut self, ticket: Ticket, now: Instant) -> Result<(), String> {
        self.must_be_in_service()?;
        self.begin_reset("a reset was asked for", now);
        self.waiting.push((ticket, Awaited::Up));
        Ok(())
    }

    fn begin_reset(&mut self, why: &str, now: Instant) {
        self.stop_heartbeat();
        self.state = State::Restarting;
        self.order(Action::BeginRestart, Then::Restarting { why: why.to_owned() }, now);
        self.restart_at = Some(now + self.settings.reset_time);
    }

    fn take_down(&mut self, now: Instant) {
        self.stop_heartbeat();
        self.state = State::Down;
        self.order(Action::TakeDown, Then::Down, now);
    }

    fn stop_heartbeat(&mut self) {
        self.next_check = None;
        self.panel.hide_heartbeat();
    }

    fn bring_up(&mut self, now: Instant) {
        self.state = State::Up;
        self.epoch += 1;
        self.order(Action::Start { epoch: self.epoch }, Then::Up, now);
    }

    fn is_up(&mut self, now: Instant, world: &mut World) {
        if !matches!(self.state, State::Up | State::Error) {
            // The next reset is under way already, but this one is over.
            return self.answer(Awaited::Up, world);
        }
        self.trouble = None;
        self.heartbeat = Heartbeat::new(self.settings.engines);
        self.raised_at = None;
        self.next_check = Some(now + self.timer);
        self.panel.show_heartbeat(self.timer, &mut world.watch);
        self.show(self.state, world);
        if self.was_up {
            self.panel.announce("restarted", "the device works again", &mut world.announcer);
        } else {
            self.panel.remember("added", "the emulator was started");
        }
        self.was_up = true;
        self.answer(Awaited::Up, world);
    }

    // What others write to the files.

    /// Somebody has written to one of the device's files.
    pub(super) fn written(&mut self, file: Watched, now: Instant, world: &mut World) {
        match file {
            Watched::State => self.state_written(now, world),
            Watched::AutoReset => {
                self.auto_reset = self.panel.wanted_auto_reset().unwrap_or(self.auto_reset);
                self.panel.show_auto_reset(self.auto_reset, &mut world.watch);
            }
            Watched::Services => {
                self.panel.services_written(self.state == State::Down, &mut world.watch);
            }
            Watched::ResetErrorCounters => self.panel.reset_written(&mut world.watch),
            Watched::Timer => {
                match self.panel.wanted_timer() {
                    Some(timer) if self.settings.generation.takes_timer(timer) => self.timer = timer,
                    _ => {}
                }
                self.panel.show_timer(self.timer, &mut world.watch);
            }
        }
    }

    fn state_written(&mut self, now: Instant, world: &mut World) {
        let in_service = matches!(self.state, State::Up | State::Error);
        match (self.state, self.panel.wanted_state()) {
            (State::Up | State::Error, Wanted::State(AdminState::Down)) => self.take_down(now),
            (State::Down, Wanted::State(AdminState::Up)) => {
                self.begin_reset("brought up by a write to qat/state", now);
            }
            (State::Up | State::Error, Wanted::State(AdminState::Up)) => {
                let last = self.unread_write_at.replace(now);
                if last.is_some_and(|last| now.saturating_duration_since(last) < WRITES_TOGETHER) {
                    self.unread_write_at = None;
                    self.begin_reset("taken down and brought up by writes to qat/state", now);
                }
            }
            (State::Removed, _) | (State::Down, Wanted::State(AdminState::Down)) => {}
            (_, Wanted::Nothing) => {
                self.unread_write_at = Some(now);
                self.tidy_at = Some(now + WRITES_TOGETHER);
            }
            // In a reset the kernel refuses a write (EBUSY), and at any time one that is neither word (EINVAL). A plain
            // file can only take it back.
            (State::Restarting, _) | (_, Wanted::Nonsense) => self.show_admin_state(in_service, world),
        }
    }

    /// A `qat/state` that somebody has emptied and left so.
    fn tidy(&mut self, world: &mut World) {
        let in_service = matches!(self.state, State::Up | State::Error);
        if self.state != State::Removed && self.panel.wanted_state() == Wanted::Nothing {
            self.show_admin_state(in_service, world);
        }
    }

    fn show_admin_state(&self, in_service: bool, world: &mut World) {
        let state = if in_service { AdminState::Up } else { AdminState::Down };
        self.panel.show_admin_state(state, &mut world.watch);
    }

    /// Ends the process, and leaves nothing but a note that the device was there.
    pub(super) fn end(&mut self, watch: &mut Watch) {
        let was_there = self.child.take().is_some();
        self.panel.vanish(watch);
        if was_there || self.was_up {
            self.panel.show(State::Removed, self.epoch, None);
        }
    }
}
