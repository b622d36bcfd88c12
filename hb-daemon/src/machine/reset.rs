//! Resets: who makes one, its course, its end.

use std::time::Duration;

use hotspare_device::files::{AdminState, FileError, Health};

use super::{
    AWAY_LOOK, Event, LONGEST_RETRY, LOOK, Look, Machine, Phase, Queries, Verdict, World, milliseconds,
};
use crate::config::ResetPolicy;

impl Machine {
    /// The device has failed: who resets it?
    pub(super) fn decide_reset(&mut self, world: &dyn World) -> Duration {
        let now = world.now();
        match world.auto_reset() {
            Ok(true) => {
                if self.policy.reset == ResetPolicy::Managed {
                    let why =
                        "reset = \"managed\", but auto_reset was switched on: this reset is the driver's";
                    self.tell(world, Event::Problem, why.into());
                }
                self.report.health = Health::Resetting;
                self.phase = Phase::AwaitingDriver { until: now + self.policy.reset_timeout };
                now
            }
            // Drivers without the setting don't reset by themselves.
            Ok(false) | Err(FileError::Absent(_)) if self.policy.reset == ResetPolicy::Never => {
                self.report.health = Health::Failed;
                self.phase = Phase::Failed { retry: None };
                self.due()
            }
            Ok(false) | Err(FileError::Absent(_)) => {
                self.report.health = Health::Resetting;
                self.phase = Phase::Delaying { at: now + self.policy.reset_delay };
                now
            }
            Err(error) => self.end_badly(
                world,
                false,
                format!("whether the driver resets it can't be found out: {error}"),
            ),
        }
    }

    /// The driver is to reset the device. Checks go on meanwhile: each failed one asks the driver to do it.
    pub(super) fn await_driver(&mut self, world: &dyn World, until: Duration) -> Duration {
        if let Some(next) = self.others_reset(world) {
            return next;
        }
        let now = world.now();
        if now >= until {
            let why = "auto_reset is on, but the driver didn't reset it";
            return self.end_badly(world, false, format!("{why} within {}", self.timeout()));
        }
        if now >= self.due() {
            match self.make_check(world) {
                Verdict::Restarted => return self.finish(world, false, "the driver reset it"),
                Verdict::Answered => {
                    self.recover();
                    self.tell(world, Event::Recovered, "it answers again before the driver reset it".into());
                    return self.due();
                }
                _ => {}
            }
        }
        until.min(now + LOOK)
    }

    /// The daemon resets it in a while.
    pub(super) fn delay(&mut self, world: &dyn World, at: Duration) -> Duration {
        if let Some(next) = self.others_reset(world) {
            return next;
        }
        let now = world.now();
        if now >= at { self.start_reset(world) } else { at.min(now + LOOK) }
    }

    /// The daemon resets it now.
    pub(super) fn start_reset(&mut self, world: &dyn World) -> Duration {
        let now = world.now();
        let until = now + self.policy.reset_timeout;
        self.report.health = Health::Resetting;
        self.phase = if self.left_down {
            Phase::BringingUp { until }
        } else {
            Phase::GoingDown { until, written: false }
        };
        self.tell(world, Event::Restarting, "this daemon resets it".into());
        now
    }

    pub(super) fn go_down(&mut self, world: &dyn World, until: Duration, written: bool) -> Duration {
        let now = world.now();
        if written {
            if self.is_down(world) {
                self.phase = Phase::BringingUp { until };
                return now;
            }
            if now >= until {
                return self.end_badly(world, true, format!("it doesn't go down within {}", self.timeout()));
            }
            if matches!(world.state(), Ok(AdminState::Up)) {
                // The write was lost (an emulator put its file anew meanwhile), or somebody brought the device up since:
                // the next step tells which by the counters.
                self.phase = Phase::GoingDown { until, written: false };
            }
            return now + LOOK;
        }
        // Before each try: a driver that is busy may be so with a reset of somebody else.
        if let Some(next) = self.others_reset(world) {
            return next;
        }
        match world.set_state(AdminState::Down) {
            Ok(()) => {
                self.phase = Phase::GoingDown { until, written: true };
                world.now()
            }
            Err(error @ (FileError::Busy(_) | FileError::Absent(_))) if now >= until => {
                self.end_badly(world, true, format!("it can't be taken down: {error}"))
            }
            Err(FileError::Busy(_) | FileError::Absent(_)) => now + LOOK,
            Err(error) => self.end_badly(world, true, format!("it can't be taken down: {error}")),
        }
    }

    pub(super) fn bring_up(&mut self, world: &dyn World, until: Duration) -> Duration {
        let now = world.now();
        let result = match world.state() {
            Ok(AdminState::Up) => Ok(()),
            _ => world.set_state(AdminState::Up),
        };
        match result {
            Ok(()) => {
                self.expect_answer(until, true);
                world.now()
            }
            Err(FileError::Busy(_) | FileError::Absent(_)) if now < until => now + LOOK,
            Err(error) => self.end_badly(world, true, format!("it can't be brought up: {error}")),
        }
    }

