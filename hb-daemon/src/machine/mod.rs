//! What is done with one device, and when: the heart of the daemon, without a clock, a thread or a file of its own.
//!
//! A [`Machine`] is stepped. Each step looks at the device through a [`World`], does what is due, and says when the
//! next step is due. A step doesn't wait, except in the driver (a read or write may block as long as it likes).
//!
//! The rules of the heartbeat (`heartbeat/status` is the check):
//! - never two checks within the device's timer, as the second would say "unresponsive" of a healthy device;
//! - a device has failed if `queries_failed` grew, not if `status` says -1;
//! - files that aren't there are normal while a device is down or restarts;
//! - never a second reset before the first is over, whoever made the first.

mod reset;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hotspare_device::files::{AdminState, Answer, FileError, Health, MonitoredDevice};

use crate::config::Policy;

/// The device and the time, as a machine sees them.
pub(crate) trait World {
    /// Time since some moment in the past; never goes back.
    fn now(&self) -> Duration;
    fn state(&self) -> Result<AdminState, FileError>;
    fn set_state(&self, state: AdminState) -> Result<(), FileError>;
    fn auto_reset(&self) -> Result<bool, FileError>;
    fn timer(&self) -> Result<Duration, FileError>;
    fn check(&self) -> Result<Answer, FileError>;
    fn queries_sent(&self) -> Result<u32, FileError>;
    fn queries_failed(&self) -> Result<u32, FileError>;
    /// Makes sure that we are the device's only monitor, also after its files were made anew. Else says who is.
    fn claim(&self) -> Result<(), String>;
    /// Records what happened: in the log, among the device's events, and to everybody where `news` says so.
    fn tell(&self, news: News);
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) event: Event,
    pub(crate) why: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The device failed. Announced as `error`.
    Failed,
    /// A reset begins, or somebody took the device down. Announced as `restarting`.
    Restarting,
    /// A reset is over and the device answers. Announced as `restarted`.
    Restarted,
    /// A reset is over and the device doesn't answer, or it didn't come to a reset. Announced as `error`.
    ResetFailed,
    /// The device answers again though nobody reset it. Not announced: its users' rings were not restarted.
    Recovered,
    /// The device's files vanished. Not announced: the kernel tells of a removal itself.
    Vanished,
    /// Something is wrong with the configuration or with the files.
    Problem,
}

/// The kernel's clock of a check counts whole milliseconds: a check that comes the timer after the last one by our
/// clock could come a millisecond too soon by its. This is added.
const CLOCK_MARGIN: Duration = Duration::from_millis(5);

/// The ABI's least timer. A `config` that says less is not believed.
const LEAST_TIMER: Duration = Duration::from_millis(200);

/// How often the state is looked at while a reset is under way.
const LOOK: Duration = Duration::from_millis(50);

/// How often the state is looked at while a device is down or gone, which may last for days.
const AWAY_LOOK: Duration = Duration::from_millis(250);

/// The longest wait between two resets that fail.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// Where the device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In service.
    Watching,
    /// Failed, and nobody resets it before `retry`, if ever.
    Failed { retry: Option<Duration> },
    /// Failed, and the driver is to reset it before `until`.
    AwaitingDriver { until: Duration },
    /// Failed; the daemon resets it at `at` unless somebody else does before.
    Delaying { at: Duration },
    /// The daemon's reset, first half: `down` is written, or to be written, and is to be seen before `until`.
    GoingDown { until: Duration, written: bool },
    /// The daemon's reset, second half: `up` is to be written.
    BringingUp { until: Duration },
    /// A reset, whoever's, is nearly over: the device is to answer before `until`.
    ComingUp { until: Duration, ours: bool },
    /// Down or gone, by somebody else. If that followed a failure, it is to be back before `until`.
    Away { until: Option<Duration> },
}

/// The device's counters, which begin at 0 whenever it is started.
#[derive(Debug, Clone, Copy)]
struct Queries {
    sent: u32,
    failed: u32,
}

impl Queries {
    fn read(world: &dyn World) -> Result<Self, FileError> {
        Ok(Self { sent: world.queries_sent()?, failed: world.queries_failed()? })
    }

    /// These are of a device that was started after `before` was read.
    fn began_anew_since(self, before: Self) -> bool {
        self.sent < before.sent || self.failed < before.failed
    }
}

/// The monitor of one device.
pub(crate) struct Machine {
    policy: Policy,
    phase: Phase,
    /// The device's timer, once it was read.
    timer: Option<Duration>,
    /// When the last check returned; at first, when the machine began.
    last_check: Option<Duration>,
    /// The device's counters as far as they have been acted upon.
    before: Option<Queries>,
    /// Resets that failed since the device last answered.
    resets_failed: u32,
    /// The device was in service before, so that its going down is news.
    seen_up: bool,
    /// A failed reset of this daemon left the device down: nobody else brings it up.
    left_down: bool,
    /// A check by hand is wanted as soon as the timer allows.
    hurry: bool,
    report: MonitoredDevice,
}

