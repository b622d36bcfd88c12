//! What the phases are played with: the world, the load, conditions to wait for, and the rows that come of it.

use std::time::Duration;

use hotspare_device::Bdf;
use hotspare_device::stats::Path;
use serde::Serialize;

use crate::error::DemoError;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::options::Pace;
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::snapshot::{Snapshot, Work};
use crate::watchdog::Seen;
use crate::world::{Places, Status, World};

/// See the module.
pub(super) struct Stage<'a> {
    pub(super) places: &'a Places,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a Progress,
    pub(super) world: &'a mut World,
    pub(super) load: &'a Load,
    pub(super) recorder: &'a Recorder,
    pub(super) watchdogs: &'a Seen,
    pub(super) pace: Pace,
    pub(super) rows: Vec<Row>,
}

/// By what path the handshakes of a phase should go, once its condition has come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expected {
    /// By each of these devices, and by no other.
    Devices(Vec<String>),
    /// In software, and by no device.
    Software,
}

/// How long a request of a phase may take, beyond what the scheduler was seen to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Allowance {
    /// Nothing is promised: processes begin.
    None,
    /// A device says that it is dead: its usual time and 50 ms.
    Told,
    /// A device is silent: its deadline, and the usual time for doing it in software.
    Silent,
}

/// One phase.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) phase: &'static str,
    /// Seconds since the recording began.
    pub(crate) began: f64,
    /// When its condition had come about.
    pub(crate) settled: f64,
    pub(crate) ended: f64,
    /// How often its fault was brought about, until requests were caught in flight.
    pub(crate) rounds: usize,
    /// Devices active at the beginning, each new count in between, and at the end, as `hotspare status` says.
    pub(crate) active: Vec<usize>,
    pub(crate) expected: Expected,
    /// All of it.
    pub(crate) work: Work,
    /// Since its condition had come about.
    pub(crate) settled_work: Work,
    /// Requests whose dummy went to software.
    pub(crate) dummies_to_software: u64,
    /// The longest time from submission to completion, in milliseconds.
    pub(crate) longest_ms: f64,
    /// The time that 99 of 100 requests took at most once the phase's condition had come about, in milliseconds, rounded
    /// up: those by the path that is left, in software too.
    pub(crate) usual_ms: f64,
    /// The longest that a ready thread was seen to wait for a processor.
    pub(crate) scheduler_ms: f64,
    pub(crate) allowance: Allowance,
}

/// What a phase's own part comes to.
pub(super) struct Played {
    pub(super) expected: Expected,
    pub(super) allowance: Allowance,
    pub(super) rounds: usize,
}

/// How long an event, a reset, a restart may take to show, beside the time that it is known to take.
pub(super) const SHOWING: Duration = Duration::from_secs(10);

impl Stage<'_> {
    /// Plays one phase: its own part, which ends when its condition has come about, then load for a while.
    pub(super) fn phase(
        &mut self,
        phase: &'static str,
        part: impl FnOnce(&mut Self, &mut Vec<usize>) -> Result<Played, DemoError>,
    ) -> Result<(), DemoError> {
        self.recorder.begin(phase);
        self.watchdogs.take_phase();
        let (began, first) = (self.recorder.now(), self.snapshot()?);
        let mut active = vec![self.active()?];
        let played = part(self, &mut active)?;
        let (settled, middle) = (self.recorder.now(), self.snapshot()?);
        self.interrupt.pass(self.pace.phase)?;
        let (ended, last) = (self.recorder.now(), self.snapshot()?);
        self.note_active(&mut active)?;
        self.world.check()?;
        self.rows.push(Row {
            phase,
            began,
            settled,
            ended,
            rounds: played.rounds,
            active,
            expected: played.expected,
            work: last.since(&first),
            settled_work: last.since(&middle),
            dummies_to_software: last.dummies_to_software().saturating_sub(first.dummies_to_software()),
            longest_ms: last.longest_ms_since(&first),
            usual_ms: last.usual_ms_since(&middle),
            scheduler_ms: self.watchdogs.take_phase().as_secs_f64() * 1000.0,
            allowance: played.allowance,
        });
        Ok(())
    }

    /// The counters at this moment.
    pub(super) fn snapshot(&self) -> Result<Snapshot, DemoError> {
        Snapshot::take(&self.places.stats(), self.load.tally())
    }

    /// Tells of something that is done to the world.
    pub(super) fn tell(&self, label: &str, is_fault: bool) {
        self.recorder.mark(label, is_fault);
        self.progress.say(&format!("{:6.1} s  {label}", self.recorder.now()));
    }

    /// As above; what is only done again gets no label in the picture, which would have no room for it.
    pub(super) fn tell_of_round(&self, label: &str, is_fault: bool, round: usize) {
        if round == 1 {
            return self.tell(label, is_fault);
        }
        self.recorder.mark("", is_fault);
        self.progress.say(&format!("{:6.1} s  {label} again", self.recorder.now()));
    }

    /// Waits until `hotspare status` says that as many devices are active as are wanted.
    pub(super) fn wait_for_active(
        &mut self,
        wanted: impl Fn(usize) -> bool,
        bound: Duration,
        seen: &mut Vec<usize>,
    ) -> Result<(), DemoError> {
        self.interrupt.wait_for("the wanted count of active devices in `hotspare status`", bound, || {
            self.world.check()?;
            self.note_active(seen).map(&wanted)
        })
    }

    /// Waits until the daemon says that it has reset each device.
    pub(super) fn wait_for_resets_by_daemon(&mut self) -> Result<(), DemoError> {
        self.interrupt.wait_for("a reset of each device by hotspare-hbd", SHOWING, || {
            Ok(self.world.devices_reset_by_daemon(self.places)? == self.world.emulator.devices.len())
        })
    }

    /// Waits until each of these devices has completed requests from now on.
    pub(super) fn wait_for_work_of(&mut self, devices: &[Bdf]) -> Result<(), DemoError> {
        let first = self.snapshot()?;
        self.interrupt.wait_for("work of each device that is back", SHOWING, || {
            self.world.check()?;
            let now = self.snapshot()?;
            Ok(devices.iter().all(|device| now.completed_by(*device) > first.completed_by(*device)))
        })
    }

    /// Waits until handshakes are made in software from now on.
    pub(super) fn wait_for_software(&mut self) -> Result<(), DemoError> {
        let first = self.snapshot()?;
        self.interrupt.wait_for("handshakes in software", SHOWING, || {
            Ok(self.snapshot()?.handshakes(Path::Software) > first.handshakes(Path::Software))
        })
    }

    fn active(&self) -> Result<usize, DemoError> {
        Status::ask(self.places).map(|status| status.active)
    }

    fn note_active(&self, seen: &mut Vec<usize>) -> Result<usize, DemoError> {
        let active = self.active()?;
        if seen.last() != Some(&active) {
            seen.push(active);
        }
        Ok(active)
    }
}
