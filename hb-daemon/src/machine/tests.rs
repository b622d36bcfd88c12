//! The rules of the heartbeat and of resets, on a device and a clock that the tests hold in their hands.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use super::*;
use crate::config::ResetPolicy;

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

#[test]
fn a_healthy_device_is_checked_at_its_timers_pace_and_left_alone() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(10));
    let checks = world.sent.get();
    assert!((48..=50).contains(&checks), "{checks}");
    assert_eq!(machine.report().health, Health::Healthy);
    assert_eq!(u64::from(checks), machine.report().checks);
    assert!(world.writes.borrow().is_empty() && world.news.borrow().is_empty());
}

#[test]
fn an_interval_above_the_timer_is_kept() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.interval = Some(Duration::from_secs(1));
    let (mut machine, world) = (machine(policy), Fake::new());
    run(&mut machine, &world, Duration::from_secs(10));
    assert!((9..=10).contains(&world.sent.get()), "{}", world.sent.get());
}

#[test]
fn the_timer_counts_from_the_end_of_a_slow_check() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.checks_take.set(Duration::from_millis(150));
    run(&mut machine, &world, Duration::from_secs(5));
    assert!(world.sent.get() >= 10);
}

#[test]
fn a_timer_that_grows_above_the_interval_is_a_problem_and_is_obeyed() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.interval = Some(Duration::from_millis(300));
    let (mut machine, world) = (machine(policy), Fake::new());
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!(machine.report().problem, None);
    world.timer.set(Duration::from_millis(700));
    run(&mut machine, &world, Duration::from_secs(7));
    let problem = machine.report().problem.clone().unwrap();
    assert!(problem.contains("300") && problem.contains("700 ms"), "{problem}");
    assert_eq!(world.events(), [Event::Problem], "said once");
    assert_eq!(machine.report().interval_ms, Some(700));
    assert_eq!(machine.report().health, Health::Healthy);
    world.timer.set(TIMER);
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!((machine.report().problem.clone(), machine.report().interval_ms), (None, Some(300)));
}

#[test]
fn a_minus_one_without_a_failed_query_is_no_failure() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    // Another process reads `status` just before each of our reads.
    for _ in 0..20 {
        world.last_check.set(Some(world.now()));
        let next = machine.step(&world);
        world.now.set(next);
    }
    assert_eq!(machine.report().health, Health::Suspect);
    assert_eq!(world.events(), [Event::Problem], "said once");
    assert!(world.writes.borrow().is_empty());
}

#[test]
fn a_hang_is_reset_once_and_its_end_is_told() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(5));
    assert_eq!(*world.writes.borrow(), [AdminState::Down, AdminState::Up]);
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
    assert_eq!((machine.report().failures, machine.report().resets), (1, 1));
    assert_eq!(machine.report().health, Health::Healthy);
}

#[test]
fn failures_before_the_daemon_came_are_history() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.failed.set(17);
    run(&mut machine, &world, Duration::from_secs(2));
    assert!(world.events().is_empty());
}

#[test]
fn the_delay_is_kept() {
    let mut policy = policy(ResetPolicy::Managed);
    policy.reset_delay = Duration::from_millis(900);
    let (mut machine, world) = (machine(policy), Fake::new());
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(4));
    let news = world.news.borrow();
    assert_eq!(news[0].1, Event::Failed);
    assert_eq!(news[1].1, Event::Restarting);
    assert_eq!(news[1].0 - news[0].0, Duration::from_millis(900));
}

#[test]
fn the_drivers_own_reset_is_waited_for() {
    for policy_of in [ResetPolicy::Auto, ResetPolicy::Never, ResetPolicy::Managed] {
        let (mut machine, world) = (machine(policy(policy_of)), Fake::new());
        world.auto_reset.set(Some(true));
        world.hangs.set(true);
        run(&mut machine, &world, Duration::from_millis(700));
        world.take_down();
        run(&mut machine, &world, Duration::from_millis(700));
        assert_eq!(machine.report().health, Health::Resetting);
        world.bring_up();
        run(&mut machine, &world, Duration::from_secs(2));
        assert!(world.writes.borrow().is_empty(), "{policy_of:?}");
        let events: Vec<_> = world.events().into_iter().filter(|event| *event != Event::Problem).collect();
        assert_eq!(events, [Event::Failed, Event::Restarting, Event::Restarted]);
        assert_eq!((machine.report().resets, machine.report().resets_by_others), (0, 1));
    }
}

#[test]
fn a_reset_of_the_driver_that_was_too_quick_to_see_is_seen_by_the_counters() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.auto_reset.set(Some(true));
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_millis(300));
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Failed, Event::Restarted]);
}

#[test]
fn a_driver_that_does_not_reset_as_it_should_is_told_of() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.auto_reset.set(Some(true));
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!(world.events(), [Event::Failed, Event::ResetFailed]);
    assert_eq!(machine.report().health, Health::Failed);
    assert!(world.writes.borrow().is_empty());
}

#[test]
fn never_means_never_and_a_device_that_comes_to_itself_is_believed() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Never)), Fake::new());
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_secs(20));
    assert_eq!(world.events(), [Event::Failed], "said once");
    assert_eq!(machine.report().health, Health::Failed);
    world.hangs.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Failed, Event::Recovered]);
    assert!(world.writes.borrow().is_empty());
    assert_eq!(machine.report().health, Health::Healthy);
}

#[test]
fn somebody_elses_reset_stops_ours() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.reset_delay = Duration::from_secs(1);
    let (mut machine, world) = (machine(policy), Fake::new());
    world.hangs.set(true);
    run(&mut machine, &world, Duration::from_millis(500));
    world.take_down();
    run(&mut machine, &world, Duration::from_millis(900));
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(3));
    assert!(world.writes.borrow().is_empty());
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
}