impl Machine {
    pub(crate) fn new(policy: Policy, report: MonitoredDevice) -> Self {
        Self {
            policy,
            phase: Phase::Watching,
            timer: None,
            last_check: None,
            before: None,
            resets_failed: 0,
            seen_up: false,
            left_down: false,
            hurry: false,
            report,
        }
    }

    /// What there is to say of the device.
    pub(crate) fn report(&self) -> &MonitoredDevice {
        &self.report
    }

    /// The next check is wanted as soon as the device's timer allows.
    pub(crate) fn check_soon(&mut self) {
        self.hurry = true;
    }

    /// Whether the device is being checked at present: if it isn't, a wish for a check will not be fulfilled.
    pub(crate) fn checks(&self) -> bool {
        matches!(self.phase, Phase::Watching | Phase::Failed { .. })
    }

    /// Does what is due, and says when to come again.
    pub(crate) fn step(&mut self, world: &dyn World) -> Duration {
        if self.last_check.is_none() {
            // Somebody may have checked the device just before: a daemon that ended, an administrator.
            self.last_check = Some(world.now());
        }
        match self.phase {
            Phase::Watching => self.watch(world),
            Phase::Failed { retry } => self.failed(world, retry),
            Phase::AwaitingDriver { until } => self.await_driver(world, until),
            Phase::Delaying { at } => self.delay(world, at),
            Phase::GoingDown { until, written } => self.go_down(world, until, written),
            Phase::BringingUp { until } => self.bring_up(world, until),
            Phase::ComingUp { until, ours } => self.come_up(world, until, ours),
            Phase::Away { until } => self.away(world, until),
        }
    }

    /// The daemon ends: a device that it took down is brought up, without waiting for the result.
    pub(crate) fn stop(&mut self, world: &dyn World) {
        let down = matches!(self.phase, Phase::GoingDown { written: true, .. } | Phase::BringingUp { .. });
        if down || self.left_down {
            if let Err(error) = world.set_state(AdminState::Up) {
                let why = format!("the daemon ends and leaves the device down: {error}");
                self.tell(world, Event::ResetFailed, why);
            }
        }
    }

    /// In service: a check when one is due.
    fn watch(&mut self, world: &dyn World) -> Duration {
        match self.look(world) {
            Look::Up => {}
            Look::Down => return self.went_away(world, Health::Down),
            Look::Absent => return self.went_away(world, Health::Absent),
            Look::Unreadable => return self.unreadable(world),
        }
        self.seen_up = true;
        let due = self.due();
        if world.now() < due {
            return due;
        }
        match self.make_check(world) {
            Verdict::Answered => self.report.health = Health::Healthy,
            Verdict::Restarted => return self.finish(world, false, "its counters began anew"),
            Verdict::Doubtful => self.doubt(world),
            Verdict::Failed(why) => return self.fail(world, why),
            // It says so in the next step, if it lasts.
            Verdict::Absent => return world.now() + LOOK,
            Verdict::Unreadable => return self.unreadable(world),
        }
        self.due()
    }

    /// Failed, and left alone: still checked, as it may come to itself, or be reset by hand.
    fn failed(&mut self, world: &dyn World, retry: Option<Duration>) -> Duration {
        let now = world.now();
        let retry_is_due = retry.is_some_and(|retry| now >= retry);
        match self.look(world) {
            Look::Up => self.left_down = false,
            Look::Down | Look::Absent if self.left_down && retry_is_due => return self.start_reset(world),
            Look::Down | Look::Absent if self.left_down => return now + AWAY_LOOK,
            Look::Down => return self.went_away(world, Health::Down),
            Look::Absent => return self.went_away(world, Health::Absent),
            Look::Unreadable => return self.unreadable(world),
        }
        if retry_is_due {
            return self.decide_reset(world);
        }
        if now >= self.due() {
            match self.make_check(world) {
                Verdict::Restarted => return self.finish(world, false, "somebody else restarted it"),
                Verdict::Answered => {
                    self.recover();
                    self.tell(world, Event::Recovered, "it answers again without a reset".into());
                    return self.due();
                }
                _ => {}
            }
        }
        retry.map_or_else(|| self.due(), |retry| retry.min(self.due()))
    }

    /// Everything about the device that may change at any time. Reads the timer too, and acts on a new one.
    fn look(&mut self, world: &dyn World) -> Look {
        match world.state() {
            Ok(AdminState::Up) => {}
            Ok(AdminState::Down) => return Look::Down,
            Err(error) => return self.look_failed(&error),
        }
        match world.timer() {
            Ok(timer) => self.adopt_timer(world, timer.max(LEAST_TIMER)),
            Err(error) => return self.look_failed(&error),
        }
        Look::Up
    }

