//! The phases, one after the other.

use std::time::Duration;

use hotspare_device::Bdf;
use hotspare_device::stats::Counter;

use super::stage::{Allowance, Expected, Played, SHOWING, Stage};
use crate::error::DemoError;

/// Handshakes begun at once as a fault is brought about: more than there are workers, so that requests are in flight.
const BURST: usize = 32;

/// How often a fault is brought about until it has caught requests in flight. One in two does.
const MOST_ROUNDS: usize = 12;

/// How long what a fault has caught may take to be counted: many times a request's deadline.
const CATCHING: Duration = Duration::from_millis(500);

/// A reset by hand, or a new process, beside the time that it is known to take.
const BACK: Duration = Duration::from_secs(20);

pub(super) fn play(stage: &mut Stage<'_>) -> Result<(), DemoError> {
    let [one, other] = stage.world.emulator.devices;
    let both = [one, other];
    stage.phase("both up", |stage, seen| {
        stage.wait_for_active(|active| active == 2, SHOWING, seen)?;
        stage.wait_for_work_of(&both)?;
        played(devices(&both), Allowance::None)
    })?;
    stage.phase("one fatal", |stage, seen| one_fatal(stage, seen, one, other))?;
    stage.phase("other hangs", |stage, seen| {
        stage.tell(&format!("hang {}", short(other)), true);
        stage.world.emulator.inject(other, "hang")?;
        stage.wait_for_active(|active| active == 0, SHOWING, seen)?;
        stage.wait_for_software()?;
        played(Expected::Software, Allowance::Silent)
    })?;
    stage.phase("both back", |stage, seen| {
        let bound = stage.pace.reset_delay + BACK;
        stage.wait_for_active(|active| active >= 1, bound, seen)?;
        stage.tell("one reset by hotspare-hbd", false);
        stage.wait_for_active(|active| active == 2, bound, seen)?;
        stage.tell("the other too", false);
        stage.wait_for_resets_by_daemon()?;
        stage.wait_for_work_of(&both)?;
        played(devices(&both), Allowance::None)
    })?;
    stage.phase("one killed", |stage, seen| {
        stage.load.burst(BURST);
        stage.tell(&format!("kill -9 {}", short(one)), true);
        stage.world.emulator.kill(one)?;
        stage.wait_for_active(|active| active == 1, SHOWING, seen)?;
        stage.wait_for_work_of(&[other])?;
        stage.wait_for_active(|active| active == 2, BACK, seen)?;
        stage.tell("back", false);
        stage.wait_for_work_of(&both)?;
        played(devices(&both), Allowance::Told)
    })?;
    stage.phase("both fatal", |stage, seen| both_fatal(stage, seen, both))?;
    stage.phase("reload", |stage, seen| {
        let before = stage.snapshot()?.processes.len();
        stage.tell(stage.world.server.reload_shown(), false);
        stage.world.server.reload(stage.interrupt)?;
        stage.interrupt.wait_for("work of the server's new workers", SHOWING, || {
            let now = stage.snapshot()?;
            Ok(now.processes.iter().skip(before).any(|process| process.sum.value(Counter::Hardware) > 0))
        })?;
        stage.wait_for_active(|active| active == 2, SHOWING, seen)?;
        stage.wait_for_work_of(&both)?;
        played(devices(&both), Allowance::None)
    })?;
    stage.phase("at the end", |stage, seen| {
        stage.wait_for_active(|active| active == 2, SHOWING, seen)?;
        stage.wait_for_work_of(&both)?;
        played(devices(&both), Allowance::None)
    })
}

/// One device dies, and what it had in flight is replayed on the other. Again, until something was in flight.
fn one_fatal(
    stage: &mut Stage<'_>,
    seen: &mut Vec<usize>,
    one: Bdf,
    other: Bdf,
) -> Result<Played, DemoError> {
    let mut rounds = 0;
    loop {
        rounds += 1;
        let before = stage.snapshot()?.value(Counter::ReplayedHardware);
        fatal(stage, one, rounds)?;
        stage.wait_for_active(|active| active == 1, SHOWING, seen)?;
        if caught(stage, |now| now.value(Counter::ReplayedHardware) > before)? || rounds == MOST_ROUNDS {
            break;
        }
        reset(stage, &[one], rounds, seen)?;
    }
    stage.wait_for_work_of(&[other])?;
    Ok(Played { expected: devices(&[other]), allowance: Allowance::Told, rounds })
}

/// Both devices die, the second with requests in flight that only software can take. Again, until there were some.
fn both_fatal(stage: &mut Stage<'_>, seen: &mut Vec<usize>, both: [Bdf; 2]) -> Result<Played, DemoError> {
    let mut rounds = 0;
    loop {
        rounds += 1;
        fatal(stage, both[0], rounds)?;
        stage.wait_for_active(|active| active == 1, SHOWING, seen)?;
        let before = stage.snapshot()?.dummies_to_software();
        fatal(stage, both[1], rounds)?;
        stage.wait_for_active(|active| active == 0, SHOWING, seen)?;
        stage.wait_for_software()?;
        let caught = caught(stage, |now| now.dummies_to_software() > before)?;
        reset(stage, &both, rounds, seen)?;
        if caught || rounds == MOST_ROUNDS {
            return Ok(Played { expected: devices(&both), allowance: Allowance::Told, rounds });
        }
    }
}

fn fatal(stage: &Stage<'_>, device: Bdf, round: usize) -> Result<(), DemoError> {
    stage.load.burst(BURST);
    stage.tell_of_round(&format!("fatal {}", short(device)), true, round);
    stage.world.emulator.inject(device, "fatal")
}

/// Whether it comes about soon. That it doesn't is no error: there was nothing to catch.
fn caught(
    stage: &Stage<'_>,
    condition: impl Fn(&crate::snapshot::Snapshot) -> bool,
) -> Result<bool, DemoError> {
    let wait = stage.interrupt.wait_for("requests in flight", CATCHING, || Ok(condition(&stage.snapshot()?)));
    match wait {
        Ok(()) => Ok(true),
        Err(DemoError::Late { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Resets devices by hand, and waits until they work again.
fn reset(
    stage: &mut Stage<'_>,
    broken: &[Bdf],
    round: usize,
    seen: &mut Vec<usize>,
) -> Result<(), DemoError> {
    stage.tell_of_round("reset by hand", false, round);
    for device in broken {
        stage.world.emulator.reset(*device)?;
    }
    stage.wait_for_active(|active| active == 2, BACK, seen)?;
    stage.wait_for_work_of(broken)
}

fn played(expected: Expected, allowance: Allowance) -> Result<Played, DemoError> {
    Ok(Played { expected, allowance, rounds: 1 })
}

fn devices(devices: &[Bdf]) -> Expected {
    Expected::Devices(devices.iter().map(Bdf::to_string).collect())
}

/// An address without its domain, which is 0 for all made-up devices.
fn short(device: Bdf) -> String {
    let text = device.to_string();
    text.strip_prefix("0000:").unwrap_or(&text).to_owned()
}