#[test]
fn a_busy_driver_is_not_reset_a_second_time() {
    let busy = || FileError::Busy(PathBuf::from("state"));
    // Busy with a reset that is too quick to be seen in `state`.
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.refusals.borrow_mut().extend([busy(), busy()]);
    let mut writes = 0;
    run_with(&mut machine, &world, Duration::from_secs(3), |world| {
        let made = world.writes.borrow().len();
        if made == 2 && writes == 1 {
            world.bring_up();
        }
        writes = made;
    });
    assert_eq!(*world.writes.borrow(), [AdminState::Down; 2]);
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
    assert_eq!((machine.report().resets, machine.report().resets_by_others), (0, 1));
}

#[test]
fn a_busy_driver_is_tried_again_while_it_is_only_in_use() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.refusals.borrow_mut().extend((0..5).map(|_| FileError::Busy(PathBuf::from("state"))));
    run(&mut machine, &world, Duration::from_secs(3));
    assert_eq!(world.writes.borrow().len(), 7);
    assert_eq!(world.events(), [Event::Failed, Event::Restarting, Event::Restarted]);
}

#[test]
fn a_reset_that_fails_is_told_and_tried_again_ever_more_rarely() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    world.reset_cures.set(false);
    run(&mut machine, &world, Duration::from_secs(60));
    let news = world.news.borrow();
    let starts: Vec<_> = news.iter().filter(|(_, event)| *event == Event::Restarting).collect();
    let ends: Vec<_> = news.iter().filter(|(_, event)| *event == Event::ResetFailed).collect();
    // Each takes its 2 s; between them 2, 4, 8, 16, 32 s.
    assert!((4..=5).contains(&starts.len()), "{news:?}");
    let waits: Vec<_> =
        ends.iter().zip(&starts[1..]).map(|((end, _), (start, _))| (*start - *end).as_secs()).collect();
    assert_eq!(waits[..3], [2, 4, 8]);
    assert_eq!(news.iter().filter(|(_, event)| *event == Event::Failed).count(), 1);
    assert_eq!(machine.report().resets, 0);
}

#[test]
fn a_device_that_a_failed_reset_left_down_is_brought_up_by_the_next() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.hangs.set(true);
    let mut broken = false;
    run_with(&mut machine, &world, Duration::from_secs(10), |world| {
        if world.state.get() == AdminState::Down && !broken {
            broken = true;
            world.refusals.borrow_mut().push(FileError::System {
                path: PathBuf::from("state"),
                source: std::io::Error::from_raw_os_error(14),
            });
        }
    });
    assert_eq!(*world.writes.borrow(), [AdminState::Down, AdminState::Up, AdminState::Up]);
    assert_eq!(
        world.events(),
        [Event::Failed, Event::Restarting, Event::ResetFailed, Event::Restarting, Event::Restarted]
    );
    assert_eq!(machine.report().health, Health::Healthy);
}

#[test]
fn an_administrator_may_take_a_device_down_for_as_long_as_he_likes() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    run(&mut machine, &world, Duration::from_secs(1));
    world.take_down();
    run(&mut machine, &world, Duration::from_secs(3600));
    assert_eq!(machine.report().health, Health::Down);
    assert!(!machine.checks());
    world.bring_up();
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Restarting, Event::Restarted]);
    assert_eq!(machine.report().health, Health::Healthy);
    assert!(world.writes.borrow().is_empty());
}

#[test]
fn a_device_that_vanishes_and_returns_is_taken_up_again() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.present.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!((machine.report().health, world.events()), (Health::Absent, vec![]));
    world.present.set(true);
    run(&mut machine, &world, Duration::from_secs(1));
    world.present.set(false);
    run(&mut machine, &world, Duration::from_secs(1));
    assert!(machine.report().problem.clone().unwrap().contains("not there"));
    world.present.set(true);
    run(&mut machine, &world, Duration::from_secs(1));
    assert_eq!(world.events(), [Event::Restarted, Event::Vanished, Event::Restarted]);
    assert_eq!((machine.report().health, machine.report().problem.clone()), (Health::Healthy, None));
}

#[test]
fn a_check_by_hand_comes_early_but_not_too_early() {
    let mut policy = policy(ResetPolicy::Auto);
    policy.interval = Some(Duration::from_secs(10));
    let (mut machine, world) = (machine(policy), Fake::new());
    run(&mut machine, &world, Duration::from_millis(10_020));
    assert_eq!(machine.report().checks, 1);
    machine.check_soon();
    run(&mut machine, &world, Duration::from_millis(150));
    assert_eq!(machine.report().checks, 1);
    run(&mut machine, &world, Duration::from_millis(100));
    assert_eq!(machine.report().checks, 2);
    run(&mut machine, &world, Duration::from_secs(5));
    assert_eq!(machine.report().checks, 2, "the interval holds again");
}

#[test]
fn the_daemon_leaves_no_device_down_behind() {
    let (mut machine, world) = (machine(policy(ResetPolicy::Auto)), Fake::new());
    world.hangs.set(true);
    while world.state.get() == AdminState::Up {
        let next = machine.step(&world);
        world.now.set(next.max(world.now() + MS));
    }
    machine.stop(&world);
    assert_eq!(*world.writes.borrow(), [AdminState::Down, AdminState::Up]);
    machine = super::tests::machine(policy(ResetPolicy::Auto));
    run(&mut machine, &world, Duration::from_secs(1));
    machine.stop(&world);
    assert_eq!(world.writes.borrow().len(), 2, "a healthy device is not touched");
}