    fn look_failed(&mut self, error: &FileError) -> Look {
        self.report.problem = Some(error.to_string());
        // Whatever it was, the next good look clears it away, as after a change of the timer.
        self.timer = None;
        if error.is_absent() { Look::Absent } else { Look::Unreadable }
    }

    fn adopt_timer(&mut self, world: &dyn World, timer: Duration) {
        if self.timer == Some(timer) {
            return;
        }
        self.timer = Some(timer);
        self.report.timer_ms = Some(milliseconds(timer));
        self.report.interval_ms = Some(milliseconds(self.pace()));
        self.report.problem = self.policy.interval.filter(|interval| *interval < timer).map(|interval| {
            let why =
                interval_below_timer(interval, timer) + "; until then it is checked at its timer's pace";
            self.tell(world, Event::Problem, why.clone());
            why
        });
    }

    /// The time between two checks: the interval, but never below the timer.
    fn pace(&self) -> Duration {
        let timer = self.timer.unwrap_or(LEAST_TIMER);
        self.policy.interval.map_or(timer, |interval| interval.max(timer))
    }

    /// When the next check is due.
    fn due(&self) -> Duration {
        let wait = if self.hurry { self.timer.unwrap_or(LEAST_TIMER) } else { self.pace() };
        self.last_check.map_or(Duration::ZERO, |last| last + wait + CLOCK_MARGIN)
    }

    /// The one place where `heartbeat/status` is read, never before the timer has passed (see [`Machine::due`]).
    fn make_check(&mut self, world: &dyn World) -> Verdict {
        let before = match self.before.map_or_else(|| Queries::read(world), Ok) {
            Ok(before) => before,
            Err(error) => return self.verdict_on(&error),
        };
        self.before = Some(before);
        let answer = world.check();
        self.last_check = Some(world.now());
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.verdict_on(&error),
        };
        self.hurry = false;
        self.report.checks += 1;
        self.report.last_check_unix_ms = Some(hotspare_device::files::unix_ms());
        let now = match Queries::read(world) {
            Ok(now) => now,
            Err(error) => return self.verdict_on(&error),
        };
        self.report.queries_sent = Some(now.sent);
        self.report.queries_failed = Some(now.failed);
        self.before = Some(now);
        judge(answer, before, now)
    }

    fn verdict_on(&mut self, error: &FileError) -> Verdict {
        match self.look_failed(error) {
            Look::Absent => Verdict::Absent,
            _ => Verdict::Unreadable,
        }
    }

    /// `status` said -1, yet no check failed.
    fn doubt(&mut self, world: &dyn World) {
        if self.report.health != Health::Suspect {
            self.report.health = Health::Suspect;
            let why =
                "heartbeat/status says -1 but queries_failed didn't grow: does another process read it too?";
            self.tell(world, Event::Problem, why.into());
        }
    }

    fn unreadable(&mut self, world: &dyn World) -> Duration {
        if self.report.health != Health::Absent {
            self.report.health = Health::Absent;
            let why = self.report.problem.clone().unwrap_or_default();
            self.tell(world, Event::Problem, why);
        }
        world.now() + AWAY_LOOK
    }

    /// A device in service failed.
    fn fail(&mut self, world: &dyn World, why: String) -> Duration {
        self.report.failures += 1;
        self.report.health = Health::Failed;
        self.tell(world, Event::Failed, why);
        self.decide_reset(world)
    }

    /// The device answers: nothing of its failure is left.
    fn recover(&mut self) {
        self.phase = Phase::Watching;
        self.report.health = Health::Healthy;
        self.resets_failed = 0;
        self.left_down = false;
        self.seen_up = true;
    }

    fn tell(&self, world: &dyn World, event: Event, why: String) {
        world.tell(News { event, why });
    }
}

enum Look {
    Up,
    Down,
    Absent,
    Unreadable,
}

enum Verdict {
    Answered,
    /// Answered, by a device that somebody restarted since the last check.
    Restarted,
    /// -1 without a failed query.
    Doubtful,
    Failed(String),
    Absent,
    Unreadable,
}

fn judge(answer: Answer, before: Queries, now: Queries) -> Verdict {
    let restarted = now.began_anew_since(before);
    let failed_before = if restarted { 0 } else { before.failed };
    match answer {
        Answer::Responsive if restarted => Verdict::Restarted,
        _ if now.failed > failed_before => Verdict::Failed(format!(
            "queries_failed grew from {failed_before} to {}: it hangs, or had a fatal error",
            now.failed
        )),
        Answer::Responsive => Verdict::Answered,
        Answer::Unresponsive => Verdict::Doubtful,
    }
}

/// Why an interval is refused.
pub(crate) fn interval_below_timer(interval: Duration, timer: Duration) -> String {
    format!(
        "interval_ms = {} is below the device's timer of {} ms (heartbeat/config), so checks would fail falsely: set \
         interval_ms to {} or more, or remove it",
        milliseconds(interval),
        milliseconds(timer),
        milliseconds(timer)
    )
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
