//! One device, as the kernel's driver has it: its state, its process, its resets.
//!
//! Orders to the process are carried out by it in turn. What follows from one (uevents, files, answers to commands)
//! happens when it reports that the order is done, so that whoever hears an event finds the state that goes with it.

mod written;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hotspare_device::State;
use hotspare_device::files::{AdminState, Answer};

use crate::orders::{Action, DeviceConfig};
use crate::page::DevicePage;
use crate::settings::{Settings, address};
use crate::supervisor::announcer::Announcer;
use crate::supervisor::child::{Child, Said};
use crate::supervisor::heartbeat::{self, Heartbeat};
use crate::supervisor::panel::Panel;
use crate::supervisor::watch::Watch;

/// What all devices share.
pub(in crate::supervisor) struct World {
    pub(in crate::supervisor) announcer: Announcer,
    pub(in crate::supervisor) watch: Watch,
    /// Answers to commands that were waiting.
    pub(in crate::supervisor) answers: Vec<(Ticket, Result<(), String>)>,
}

/// Names a command that waits for its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervisor) struct Ticket(pub(super) u64);

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
pub(in crate::supervisor) struct Device {
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
    pub(in crate::supervisor) fn new(settings: &Rc<Settings>, index: usize) -> io::Result<Self> {
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
    pub(in crate::supervisor) fn is_called(&self, name: &str) -> bool {
        name == self.panel.address().to_string() || name == self.panel.number().to_string()
    }

    /// Whether users can attach.
    pub(in crate::supervisor) fn is_ready(&self) -> bool {
        self.state == State::Up && self.orders.is_empty()
    }

    /// Why it could not be started, if that is so.
    pub(in crate::supervisor) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Starts the process.
    pub(in crate::supervisor) fn start(&mut self, now: Instant) {
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
    pub(in crate::supervisor) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.child.iter().flat_map(|child| [child.channel(), child.pidfd()])
    }

    /// When [`Device::on_time`] has something to do next.
    pub(in crate::supervisor) fn next_deadline(&self) -> Option<Instant> {
        let order = self.child.as_ref().and_then(Child::deadline);
        [order, self.next_check, self.restart_at, self.respawn_at, self.tidy_at].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(in crate::supervisor) fn on_time(&mut self, now: Instant) {
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
            self.tidy();
        }
    }

    /// Hears what the process has said.
    pub(in crate::supervisor) fn listen(&mut self, now: Instant, world: &mut World) {
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
    pub(in crate::supervisor) fn notice_end(&mut self, now: Instant, world: &mut World) {
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
        self.panel.vanish();
        self.gone(why.to_owned(), now);
        if !self.was_up {
            return;
        }
        self.tell(Some(State::Removed), "removed", why);
        self.announce("error", world);
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
                self.tell(Some(State::Restarting), "restarting", &why);
                self.announce("restarting", world);
                self.restart_at = Some(now + self.settings.reset_time);
            }
            Then::Down => {
                self.tell(Some(State::Down), "down", "taken down by a write to qat/state");
                self.announce("restarting", world);
            }
            Then::Up => self.is_up(now, world),
        }
        self.answer(Awaited::Order(serial), world);
    }

    /// Publishes what happened and, unless another state was ordered meanwhile, the state that it led to. Uevents come
    /// after this, and after the device's word to its users: whoever hears one finds the state that goes with it.
    fn tell(&mut self, state: Option<State>, event: &str, why: &str) {
        if let Some(state) = state {
            let pid = self.child.as_ref().map(Child::pid);
            self.panel.set_state(state, self.epoch, pid);
        }
        self.panel.record(event, why);
        // Down is what somebody has written there; it may have changed its mind meanwhile, which we shall notice.
        if !matches!(state, None | Some(State::Down | State::Removed)) {
            self.show_admin_state();
        }
    }

    fn announce(&self, event: &str, world: &mut World) {
        world.announcer.qat_event(self.panel.address(), self.panel.number(), event);
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
    pub(in crate::supervisor) fn inject_fatal(&mut self, ticket: Ticket, now: Instant) -> Result<(), String> {
        self.must_be_in_service()?;
        self.panel.count_fatal_error();
        self.fail("fatal error (injected)", now);
        self.wait_for_last_order(ticket);
        Ok(())
    }

    /// The device stops and nobody is told.
    pub(in crate::supervisor) fn inject_hang(&mut self, ticket: Ticket, now: Instant) -> Result<(), String> {
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
        self.tell((self.state == State::Error).then_some(State::Error), "error", why);
        self.announce("error", world);
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
    pub(in crate::supervisor) fn reset(&mut self, ticket: Ticket, now: Instant) -> Result<(), String> {
        self.must_be_in_service()?;
        self.begin_reset("a reset was asked for", now);
        self.waiting.push((ticket, Awaited::Up));
        Ok(())
    }

    fn begin_reset(&mut self, why: &str, now: Instant) {
        self.stop_heartbeat();
        self.state = State::Restarting;
        self.order(Action::BeginRestart, Then::Restarting { why: why.to_owned() }, now);
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
        if self.was_up {
            self.tell(Some(self.state), "restarted", "the device works again");
            self.announce("restarted", world);
        } else {
            self.tell(Some(self.state), "added", "the emulator was started");
        }
        self.was_up = true;
        self.answer(Awaited::Up, world);
    }

    /// Whether the administrator has it in service, whatever its health.
    fn is_in_service(&self) -> bool {
        matches!(self.state, State::Up | State::Error)
    }

    fn show_admin_state(&self) {
        self.panel.show_admin_state(if self.is_in_service() { AdminState::Up } else { AdminState::Down });
    }

    /// Ends the process, and leaves nothing but a note that the device was there.
    pub(in crate::supervisor) fn end(&mut self) {
        let was_there = self.child.take().is_some();
        self.panel.vanish();
        if was_there || self.was_up {
            self.panel.set_state(State::Removed, self.epoch, None);
            self.panel.write_info();
        }
    }
}
