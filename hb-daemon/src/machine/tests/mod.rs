//! The rules of the heartbeat and of resets, on a device and a clock that the tests hold in their hands.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use super::*;
use crate::config::ResetPolicy;

mod checks;
mod resets;

const MS: Duration = Duration::from_millis(1);
const TIMER: Duration = Duration::from_millis(200);

/// A device as the kernel's driver shows it, which counts what a monitor must not do.
struct Fake {
    now: Cell<Duration>,
    state: Cell<AdminState>,
    /// `qat/` is there.
    present: Cell<bool>,
    hangs: Cell<bool>,
    auto_reset: Cell<Option<bool>>,
    timer: Cell<Duration>,
    sent: Cell<u32>,
    failed: Cell<u32>,
    last_check: Cell<Option<Duration>>,
    too_soon: Cell<u32>,
    /// Answers to writes of `state`, first to last; then all succeed.
    refusals: RefCell<Vec<FileError>>,
    /// What a successful reset does to a hang.
    reset_cures: Cell<bool>,
    checks_take: Cell<Duration>,
    claimed_by_others: Cell<bool>,
    /// Writes of `state` that succeed and do nothing.
    lost_writes: Cell<u32>,
    writes: RefCell<Vec<AdminState>>,
    news: RefCell<Vec<(Duration, Event)>>,
}

impl Fake {
    fn new() -> Self {
        Self {
            now: Cell::new(Duration::from_secs(1)),
            state: Cell::new(AdminState::Up),
            present: Cell::new(true),
            hangs: Cell::new(false),
            auto_reset: Cell::new(Some(false)),
            timer: Cell::new(TIMER),
            sent: Cell::new(0),
            failed: Cell::new(0),
            last_check: Cell::new(None),
            too_soon: Cell::new(0),
            refusals: RefCell::default(),
            reset_cures: Cell::new(true),
            checks_take: Cell::new(Duration::ZERO),
            claimed_by_others: Cell::new(false),
            lost_writes: Cell::new(0),
            writes: RefCell::default(),
            news: RefCell::default(),
        }
    }

    fn take_down(&self) {
        self.state.set(AdminState::Down);
    }

    fn bring_up(&self) {
        if self.reset_cures.get() {
            self.hangs.set(false);
        }
        self.sent.set(0);
        self.failed.set(0);
        self.state.set(AdminState::Up);
    }

    fn absent<T>() -> Result<T, FileError> {
        Err(FileError::Absent(PathBuf::from("heartbeat")))
    }

    fn heartbeat<T>(&self, value: T) -> Result<T, FileError> {
        if self.present.get() && self.state.get() == AdminState::Up { Ok(value) } else { Self::absent() }
    }

    fn events(&self) -> Vec<Event> {
        self.news.borrow().iter().map(|(_, event)| *event).collect()
    }
}

impl World for Fake {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn state(&self) -> Result<AdminState, FileError> {
        if self.present.get() { Ok(self.state.get()) } else { Self::absent() }
    }

    fn set_state(&self, state: AdminState) -> Result<(), FileError> {
        self.writes.borrow_mut().push(state);
        if !self.refusals.borrow().is_empty() {
            return Err(self.refusals.borrow_mut().remove(0));
        }
        if let Some(left) = self.lost_writes.get().checked_sub(1) {
            self.lost_writes.set(left);
            return Ok(());
        }
        match state {
            AdminState::Down => self.take_down(),
            AdminState::Up => self.bring_up(),
        }
        Ok(())
    }

    fn auto_reset(&self) -> Result<bool, FileError> {
        self.auto_reset.get().map_or_else(Self::absent, Ok)
    }

    fn timer(&self) -> Result<Duration, FileError> {
        self.heartbeat(self.timer.get())
    }

    fn check(&self) -> Result<Answer, FileError> {
        self.heartbeat(())?;
        let too_soon = self.last_check.get().is_some_and(|last| self.now.get() - last < self.timer.get());
        if too_soon {
            self.too_soon.set(self.too_soon.get() + 1);
            return Ok(Answer::Unresponsive);
        }
        self.now.set(self.now.get() + self.checks_take.get());
        self.last_check.set(Some(self.now.get()));
        self.sent.set(self.sent.get() + 1);
        if self.hangs.get() {
            self.failed.set(self.failed.get() + 1);
            return Ok(Answer::Unresponsive);
        }
        Ok(Answer::Responsive)
    }

    fn queries_sent(&self) -> Result<u32, FileError> {
        self.heartbeat(self.sent.get())
    }

    fn queries_failed(&self) -> Result<u32, FileError> {
        self.heartbeat(self.failed.get())
    }

    fn claim(&self) -> Result<(), String> {
        if self.claimed_by_others.get() { Err("another monitors it".into()) } else { Ok(()) }
    }

    fn tell(&self, news: News) {
        assert!(!news.why.is_empty());
        self.news.borrow_mut().push((self.now.get(), news.event));
    }
}

fn policy(reset: ResetPolicy) -> Policy {
    Policy { interval: None, reset, reset_delay: Duration::ZERO, reset_timeout: Duration::from_secs(2) }
}

fn machine(policy: Policy) -> Machine {
    let report = MonitoredDevice {
        address: "0000:6b:00.0".parse().unwrap(),
        number: 0,
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
    };
    Machine::new(policy, report)
}

/// Steps for `time`, as the daemon's thread would, and calls `meanwhile` before each step.
fn run_with(machine: &mut Machine, world: &Fake, time: Duration, mut meanwhile: impl FnMut(&Fake)) {
    let end = world.now() + time;
    let mut idle = 0;
    while world.now() < end {
        meanwhile(world);
        let before = world.now();
        let next = machine.step(world);
        // A step may ask for the next one at once, but not for ever.
        idle = if next <= before { idle + 1 } else { 0 };
        assert!(idle < 10, "it spins in {:?}", machine.phase);
        world.now.set(next.clamp(world.now(), end.max(world.now())));
    }
    assert_eq!(world.too_soon.get(), 0, "checked within the timer");
}

fn run(machine: &mut Machine, world: &Fake, time: Duration) {
    run_with(machine, world, time, |_| {});
}