    pub(super) fn come_up(&mut self, world: &dyn World, until: Duration, ours: bool) -> Duration {
        let now = world.now();
        let mut next = now + LOOK;
        if matches!(self.look(world), Look::Up) {
            if now >= self.due() {
                if let Verdict::Answered | Verdict::Restarted = self.make_check(world) {
                    let why =
                        if ours { "this daemon reset it" } else { "somebody else reset it or took it up" };
                    return self.finish(world, ours, why);
                }
            }
            next = self.due();
        }
        if now >= until {
            return self.end_badly(world, ours, format!("it doesn't answer within {}", self.timeout()));
        }
        next.min(until)
    }

    /// Down or gone, by somebody else.
    pub(super) fn away(&mut self, world: &dyn World, until: Option<Duration>) -> Duration {
        let now = world.now();
        let look = self.look(world);
        if matches!(look, Look::Up) {
            if let Err(why) = world.claim() {
                return self.claimed_by_others(world, why);
            }
            self.expect_answer(now + self.policy.reset_timeout, false);
            return now;
        }
        match until {
            None => {
                if self.report.health != Health::Failed {
                    self.report.health =
                        if matches!(look, Look::Down) { Health::Down } else { Health::Absent };
                }
                now + AWAY_LOOK
            }
            Some(until) if now < until => until.min(now + LOOK),
            Some(_) => {
                let why = format!("somebody else's reset didn't bring it back within {}", self.timeout());
                self.report.health = Health::Failed;
                self.phase = Phase::Away { until: None };
                self.tell(world, Event::ResetFailed, why);
                now + AWAY_LOOK
            }
        }
    }

    /// The device returned with new files, and another monitor was quicker: two would disturb each other.
    fn claimed_by_others(&mut self, world: &dyn World, why: String) -> Duration {
        self.report.health = Health::Absent;
        if self.report.problem.as_ref() != Some(&why) {
            self.report.problem = Some(why.clone());
            self.tell(world, Event::Problem, why);
        }
        world.now() + AWAY_LOOK
    }

    /// Somebody else took the device down, or its files vanished.
    pub(super) fn went_away(&mut self, world: &dyn World, health: Health) -> Duration {
        let now = world.now();
        let failed = self.phase != Phase::Watching;
        self.phase = Phase::Away { until: failed.then(|| now + self.policy.reset_timeout) };
        self.report.health = if failed { Health::Resetting } else { health };
        if failed {
            self.tell(world, Event::Restarting, "somebody else resets it".into());
        } else if self.seen_up && health == Health::Down {
            self.tell(world, Event::Restarting, "somebody took it down".into());
        } else if self.seen_up {
            let why = self.report.problem.clone().unwrap_or_default();
            self.tell(world, Event::Vanished, why);
        }
        now + LOOK
    }

    /// If somebody else resets the device, or just did: what is due then.
    fn others_reset(&mut self, world: &dyn World) -> Option<Duration> {
        match self.look(world) {
            Look::Up if self.counters_began_anew(world) => {
                let now = world.now();
                self.expect_answer(now + self.policy.reset_timeout, false);
                Some(now)
            }
            Look::Up | Look::Unreadable => None,
            Look::Down => Some(self.went_away(world, Health::Down)),
            Look::Absent => Some(self.went_away(world, Health::Absent)),
        }
    }

    /// To read the counters is no check, and may be done at any time.
    fn counters_began_anew(&self, world: &dyn World) -> bool {
        match (Queries::read(world), self.before) {
            (Ok(now), Some(before)) => now.began_anew_since(before),
            _ => false,
        }
    }

    /// `qat/state` alone doesn't tell: in a plain file of an emulator it reads `down` as soon as we wrote it, before the
    /// device noticed, and an `up` written then would be all that it ever sees. `heartbeat/` is the device's to remove.
    fn is_down(&self, world: &dyn World) -> bool {
        matches!(world.timer(), Err(error) if error.is_absent())
    }

    fn expect_answer(&mut self, until: Duration, ours: bool) {
        // What was known of the device before it restarted holds no longer, except when it was last checked.
        self.before = None;
        self.timer = None;
        self.report.health = Health::Resetting;
        self.phase = Phase::ComingUp { until, ours };
    }

    /// The good end.
    pub(super) fn finish(&mut self, world: &dyn World, ours: bool, why: &str) -> Duration {
        if ours {
            self.report.resets += 1;
        } else {
            self.report.resets_by_others += 1;
        }
        self.recover();
        self.tell(world, Event::Restarted, why.to_owned());
        self.due()
    }

    /// The bad end. The next try waits twice as long as the one before.
    fn end_badly(&mut self, world: &dyn World, ours: bool, why: String) -> Duration {
        if ours {
            self.report.resets_failed += 1;
            self.left_down = !matches!(world.state(), Ok(AdminState::Up));
        }
        let wait =
            self.policy.reset_timeout.saturating_mul(1 << self.resets_failed.min(16)).min(LONGEST_RETRY);
        self.resets_failed = self.resets_failed.saturating_add(1);
        let retry = (self.policy.reset != ResetPolicy::Never).then(|| world.now() + wait);
        self.report.health = Health::Failed;
        self.phase = Phase::Failed { retry };
        self.tell(world, Event::ResetFailed, why);
        self.due()
    }

    fn timeout(&self) -> String {
        format!("{} ms (reset_timeout_ms)", milliseconds(self.policy.reset_timeout))
    }
}
